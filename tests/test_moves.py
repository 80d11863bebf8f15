"""A number or user id changes: what the guest writes next, and who is meant by it."""

import json
import time
from typing import Any

import pytest

from tests.meta import told
from tests.people import Sql
from tests.system import Guest, Hotel, System, unique_phone


@pytest.fixture
async def hotel(system: System) -> Hotel:
    return await system.hotel("Muda")


def at(node: dict[str, Any], second: int) -> dict[str, Any]:
    """The same, written that many seconds from now."""
    return {**node, "timestamp": str(int(time.time()) + second)}


def moves(guest: Guest, to: str, **more: Any) -> dict[str, Any]:
    """Meta says that this guest has another number."""
    return guest.message(node={"type": "system", "system": {"type": "user_changed_number", "wa_id": to, **more}})


async def chats(hotel: Hotel) -> list[dict[str, Any]]:
    return list((await hotel.attendant.get("/api/conversations?limit=100")).json()["data"])


async def test_what_a_guest_writes_from_a_new_number_together_with_the_change_is_in_the_open_conversation(
    hotel: Hotel, as_owner: Sql
) -> None:
    guest, new = Guest(hotel, unique_phone()), Guest(hotel, unique_phone())
    await guest.writes("antes")
    nodes = [at(new.message(text="Socorro"), 1), at(moves(guest, new.wa_id), 0)]
    await told(hotel, as_owner, hotel.envelope(contacts=[new.profile()], messages=nodes))
    [chat] = await chats(hotel)
    assert (chat["status"], chat["lastMessage"]["preview"], chat["unreadCount"]) == ("OPEN", "Socorro", 2)


@pytest.mark.parametrize("put", ["archive", "snooze"])
async def test_what_was_unread_in_a_conversation_that_a_merge_closes_brings_the_open_one_back(
    put: str, hotel: Hotel, as_owner: Sql
) -> None:
    guest, new = Guest(hotel, unique_phone()), Guest(hotel, unique_phone())
    await guest.writes("antes")
    url = f"/api/conversations/{(await guest.conversation())['id']}"
    await hotel.attendant.post(f"{url}/read")
    await hotel.attendant.post(f"{url}/{put}", json={"until": "2099-01-01T00:00:00Z"} if put == "snooze" else None)
    nodes = [at(new.message(text="Socorro"), 0), at(moves(guest, new.wa_id), 1)]
    await told(hotel, as_owner, hotel.envelope(contacts=[new.profile()], messages=nodes))
    shown = {chat["status"]: chat for chat in await chats(hotel)}
    assert (shown["CLOSED"]["lastMessage"]["preview"], shown["CLOSED"]["unreadCount"]) == ("Socorro", 0)
    assert (shown["OPEN"]["snoozedUntil"], shown["OPEN"]["unreadCount"]) == (None, 1)


async def test_a_merge_that_is_undone_gives_back_what_was_unread(hotel: Hotel) -> None:
    for name in ("um", "dois"):
        await Guest(hotel, unique_phone()).writes(name)
    old, new = sorted(await chats(hotel), key=lambda chat: str(chat["contact"]["id"]))
    url = f"/api/contacts/{new['contact']['id']}"
    await hotel.attendant.post(f"{url}/merge", json={"intoId": old["contact"]["id"]})
    assert {chat["id"]: chat["unreadCount"] for chat in await chats(hotel)} == {old["id"]: 2, new["id"]: 0}
    await hotel.attendant.post(f"{url}/unmerge")
    assert {chat["id"]: chat["unreadCount"] for chat in await chats(hotel)} == {old["id"]: 1, new["id"]: 1}


@pytest.mark.parametrize("known", [False, True])
async def test_of_two_changes_of_a_number_that_come_together_the_last_counts(
    known: bool, hotel: Hotel, as_owner: Sql
) -> None:
    old, between, last = [Guest(hotel, unique_phone()) for _ in range(3)]
    await old.writes("antes")
    person = (await old.conversation())["contact"]["id"]
    if known:
        await last.writes("do último")
    nodes = [at(moves(between, last.wa_id), 1), at(moves(old, between.wa_id), 0)]
    await told(hotel, as_owner, hotel.envelope(messages=nodes))
    shown = (await hotel.attendant.get(f"/api/contacts/{person}")).json()
    assert (shown["waId"], shown["mergedInto"]) == (last.wa_id, None)
    assert {chat["contact"]["id"] for chat in await chats(hotel)} == {person}


async def test_a_member_of_a_group_who_changes_the_number_leaves_the_group_as_it_is(
    hotel: Hotel, as_owner: Sql
) -> None:
    dora, nova = Guest(hotel, unique_phone()), Guest(hotel, unique_phone())
    await nova.writes("segredo")
    group = {"group_id": f"GRP{unique_phone()}"}
    await told(hotel, as_owner, dora.body({**dora.message(text="no grupo"), **group}))
    await told(hotel, as_owner, dora.body({**moves(dora, nova.wa_id), **group}))
    people = [chat["contact"]["id"] for chat in await chats(hotel)]
    whole = [(await hotel.attendant.get(f"/api/contacts/{person}")).json() for person in people]
    assert sorted((one["isGroup"], one["waId"]) for one in whole) == [(False, nova.wa_id), (True, None)]
    into = await hotel.attendant.post(f"/api/contacts/{people[0]}/merge", json={"intoId": people[1]})
    assert into.status_code == 409


async def test_a_new_number_is_told_with_the_contact_and_the_conversation(hotel: Hotel, as_owner: Sql) -> None:
    guest, new = Guest(hotel, unique_phone()), unique_phone()
    await guest.writes("antes")
    await told(hotel, as_owner, guest.body(moves(guest, new)))
    query = "SELECT event, data FROM feed_events WHERE tenant_id = $1 ORDER BY seq DESC LIMIT 2"
    last = {row["event"]: json.loads(row["data"]) for row in await as_owner(query, hotel.id)}
    assert last["contact:updated"]["contact"]["waId"] == new
    assert last["conversation:updated"] == {"conversation": (await chats(hotel))[0]}


async def says(guest: Guest, as_owner: Sql, bsuid: str, text: str) -> None:
    """The guest writes, named by number and user id."""
    profile = {**guest.profile(), "user_id": bsuid}
    node = {**guest.message(text=text), "from_user_id": bsuid}
    await told(guest.hotel, as_owner, guest.hotel.envelope(contacts=[profile], messages=[node]))


@pytest.mark.parametrize("named", [True, False])
async def test_a_number_that_has_changed_hands_makes_nobody_one(named: bool, hotel: Hotel, as_owner: Sql) -> None:
    """Yara gave it up, Ana has it now; Meta gave each a user id, and Yara is blocked."""
    yara, ana = Guest(hotel, unique_phone()), Guest(hotel, unique_phone())
    hers, anas = f"BR.{yara.wa_id}1", f"BR.{ana.wa_id}1"
    await says(yara, as_owner, hers, "segredo de Yara")
    await says(ana, as_owner, anas, "sou Ana")
    people = {chat["lastMessage"]["preview"]: chat["contact"]["id"] for chat in await chats(hotel)}
    url = f"/api/contacts/{people['segredo de Yara']}"
    assert (await hotel.attendant.patch(url, json={"blocked": True})).status_code == 200
    words = {"user_id": anas + "0", "previous_user_id": anas} if named else {}
    await told(hotel, as_owner, ana.body({**moves(ana, yara.wa_id, **words), "from_user_id": anas}))
    await says(yara, as_owner, anas + "0" if named else anas, "Ana, do novo número")
    shown = {chat["contact"]["id"]: chat["lastMessage"]["preview"] for chat in await chats(hotel)}
    assert shown == {people["segredo de Yara"]: "segredo de Yara", people["sou Ana"]: "Ana, do novo número"}
    lost = (await hotel.attendant.get(url)).json()
    assert (lost["phone"], lost["waId"], lost["bsuid"], lost["mergedInto"]) == (None, None, hers, None)
