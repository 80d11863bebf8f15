"""Deleted files leave the store, bytes that another file has stay, and what nobody ever named goes too."""

import io
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest

from crm.core import rails
from crm.core.errors import Unavailable
from crm.core.store import Store
from crm.media import keeping
from crm.media.look import look
from tests.meta import now
from tests.people import Sql
from tests.system import Guest, Hotel, System, calling, eventually
from tests.test_media import ended, held
from tests.test_media_doors import upload
from tests.test_media_look import picture
from tests.visitors import told

pytestmark = pytest.mark.usefixtures("brisk")

CLAIMED = "SELECT id FROM media WHERE graph_id = $1 AND lease_until IS NOT NULL"


def content() -> bytes:
    """A picture that nobody else has."""
    return picture("PNG", (8, 8)) + uuid4().bytes


def kept(system: System, hotel: Hotel, data: bytes) -> list[str]:
    """What the store has of these bytes."""
    folder = Path(system.settings.media_url.removeprefix("file://")) / hotel.id
    return [path.name for path in folder.glob(f"{look(io.BytesIO(data)).sha256.hex()}*")]


async def slowly(system: System, name: str, seconds: int = 2) -> None:
    """Let the fake Meta take so many seconds for the next answer that brings these bytes."""
    slow = {"match": {"path": f"/{name}"}, "times": 1, "action": {"delayMs": seconds * 1000}}
    async with calling() as client:
        await client.post(f"{system.graph_url}/_fake/script", json={"rules": [slow]})


async def emptied(system: System, hotel: Hotel, data: bytes) -> bool:
    async def gone() -> bool:
        return kept(system, hotel, data) == []

    return bool(await eventually(gone, 20))


async def test_a_deleted_file_is_gone_and_the_same_bytes_of_another_stay(
    system: System, hotel_a: Hotel, alice: httpx.AsyncClient, as_owner: Sql
) -> None:
    data = content()
    first, second = [(await upload(alice, data)).json()["id"] for _ in range(2)]
    assert (await alice.delete(f"/api/media/{first}")).status_code == 204
    assert told(await alice.get(f"/api/media/{first}")) == (404, "not_found")

    async def judged() -> bool:
        left = "SELECT FROM media_leftovers WHERE sha256 = $1"
        return not await as_owner(left, look(io.BytesIO(data)).sha256)

    assert await eventually(judged, 20)
    assert (await alice.get(f"/api/media/{second}")).content == data
    assert [(await alice.delete(f"/api/media/{one}")).status_code for one in (first, second)] == [204, 204]
    assert await emptied(system, hotel_a, data)


async def test_a_message_shows_that_its_file_was_deleted_and_no_more_of_it(system: System, guest: Guest) -> None:
    node = {"id": await held(system, guest.hotel, content()), "filename": "passaporte.png"}
    message = await guest.writes(node={"type": "image", "image": node})
    media = await ended(guest.hotel, message)
    assert (await guest.hotel.admin.delete(f"/api/media/{media['id']}")).status_code == 204
    shown = await now(guest.hotel, message)
    assert (shown["media"]["state"], shown["media"]["size"]) == ("DELETED", media["size"])
    assert "passaporte" not in str(shown)


async def test_bytes_whose_upload_never_committed_go_after_a_day(
    system: System, hotel_a: Hotel, as_owner: Sql
) -> None:
    laid, data = await rails.lay(system.settings), content()
    seen = look(io.BytesIO(data))
    async with keeping.kept(laid, UUID(hotel_a.id), uuid4(), seen, io.BytesIO(data)):
        pass
    await laid.close()
    late = "UPDATE media_leftovers SET due_at = due_at - INTERVAL '{}' WHERE sha256 = $1 RETURNING due_at > now()"
    [row] = await as_owner(late.format("23 hours"), seen.sha256)
    assert (row[0], len(kept(system, hotel_a, data))) == (True, 2)
    await as_owner(late.format("1 hour"), seen.sha256)
    assert await emptied(system, hotel_a, data)


async def test_bytes_whose_row_failed_go_soon(system: System, hotel_a: Hotel) -> None:
    """A person was erased while the file was fetched, and who fetched it was ended: they lay there for a day."""
    laid, data = await rails.lay(system.settings), content()

    async def fails() -> None:
        async with keeping.kept(laid, UUID(hotel_a.id), uuid4(), look(io.BytesIO(data)), io.BytesIO(data)):
            assert len(kept(system, hotel_a, data)) == 2
            raise Unavailable

    with pytest.raises(Unavailable):
        await fails()
    await laid.close()
    assert await emptied(system, hotel_a, data)


async def test_bytes_that_come_after_their_row_was_deleted_wait_for_nobody_but_who_puts_them_too(
    system: System, guest: Guest, as_owner: Sql
) -> None:
    laid, data, tenant, mine = await rails.lay(system.settings), content(), UUID(guest.hotel.id), uuid4()
    seen = look(io.BytesIO(data))
    async with keeping.kept(laid, tenant, mine, seen, io.BytesIO(data)):
        pass
    await as_owner("UPDATE media_leftovers SET due_at = 'infinity' WHERE sha256 = $1", seen.sha256)
    name = await held(system, guest.hotel, data)
    await slowly(system, name)
    await guest.writes(node={"type": "image", "image": {"id": name}})
    [media] = await eventually(lambda: as_owner(CLAIMED, name))
    assert (await guest.hotel.admin.delete(f"/api/media/{media['id']}")).status_code == 204
    came = "SELECT FROM media_leftovers WHERE sha256 = $1 AND due_at < 'infinity' AND putting = ARRAY[$2::uuid]"
    assert await eventually(lambda: as_owner(came, seen.sha256, mine))
    await keeping.remove_of(laid, tenant)
    assert len(kept(system, guest.hotel, data)) == 2
    async with laid.db.tenant(tenant) as tx:
        await keeping.unwanted(tx, mine, seen.sha256)
    await laid.close()
    assert await emptied(system, guest.hotel, data)


async def test_bytes_that_two_put_at_once_stay_for_the_one_when_the_others_are_deleted(
    system: System, hotel_a: Hotel, alice: httpx.AsyncClient, as_owner: Sql
) -> None:
    """The first to name them made the other forgotten: its file was READY, and its bytes were gone."""
    laid, data, tenant, mine = await rails.lay(system.settings), content(), UUID(hotel_a.id), uuid4()
    seen = look(io.BytesIO(data))
    async with keeping.kept(laid, tenant, mine, seen, io.BytesIO(data)):
        other = (await upload(alice, data)).json()["id"]
        assert (await alice.delete(f"/api/media/{other}")).status_code == 204
        await keeping.remove_of(laid, tenant)
        async with laid.db.tenant(tenant) as tx:
            await keeping.named(tx, mine, seen.sha256)
    await laid.close()
    left = await as_owner("SELECT FROM media_leftovers WHERE sha256 = $1", seen.sha256)
    assert (left, len(kept(system, hotel_a, data))) == ([], 2)


async def test_a_file_that_cannot_be_deleted_holds_up_no_other_hotel(
    system: System, as_owner: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    hotels = sorted([UUID((await system.hotel(name)).id) for name in ("Um", "Dois")])
    right = Store.delete

    async def delete(store: Store, key: str) -> None:
        if str(hotels[0]) in key:
            raise RuntimeError("a fault of one hotel's file")
        await right(store, key)

    monkeypatch.setattr(Store, "delete", delete)
    late = "INSERT INTO media_leftovers (tenant_id, sha256, due_at) SELECT unnest($1::uuid[]), sha256($2), now()"
    await as_owner(late, hotels, uuid4().bytes)
    left = "SELECT tenant_id FROM media_leftovers WHERE tenant_id = ANY($1)"

    async def gone() -> bool:
        return [row["tenant_id"] for row in await as_owner(left, hotels)] == hotels[:1]

    await eventually(gone, 20)


async def test_a_file_that_many_messages_carry_is_taken_off_all_of_them(
    hotel_a: Hotel, alice: httpx.AsyncClient, guest: Guest, as_owner: Sql
) -> None:
    await guest.writes()
    media = (await upload(alice, content())).json()["id"]
    sent = """INSERT INTO messages (tenant_id, conversation_id, direction, type, status, media_id, media)
        SELECT m.tenant_id, m.conversation_id, 'OUTBOUND', 'image', 'READ', a.id, crm.media_shown(a)
        FROM messages AS m, media AS a, generate_series(1, $3)
        WHERE m.conversation_id = $1 AND m.direction = 'INBOUND' AND a.id = $2"""
    conversation = (await guest.conversation())["id"]
    await as_owner(sent, UUID(conversation), UUID(media), 2 * keeping.AT_ONCE + 1)
    assert (await guest.hotel.admin.delete(f"/api/media/{media}")).status_code == 204
    shown = "SELECT DISTINCT media ->> 'state' AS state FROM messages WHERE media_id = $1"
    assert [row["state"] for row in await as_owner(shown, UUID(media))] == ["DELETED"]
    told_of = "SELECT count(*) AS n FROM feed_events WHERE conversation_id = $1 AND event = 'message:updated'"
    [row] = await as_owner(told_of, UUID(conversation))
    assert row["n"] == 2 * keeping.AT_ONCE + 1
