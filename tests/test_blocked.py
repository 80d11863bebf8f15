"""A blocked contact: what it writes is kept and is nobody's news, and nothing is sent to it."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.held import TALK, holding
from tests.meta import accepted, becomes, script, send
from tests.people import Sql
from tests.system import Guest, Hotel, System, calling, eventually, unique_phone
from tests.visitors import told


@pytest.fixture(scope="module")
async def hotel(system: System) -> Hotel:
    """A hotel of this module."""
    return await system.hotel("Paz")


@pytest.fixture
async def dora(hotel: Hotel) -> Guest:
    """A guest who has just written."""
    guest = Guest(hotel, unique_phone())
    await guest.writes("Olá")
    return guest


async def blocks(guest: Guest, blocked: bool = True) -> None:
    """Bruno blocks her, or lets her in again."""
    contact = (await guest.conversation())["contact"]["id"]
    answer = await guest.hotel.attendant.patch(f"/api/contacts/{contact}", json={"blocked": blocked})
    assert (answer.status_code, answer.json()["blocked"]) == (200, blocked)


async def events(guest: Guest, as_owner: Sql) -> list[str]:
    """What sockets heard of her conversation."""
    query = "SELECT event FROM feed_events WHERE tenant_id = $1 AND conversation_id = $2 ORDER BY seq"
    conversation = (await guest.conversation())["id"]
    return [row[0] for row in await as_owner(query, guest.hotel.id, conversation)]


async def test_what_a_blocked_guest_writes_is_kept_and_is_nobodys_news(dora: Guest, as_owner: Sql) -> None:
    await blocks(dora)
    before, heard = await dora.conversation(), await events(dora, as_owner)
    unread = (await dora.hotel.attendant.get("/api/unread")).json()
    await dora.writes("Alô?")
    reaction = {"message_id": (await dora.history())[1]["wamid"], "emoji": "😡"}
    await dora.writes(node={"type": "reaction", "reaction": reaction})
    late = str(int(time.time()) - 3600)  # moves no window back
    await dora.writes(node={"type": "text", "text": {"body": "Oi?"}, "timestamp": late})
    after = await dora.conversation()
    assert after["windowExpiresAt"] >= before["windowExpiresAt"]
    assert {**after, "windowExpiresAt": ""} == {**before, "windowExpiresAt": ""}
    assert (await events(dora, as_owner), await dora.history() != []) == (heard, True)
    assert (await dora.hotel.attendant.get("/api/unread")).json() == unread


async def test_who_unblocks_waits_for_a_conversation_without_holding_up_its_hotel(
    dora: Guest, system: System
) -> None:
    other = Guest(dora.hotel, unique_phone())
    await other.writes()
    path = f"/api/conversations/{(await other.conversation())['id']}"
    mine = (await dora.conversation())["id"]
    await blocks(dora)
    await dora.writes("Alô?")
    async with holding(system.home, TALK, mine) as holder:
        unblocking = asyncio.create_task(blocks(dora, False))
        assert await holder.meanwhile(lambda: dora.hotel.attendant.post(f"{path}/unread"))
    await unblocking


async def test_unblocking_shows_the_history_at_its_place_and_as_read(dora: Guest) -> None:
    await blocks(dora)
    await dora.writes("Alô?")
    other = Guest(dora.hotel, unique_phone())
    await other.writes("Bom dia")
    await blocks(dora, False)
    chats = (await dora.hotel.attendant.get("/api/conversations")).json()["data"][:2]
    assert [chat["lastMessage"]["preview"] for chat in chats] == ["Bom dia", "Alô?"]
    assert (chats[1]["unreadCount"], len(await dora.history())) == (1, 2)
    await dora.writes("Voltei")
    assert (await dora.conversation())["unreadCount"] == 2
    assert (await send(dora.hotel, await dora.conversation()))["status"] == "QUEUED"


async def test_who_was_blocked_before_writing_opens_no_conversation(hotel: Hotel, as_owner: Sql) -> None:
    guest = Guest(hotel, unique_phone())
    new = {"phone": f"+{guest.wa_id}", "blocked": True}
    contact = (await hotel.attendant.post("/api/contacts", json=new)).json()["id"]
    for text in ("Olá", "Alô?"):
        assert (await hotel.webhook(guest.body(guest.message(text=text)))).status_code == 200
    count = """SELECT 1 FROM messages AS m INNER JOIN conversations AS c ON c.id = m.conversation_id
        WHERE c.contact_id = $1 HAVING count(*) = 2"""
    await eventually(lambda: as_owner(count, contact))
    lists = [
        await hotel.attendant.get("/api/conversations", params={"contactId": contact, "archived": archived})
        for archived in (False, True)
    ]
    assert [len(answer.json()["data"]) for answer in lists] == [0, 1]


async def test_nothing_is_sent_to_a_blocked_guest(dora: Guest, system: System) -> None:
    await script(system, dora.hotel, to=dora.wa_id, error={"code": 131026, "message": "x"})
    failed = await becomes(dora.hotel, await send(dora.hotel, await dora.conversation()), "FAILED")
    await blocks(dora)
    url, new = f"/api/conversations/{failed['conversationId']}/messages", {"content": "Sim"}
    answers = [
        await dora.hotel.attendant.post(url, json=new),
        await dora.hotel.attendant.post("/api/messages/send", json={**new, "to": dora.wa_id}),
        await dora.hotel.attendant.post(f"/api/messages/{failed['id']}/retry"),
    ]
    assert {told(answer) for answer in answers} == {(409, "contact_blocked")}
    assert "bloqueado" in answers[0].json()["detail"]


async def refused(guest: Guest, message: dict[str, Any], system: System) -> None:
    """The message FAILED and says why; Meta has heard nothing of it."""
    ended = await becomes(guest.hotel, message, "FAILED")
    assert ended["error"]["action"] == "unblock_contact"
    assert guest.wa_id not in str([taken["to"] for taken in await accepted(system, guest.hotel)])


async def test_what_was_to_be_sent_later_fails_when_its_time_comes(
    dora: Guest, system: System, as_owner: Sql
) -> None:
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    message = await send(dora.hotel, await dora.conversation(), sendAt=later)
    await blocks(dora)
    await as_owner("UPDATE messages SET send_at = now() WHERE id = $1", message["id"])
    await refused(dora, message, system)


async def test_what_waits_in_its_lane_fails_when_its_turn_comes(dora: Guest, system: System, as_owner: Sql) -> None:
    rest = "UPDATE channels SET paused_until = $2::text::timestamptz WHERE id = $1"
    await as_owner(rest, dora.hotel.channel_id, "infinity")
    message = await send(dora.hotel, await dora.conversation())
    await blocks(dora)
    await as_owner(rest, dora.hotel.channel_id, None)
    await refused(dora, message, system)


async def test_a_blocked_guest_sees_no_read_marks(dora: Guest, system: System) -> None:
    await blocks(dora)
    other = Guest(dora.hotel, unique_phone())
    await other.writes()
    for guest in (dora, other):
        conversation = (await guest.conversation())["id"]
        assert (await guest.hotel.attendant.post(f"/api/conversations/{conversation}/read")).status_code == 200

    async def marked(guest: Guest) -> bool:
        async with calling() as client:
            return guest.wa_id in (await client.get(f"{system.graph_url}/_fake/reads")).text

    await eventually(lambda: marked(other))
    assert not await marked(dora)
