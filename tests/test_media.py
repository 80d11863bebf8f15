"""What a message brings is fetched after it, judged, and announced; whatever happens, the message is there."""

import asyncio
import base64
import hashlib
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from starlette.requests import Request
from starlette.responses import Response

from crm.core import meta_media
from crm.core.meta import Graph
from tests.meta import now
from tests.people import Sql
from tests.system import Guest, Hotel, System, calling, eventually, serving
from tests.test_media_look import picture

pytestmark = pytest.mark.usefixtures("brisk")

PNG = picture("PNG")


async def held(system: System, hotel: Hotel, content: bytes = PNG, mime_type: str = "image/png") -> str:
    """Bytes at the fake Meta; their id."""
    params = {"phoneNumberId": hotel.number_id}
    async with calling() as client:
        url, headers = f"{system.graph_url}/_fake/media", {"Content-Type": mime_type}
        answer = await client.post(url, params=params, content=content, headers=headers)
    return str(answer.json()["id"])


async def ended(hotel: Hotel, message: dict[str, Any]) -> dict[str, Any]:
    """What the message shows of its media once it is READY or FAILED."""

    async def known() -> dict[str, Any] | None:
        media = (await now(hotel, message))["media"]
        return media if media["state"] != "PENDING" else None

    return dict(await eventually(known, 20))


async def brings(guest: Guest, kind: str = "image", **node: Any) -> dict[str, Any]:
    """The guest sends media; how it ended."""
    message = await guest.writes(node={"type": kind, kind: {"mime_type": "image/png", **node}})
    return await ended(guest.hotel, message)


@pytest.fixture
async def foreign() -> AsyncIterator[tuple[str, list[str]]]:
    """A host that is not Meta's, and the bearers it was shown."""
    seen: list[str] = []

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            seen.append(Request(scope).headers.get("authorization", "none"))
            await Response(PNG)(scope, receive, send)

    async with serving(answer, lifespan="off") as url:
        yield url, seen


async def test_a_picture_follows_its_message(system: System, guest: Guest, as_owner: Sql) -> None:
    message = await guest.writes(node={"type": "image", "image": {"id": await held(system, guest.hotel)}})
    media = await ended(guest.hotel, message)
    assert {name: media[name] for name in ("state", "mimeType", "size", "width", "height")} == {
        "state": "READY", "mimeType": "image/png", "size": len(PNG), "width": 640, "height": 480,
    }  # fmt: skip
    answer = await guest.hotel.attendant.get(f"/api/media/{media['id']}")
    small = await guest.hotel.attendant.get(f"/api/media/{media['id']}/thumbnail")
    assert (answer.content, small.headers["content-type"], small.content[8:12]) == (PNG, "image/webp", b"WEBP")
    told = "SELECT data FROM feed_events WHERE tenant_id = $1 AND event = 'message:updated' ORDER BY seq"
    events = [str(row[0]) for row in await as_owner(told, UUID(guest.hotel.id))]
    assert any(media["id"] in event and "READY" in event for event in events)


async def test_the_url_of_the_webhook_is_used_and_a_dead_one_is_asked_for_again(
    system: System, guest: Guest
) -> None:
    dead = f"{system.graph_url}/whatsapp_business/attachments/?mid=1&ext=1&hash=x"
    assert (await brings(guest, id=await held(system, guest.hotel), url=dead))["state"] == "READY"


@pytest.mark.parametrize("write", [lambda raw: base64.b64encode(raw).decode(), bytes.hex], ids=["base64", "hex"])
async def test_a_digest_is_compared_in_either_spelling(write: Any, system: System, guest: Guest) -> None:
    right = write(hashlib.sha256(PNG).digest())
    assert (await brings(guest, id=await held(system, guest.hotel), sha256=right))["state"] == "READY"


async def test_other_bytes_than_announced_are_not_kept_and_can_be_asked_for_again(
    system: System, guest: Guest
) -> None:
    wrong = base64.b64encode(bytes(32)).decode()
    media = await brings(guest, id=await held(system, guest.hotel), sha256=wrong)
    assert (media["state"], media["error"]) == ("FAILED", "digest_differs")
    refused = await guest.hotel.attendant.get(f"/api/media/{media['id']}")
    assert (refused.status_code, refused.json()["code"], refused.json()["state"]) == (
        409,
        "media_not_ready",
        "FAILED",
    )
    again = await guest.hotel.attendant.post(f"/api/media/{media['id']}/retry")
    assert (again.status_code, again.json()["state"]) == (200, "PENDING")


async def test_a_foreign_host_gets_no_token(system: System, guest: Guest, foreign: tuple[str, list[str]]) -> None:
    media = await brings(guest, id=await held(system, guest.hotel), url=f"{foreign[0]}/x")
    assert (media["state"], foreign[1]) == ("READY", [])


async def test_a_redirect_is_not_followed(system: System, guest: Guest, foreign: tuple[str, list[str]]) -> None:
    away = {"status": 302, "headers": {"Location": f"{foreign[0]}/x"}}
    rule = {"match": {"path": "/attachments"}, "times": 1, "action": {"error": away}}
    async with calling() as client:
        await client.post(f"{system.graph_url}/_fake/script", json={"rules": [rule]})
        node = {"id": await held(system, guest.hotel)}
        new = {"phoneNumberId": guest.hotel.number_id, "from": guest.wa_id, "type": "image", "node": node}
        wamid = (await client.post(f"{system.graph_url}/_fake/inbound", json=new)).json()["wamid"]
    media = await ended(guest.hotel, await eventually(lambda: guest.seen(wamid)))
    assert (media["state"], foreign[1]) == ("READY", [])


async def test_what_meta_has_forgotten_fails_after_seven_days(guest: Guest, as_owner: Sql) -> None:
    message = await guest.writes(node={"type": "image", "image": {"id": f"9{guest.wa_id}"}})
    media = UUID(message["media"]["id"])
    old = "UPDATE media SET created_at = now() - INTERVAL '8 days', next_attempt_at = now() WHERE id = $1"

    async def tried() -> bool:
        return bool(await as_owner("SELECT FROM media WHERE id = $1 AND error IS NOT NULL", media))

    await eventually(tried)
    await as_owner(old, media)
    assert (await ended(guest.hotel, message))["error"] == "expired"


async def test_a_repeated_webhook_makes_no_second_row_and_equal_bytes_lie_there_once(
    system: System, guest: Guest, as_owner: Sql
) -> None:
    content = PNG + guest.wa_id.encode()
    first, second = [await held(system, guest.hotel, content) for _ in range(2)]
    node = guest.message({"type": "image", "image": {"id": first}})
    for _ in range(2):
        assert (await guest.hotel.webhook(guest.body(node))).status_code == 200
    await ended(guest.hotel, await eventually(lambda: guest.seen(node["id"])))
    await brings(guest, id=second)
    rows = "SELECT graph_id FROM media WHERE graph_id = ANY($1::text [])"
    assert sorted(row[0] for row in await as_owner(rows, [first, second])) == sorted([first, second])
    folder = Path(system.settings.media_url.removeprefix("file://")) / guest.hotel.id
    assert [path.stat().st_size for path in folder.glob(hashlib.sha256(content).hexdigest())] == [len(content)]


async def test_media_of_a_worker_that_died_is_found_again(system: System, guest: Guest, as_owner: Sql) -> None:
    held_id = await held(system, guest.hotel)
    orphan = """
        INSERT INTO media (tenant_id, direction, channel_id, graph_id, mime_type, attempts, lease_until)
        VALUES ($1, 'INBOUND', $2, $3, 'image/png', 1, now() - INTERVAL '1 second') RETURNING id"""
    [row] = await as_owner(orphan, UUID(guest.hotel.id), UUID(guest.hotel.channel_id), held_id)

    async def ready() -> bool:
        return bool(await as_owner("SELECT FROM media WHERE id = $1 AND state = 'READY'", row[0]))

    await eventually(ready)


async def test_a_page_that_says_it_is_a_picture_is_never_shown(system: System, guest: Guest) -> None:
    page = b"<html><script>alert(1)</script></html>"
    media = await brings(guest, id=await held(system, guest.hotel, page), filename="../foto.png")
    answer = await guest.hotel.attendant.get(f"/api/media/{media['id']}")
    assert (media["mimeType"], media["filename"]) == ("text/html", "foto.png")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith('attachment; filename="foto.png"')
    assert (answer.headers["x-content-type-options"], "sandbox" in answer.headers["content-security-policy"]) == (
        "nosniff", True,
    )  # fmt: skip


CHILD = """
import asyncio, resource, sys, tempfile
from crm.core import meta_media
from crm.core.meta import Graph
from crm.core.store import Store
from crm.media.look import look

async def main(url, folder, limit):
    graph, store = Graph(url, "v25.0"), Store(folder)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryFile() as file:
        try:
            await meta_media.download(graph, url + "/big", "token", file, limit)
        except meta_media.TooLarge:
            return print("too large")
        await store.put("big", file)
        print(look(file).size, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


@pytest.mark.parametrize("limit", [100, 50])
async def test_a_large_file_takes_little_memory_and_one_too_large_is_given_up(limit: int, tmp_path: Path) -> None:
    async def big(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(90):
            await send({"type": "http.response.body", "body": bytes(1024 * 1024), "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async with serving(big, lifespan="off") as url:
        words = [sys.executable, "-c", CHILD, url, f"file://{tmp_path}", str(limit * 1024 * 1024)]
        done = await asyncio.to_thread(
            subprocess.run, words, capture_output=True, text=True, check=True, timeout=60
        )
    if limit == 50:
        assert done.stdout == "too large\n"
    else:
        size, grown = map(int, done.stdout.split())
        assert (size, grown < 45) == (90 * 1024 * 1024, True), f"{grown} MiB more"


@pytest.mark.parametrize(
    ("url", "may"),
    [
        ("https://graph.facebook.com/v1/1", True),
        ("https://lookaside.fbsbx.com/1?mid=2", True),
        ("http://lookaside.fbsbx.com/1", False),
        ("https://lookaside.fbsbx.com:8443/1", False),
        ("https://me:x@lookaside.fbsbx.com/1", False),
        ("https://lookasidefbsbx.com/1", False),
        ("https://lookaside.fbsbx.com.example/1", False),
        ("https://graph.facebook.com.example/1", False),
        ("http://127.0.0.1:10/1", False),
        ("//", False),
        ("https://[", False),
    ],
)
async def test_only_meta_is_given_the_token(url: str, may: bool) -> None:
    graph = Graph("http://127.0.0.1:9", "v1")
    assert meta_media.allowed(graph, url) is may
    assert meta_media.allowed(graph, "http://127.0.0.1:9/1")  # as configured
    await graph.close()
