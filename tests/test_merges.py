"""Two contacts that prove to be one: what is told of it, what moves, and what its end gives back."""

import asyncio
import json
from datetime import date
from typing import Any
from uuid import UUID

import pytest

from crm import contacts
from crm.core import sql
from crm.core.rails import Rails
from crm.stays.shapes import StayRow
from tests.held import WAITS
from tests.meta import becomes, script, send, status, told
from tests.people import Sql
from tests.system import Guest, Hotel, System, eventually, unique_phone


@pytest.fixture
async def hotel(system: System) -> Hotel:
    return await system.hotel("Uma")


def bsuid(guest: Guest) -> str:
    return f"BR.{guest.wa_id}00001"


def says(guest: Guest, text: str, phone: bool = True) -> dict[str, Any]:
    """A body of this guest's that names the user id, and the phone or not."""
    node = {**guest.message(text=text), "from_user_id": bsuid(guest)}
    profile = {**guest.profile(), "user_id": bsuid(guest)}
    if not phone:
        del node["from"], profile["wa_id"]
    return guest.hotel.envelope(contacts=[profile], messages=[node])


async def chats(hotel: Hotel) -> dict[str, dict[str, Any]]:
    """The conversations by what the list shows of each."""
    listed = (await hotel.attendant.get("/api/conversations?limit=100")).json()["data"]
    return {chat["lastMessage"]["preview"]: chat for chat in listed}


async def heard(hotel: Hotel, as_owner: Sql, event: str, of: str) -> dict[str, Any] | None:
    """What sockets heard last of the conversation or contact."""
    query = """SELECT data FROM feed_events WHERE tenant_id = $1 AND event = $2
               AND $3 IN (data::json -> 'conversation' ->> 'id', data::json -> 'contact' ->> 'id')
               ORDER BY seq DESC LIMIT 1"""
    rows = await as_owner(query, hotel.id, event, of)
    return dict(json.loads(rows[0][0])) if rows else None


async def stands(hotel: Hotel, as_owner: Sql, conversation: str) -> None:
    """The socket's last word of this conversation is what REST shows."""
    shown = (await hotel.attendant.get(f"/api/conversations/{conversation}")).json()
    assert await heard(hotel, as_owner, "conversation:updated", conversation) == {"conversation": shown}


async def test_who_proves_to_be_one_by_a_message_is_told_with_the_conversations(
    hotel: Hotel, as_owner: Sql
) -> None:
    guest = Guest(hotel, unique_phone())
    await guest.writes("pelo telefone")
    await told(hotel, as_owner, says(guest, "sem telefone", phone=False))
    bare = (await chats(hotel))["sem telefone"]
    await told(hotel, as_owner, says(guest, "com os dois"))
    shown = (await chats(hotel))["sem telefone"]
    assert (shown["status"], shown["unreadCount"]) == ("CLOSED", 0)
    assert shown["contact"]["id"] != bare["contact"]["id"]
    await stands(hotel, as_owner, bare["id"])
    assert await heard(hotel, as_owner, "contact:updated", shown["contact"]["id"])


async def test_who_proves_to_be_one_by_a_status_is_told_with_the_conversations(
    system: System, hotel: Hotel, as_owner: Sql
) -> None:
    await script(system, hotel, times=None, status=False)
    guest = Guest(hotel, unique_phone())
    await guest.writes("pelo telefone")
    await told(hotel, as_owner, says(guest, "sem telefone", phone=False))
    bare = (await chats(hotel))["sem telefone"]
    ours = await becomes(hotel, await send(hotel, (await chats(hotel))["pelo telefone"]), "SENT")
    node = status(ours["wamid"], "delivered", recipient_user_id=bsuid(guest))
    await told(hotel, as_owner, hotel.envelope(statuses=[node]))
    assert (await chats(hotel))["sem telefone"]["status"] == "CLOSED"
    await stands(hotel, as_owner, bare["id"])


async def test_whom_statuses_of_one_batch_name_as_two_is_merged_once(
    system: System, hotel: Hotel, as_owner: Sql
) -> None:
    await script(system, hotel, times=None, status=False)
    bare = [Guest(hotel, unique_phone()) for _ in range(2)]
    for number, other in enumerate(bare):
        await told(hotel, as_owner, says(other, f"sem telefone {number}", phone=False))
    guest = Guest(hotel, unique_phone())
    await guest.writes("pelo telefone")
    chat = (await chats(hotel))["pelo telefone"]
    ours = [await becomes(hotel, await send(hotel, chat), "SENT") for _ in bare]
    pairs = zip(ours, bare, strict=True)
    nodes = [status(sent["wamid"], "delivered", recipient_user_id=bsuid(other)) for sent, other in pairs]
    await told(hotel, as_owner, hotel.envelope(statuses=nodes))
    url = f"/api/contacts/{chat['contact']['id']}/unmerge"
    assert [(await hotel.attendant.post(url)).status_code for _ in range(2)] == [200, 409]
    stands = (await hotel.attendant.get(f"/api/conversations/{chat['id']}")).json()
    assert (stands["contact"]["id"], stands["status"]) == (chat["contact"]["id"], "OPEN")


async def two(hotel: Hotel) -> list[dict[str, Any]]:
    """Conversations with two contacts, the older one first."""
    for name in ("um", "dois"):
        await Guest(hotel, unique_phone()).writes(name)
    return sorted((await chats(hotel)).values(), key=lambda chat: str(chat["contact"]["id"]))


async def merges(hotel: Hotel, gone: dict[str, Any], survivor: dict[str, Any]) -> str:
    """The contact of one conversation becomes part of that of the other; what undoes it."""
    url = f"/api/contacts/{gone['contact']['id']}"
    answer = await hotel.attendant.post(f"{url}/merge", json={"intoId": survivor["contact"]["id"]})
    assert answer.status_code == 200, answer.text
    return f"{url}/unmerge"


@pytest.mark.parametrize("erased", [0, 1])
async def test_who_was_erased_is_made_one_with_nobody(erased: int, hotel: Hotel) -> None:
    people = [chat["contact"]["id"] for chat in await two(hotel)]
    assert (await hotel.admin.post(f"/api/contacts/{people[erased]}/erase")).status_code == 200
    merged = await hotel.attendant.post(f"/api/contacts/{people[1]}/merge", json={"intoId": people[0]})
    assert (merged.status_code, merged.json()["code"]) == (409, "conflict")
    whole = (await hotel.attendant.get(f"/api/contacts/{people[erased]}")).json()
    assert (whole["waId"], whole["mergedFrom"], whole["mergedInto"]) == (None, [], None)


async def test_who_has_another_open_conversation_gets_no_second_one_back(hotel: Hotel, as_owner: Sql) -> None:
    old, new = await two(hotel)
    undo = await merges(hotel, new, old)
    begun = "INSERT INTO conversations (tenant_id, contact_id, channel_id) VALUES ($1, $2, $3)"
    await as_owner(begun, hotel.id, new["contact"]["id"], hotel.channel_id)
    assert (await hotel.attendant.post(undo)).status_code == 409


async def test_who_undoes_a_merge_and_who_puts_a_stay_go_one_after_the_other(hotel: Hotel, laid: Rails) -> None:
    old, new = await two(hotel)
    stay = {"check_in": date(2027, 1, 1), "check_out": date(2027, 1, 3), "room": None, "language": None}
    put, kept = sql.load("stays").put, UUID(old["contact"]["id"])
    url, booked = f"/api/contacts/{kept}/stays/R-1", {"checkIn": "2027-01-01", "checkOut": "2027-01-02"}
    assert (await hotel.attendant.put(url, json=booked)).status_code == 200
    undo = await merges(hotel, new, old)
    async with laid.db.tenant(UUID(hotel.id)) as tx:  # as the door of a stay
        assert await contacts.now_is(tx, kept) == kept
        undoing = asyncio.create_task(hotel.attendant.post(undo))
        await eventually(lambda: tx.connection.fetchrow(WAITS))
        await tx.maybe(put, StayRow, contact=kept, code="R-1", status="BOOKED", **stay)
    assert (await undoing).status_code == 200
    [shown] = (await hotel.attendant.get(f"/api/contacts/{kept}/stays")).json()["data"]
    assert shown["checkOut"] == "2027-01-03"


@pytest.mark.parametrize("blocked", ["gone", "survivor"])
async def test_what_somebody_wrote_while_a_merge_had_him_blocked_shows_once_it_is_undone(
    blocked: str, hotel: Hotel, as_owner: Sql
) -> None:
    old, new = await two(hotel)
    shut = new if blocked == "gone" else old
    await hotel.attendant.patch(f"/api/contacts/{shut['contact']['id']}", json={"blocked": True})
    undo = await merges(hotel, new, old)
    guest = Guest(hotel, old["contact"]["waId"])
    await told(hotel, as_owner, guest.body(guest.message(text="Socorro")))
    assert (await hotel.attendant.post(undo)).status_code == 200
    shown = (await hotel.attendant.get(f"/api/conversations/{old['id']}")).json()
    assert (shown["lastMessage"]["preview"] == "Socorro") == (blocked == "gone")
    await stands(hotel, as_owner, old["id"])


async def test_the_end_of_a_merge_leaves_what_changed_since(hotel: Hotel, as_owner: Sql) -> None:
    old, new = await two(hotel)
    part, kept = [f"/api/contacts/{chat['contact']['id']}" for chat in (new, old)]
    for chat in (old, new):
        await hotel.attendant.post(f"/api/conversations/{chat['id']}/close")
    its = {"email": "dora@a.example", "language": "pt", "attributes": {"bed": "casal", "floor": 1}}
    await hotel.attendant.patch(part, json={**its, "marketingOptOut": True})
    undo = await merges(hotel, new, old)
    changed = {"email": "novo@b.example", "attributes": {"floor": 2}}
    assert (await hotel.attendant.patch(kept, json=changed)).json()["marketingOptOut"]
    guest = Guest(hotel, new["contact"]["waId"])
    await told(hotel, as_owner, guest.body(guest.message(text="Preciso de ajuda")))
    before = (await chats(hotel))["Preciso de ajuda"]
    assert (await hotel.attendant.post(undo)).status_code == 200
    after = (await chats(hotel))["Preciso de ajuda"]
    assert (after["status"], after["unreadCount"], after["id"]) == ("OPEN", 1, before["id"])
    shown = (await hotel.attendant.get(kept)).json()
    assert (shown["email"], shown["language"], shown["attributes"]) == ("novo@b.example", None, {"floor": 2})
    assert [(await hotel.attendant.get(url)).json()["marketingOptOut"] for url in (kept, part)] == [False, True]


@pytest.mark.parametrize("again", [True, False])
async def test_what_a_merge_closed_opens_at_its_end_unless_somebody_closed_it_since(
    again: bool, hotel: Hotel
) -> None:
    old, new = await two(hotel)
    undo = await merges(hotel, new, old)
    if again:
        for chat, door in ((old, "close"), (new, "reopen"), (new, "close")):
            answer = await hotel.attendant.post(f"/api/conversations/{chat['id']}/{door}")
            assert answer.status_code == 200
    assert (await hotel.attendant.post(undo)).status_code == 200
    shown = (await hotel.attendant.get(f"/api/conversations/{new['id']}")).json()
    assert (shown["status"], shown["contact"]["id"]) == ("CLOSED" if again else "OPEN", new["contact"]["id"])


async def test_who_wants_no_marketing_since_a_merge_wants_none_after_its_end(hotel: Hotel) -> None:
    old, new = await two(hotel)
    part, kept = [f"/api/contacts/{chat['contact']['id']}" for chat in (new, old)]
    await hotel.attendant.patch(part, json={"marketingOptOut": True})
    undo = await merges(hotel, new, old)
    await hotel.attendant.patch(kept, json={"marketingOptOut": True})
    await hotel.attendant.post(undo)
    assert (await hotel.attendant.get(kept)).json()["marketingOptOut"]
