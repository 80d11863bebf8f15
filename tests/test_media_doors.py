"""Files people upload: judged by their bytes, served whole or in part, and known to Meta once for each number."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

import httpx
import pytest

from crm import channels, media
from crm.core import form, rails
from crm.core.meta import MetaError
from crm.media import doors, gate
from tests.meta import becomes
from tests.people import Sql
from tests.sends import arrive, ask
from tests.system import Guest, Hotel, System, calling, eventually, unique_number_id, unique_phone
from tests.test_doors import is_problem
from tests.test_media_look import OPUS, film, picture

PNG = picture("PNG", (64, 64))
AGED = "UPDATE media_uploads SET created_at = now() - INTERVAL '1 hour' WHERE channel_id = $1"


async def upload(client: httpx.AsyncClient, content: bytes, name: str = "foto.png") -> httpx.Response:
    """POST a file as a browser does."""
    return await client.post("/api/media", files={"file": (name, content, "image/png")})


@pytest.fixture
async def file(bruno: httpx.AsyncClient) -> str:
    """The address of an uploaded picture."""
    return f"/api/media/{(await upload(bruno, PNG)).json()['id']}"


@pytest.mark.parametrize(
    ("content", "mime_type"),
    [
        (PNG, "image/png"),
        (OPUS, "audio/ogg; codecs=opus"),
        (film(), "video/mp4"),
        (b"%PDF-1.7", "application/pdf"),
    ],
)
async def test_a_file_is_kept_as_what_its_bytes_are(
    content: bytes, mime_type: str, bruno: httpx.AsyncClient
) -> None:
    answer = await upload(bruno, content)
    assert (answer.status_code, answer.json()["mimeType"], answer.json()["size"]) == (201, mime_type, len(content))
    assert (await bruno.get(f"/api/media/{answer.json()['id']}")).content == content


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "unsupported_media_type"),
        (b"MZ\x90\0\0", 415, "unsupported_media_type"),
        (OPUS.replace(b"OpusHead\x01\x01", b"OpusHead\x01\x02"), 415, "unsupported_media_type"),
        (b"\xff\xd8\xff" + bytes(5 * 1024 * 1024), 413, "payload_too_large"),
        (picture("WEBP") + bytes(100 * 1024), 413, "payload_too_large"),
        (b"", 422, "validation_failed"),
    ],
)
async def test_what_whatsapp_does_not_take_is_refused(
    content: bytes, status: int, code: str, bruno: httpx.AsyncClient
) -> None:
    answer = await upload(bruno, content)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_form_that_is_none_is_refused(bruno: httpx.AsyncClient) -> None:
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    torn = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc'
    other = await bruno.post("/api/media", json={"file": "x"})
    text = await bruno.post("/api/media", data={"file": "x"}, files={"other": b"x"})
    codes = [(await bruno.post("/api/media", content=body, headers=form)).status_code for body in (torn, b"zzz")]
    assert (other.status_code, text.status_code, codes) == (415, 422, [422, 400])


FORM = {"Content-Type": "multipart/form-data; boundary=x"}
START = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
END = b"\r\n--x--\r\n"


async def test_an_upload_that_stands_still_is_given_up(
    bruno: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(form, "SILENT_SECONDS", 0.2)

    async def stalls() -> AsyncIterator[bytes]:
        yield START
        await asyncio.sleep(0.8)

    answer = await bruno.post("/api/media", content=stalls(), headers=FORM)
    assert (answer.status_code, answer.json()["code"]) == (408, "body_too_slow")


async def test_one_hotel_cannot_upload_without_end_at_once(hotel_a: Hotel, carla: httpx.AsyncClient) -> None:
    go_on = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield START
        await go_on.wait()
        yield PNG + END

    post = partial(hotel_a.attendant.post, "/api/media", headers=FORM)
    slow = [asyncio.create_task(post(content=slowly())) for _ in range(gate.OF_ONE)]

    async def full() -> bool:
        return gate.in_hand[UUID(hotel_a.id)] == gate.OF_ONE

    await eventually(full)
    refused = await upload(hotel_a.admin, PNG)
    assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (
        429,
        "rate_limited",
        "2",
    )
    assert (await upload(carla, PNG)).status_code == 201
    go_on.set()
    assert {answer.status_code for answer in await asyncio.gather(*slow)} == {201}
    assert (await upload(hotel_a.admin, PNG)).status_code == 201


@pytest.mark.parametrize("told", [True, False], ids=["told by its length", "found out while it comes"])
async def test_an_upload_above_the_largest_file_is_refused(
    told: bool, bruno: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "LARGEST", 64 * 1024)

    async def pieces() -> AsyncIterator[bytes]:
        yield START
        for _ in range(10):
            yield bytes(64 * 1024)

    whole = START + bytes(640 * 1024)
    answer = await bruno.post("/api/media", content=whole if told else pieces(), headers=FORM)
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


async def test_a_part_of_a_file_is_served(file: str, bruno: httpx.AsyncClient) -> None:
    size = len(PNG)
    for asked, part in (
        ("0-9", PNG[:10]),
        (f"{size - 5}-", PNG[-5:]),
        ("-7", PNG[-7:]),
        (f"5-{size * 2}", PNG[5:]),
    ):
        answer = await bruno.get(file, headers={"Range": f"bytes={asked}"})
        assert (answer.status_code, answer.content) == (206, part), asked
        assert answer.headers["content-range"].endswith(f"/{size}")
    for asked in (f"{size}-", "-0"):
        answer = await bruno.get(file, headers={"Range": f"bytes={asked}"})
        assert is_problem(answer, 416, "range_not_satisfiable")
        assert answer.headers["content-range"] == f"bytes */{size}"
    for asked in ("5-2", "x", "0-1,3-4"):
        assert (await bruno.get(file, headers={"Range": f"bytes={asked}"})).status_code == 200


async def test_a_file_the_browser_has_is_not_sent_again(file: str, bruno: httpx.AsyncClient) -> None:
    whole = await bruno.get(file)
    etag = whole.headers["etag"]
    assert (await bruno.get(file, headers={"If-None-Match": f'"x", W/{etag}'})).status_code == 304
    assert (await bruno.get(file, headers={"If-None-Match": '"x"'})).status_code == 200
    other = {"Range": "bytes=0-1", "If-Range": '"x"'}
    assert (await bruno.get(file, headers=other)).content == PNG
    assert whole.headers["cache-control"] == "private, no-cache"
    assert whole.headers["content-disposition"].startswith("inline;")


async def test_a_head_tells_the_size_and_sends_nothing(file: str, bruno: httpx.AsyncClient) -> None:
    answer = await bruno.head(file)
    assert (answer.status_code, answer.headers["content-length"], answer.content) == (200, str(len(PNG)), b"")


async def test_a_file_that_has_no_picture_has_no_thumbnail(bruno: httpx.AsyncClient) -> None:
    made = (await upload(bruno, b"Bom dia", "../../nota.txt")).json()
    assert (await bruno.get(f"/api/media/{made['id']}/thumbnail")).status_code == 404
    shown = (await bruno.get(f"/api/media/{made['id']}")).headers["content-disposition"]
    assert shown == "attachment; filename=\"nota.txt\"; filename*=UTF-8''nota.txt"


async def test_what_is_here_is_not_asked_for_again(file: str, bruno: httpx.AsyncClient) -> None:
    answer = await bruno.post(f"{file}/retry")
    assert (answer.status_code, answer.json()["code"], answer.json()["state"]) == (409, "conflict", "READY")


async def test_a_file_goes_to_meta_once_for_each_number(
    system: System, hotel_a: Hotel, file: str, as_owner: Sql
) -> None:
    laid, tenant, wanted = await rails.lay(system.settings), UUID(hotel_a.id), UUID(file.rpartition("/")[2])
    async with laid.db.tenant(tenant) as tx:
        sender = await channels.sender(tx, UUID(hotel_a.channel_id))
    assert sender is not None
    asked: list[Any] = [media.graph_id(laid, tenant, wanted, sender) for _ in range(5)]
    ids = set(await asyncio.gather(*asked)) | {await media.graph_id(laid, tenant, wanted, sender)}
    old = "UPDATE media_uploads SET created_at = now() - INTERVAL '29 days 1 hour' WHERE graph_id = $1"
    await as_owner(old, next(iter(ids)))
    fresh = await media.graph_id(laid, tenant, wanted, sender)
    with pytest.raises(MetaError, match="permanent"):
        await media.graph_id(laid, tenant, tenant, sender)
    await laid.close()
    assert (len(ids), fresh not in ids) == (1, True)


async def test_a_file_that_meta_has_forgotten_is_uploaded_again(
    system: System, hotel_a: Hotel, bruno: httpx.AsyncClient, as_owner: Sql
) -> None:
    dora, media = Guest(hotel_a, unique_phone()), (await upload(bruno, PNG)).json()["id"]
    await dora.writes()
    _, first = await arrive(dora, system, type="image", mediaId=media)
    async with calling(headers={"Authorization": f"Bearer token-of-{hotel_a.number_id}"}) as meta:
        assert (await meta.delete(f"{system.graph_url}/v25.0/{first['image']['id']}")).status_code == 200
    just = await ask(dora, type="image", mediaId=media)
    await becomes(hotel_a, just.json(), "FAILED")  # uploaded in the last minute: it is refused for what it is
    await as_owner(AGED, hotel_a.channel_id)
    _, second = await arrive(dora, system, type="image", mediaId=media)
    assert second["image"]["id"] != first["image"]["id"]


async def test_another_number_of_a_channel_uploads_its_files_itself(system: System) -> None:
    """Meta knows a file by its id for the number it was uploaded for, and refused it for the next one."""
    hotel, number = await system.hotel("Muda"), unique_number_id()
    dora, files = Guest(hotel, unique_phone()), (await upload(hotel.attendant, PNG)).json()["id"]
    await dora.writes()
    _, first = await arrive(dora, system, type="image", mediaId=files)
    known = {"phoneNumberId": number, "wabaId": hotel.waba_id, "accessToken": f"token-of-{hotel.number_id}"}
    more = {"displayPhoneNumber": "+55 48 3222-2000", "appSecret": hotel.secret, "window": "off"}
    async with calling() as meta:
        answer = await meta.post(
            f"{system.graph_url}/_fake/numbers",
            json={**known, **more, "webhookUrl": f"{system.url}/webhooks/whatsapp"},
        )
    assert answer.status_code < 300, answer.text
    change = {"whatsappPhoneNumberId": number}
    assert (await hotel.admin.patch(f"/api/channels/{hotel.channel_id}", json=change)).status_code == 200
    moved = replace(dora, hotel=replace(hotel, number_id=number))
    _, second = await arrive(moved, system, type="image", mediaId=files)
    assert second["image"]["id"] != first["image"]["id"]
