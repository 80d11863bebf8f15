"""A person stays one contact when Meta's names for them change, come late, or turn out to be the same person's."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from crm import contacts
from crm.core import sql
from crm.core.rails import Rails
from crm.stays.shapes import StayRow
from ops.dev.home import Home
from tests.held import HEAD, WAITS, holding
from tests.meta import becomes, send, told
from tests.people import Sql
from tests.system import Guest, Hotel, System, eventually, unique_phone


@pytest.fixture
async def hotel(system: System) -> Hotel:
    return await system.hotel("Gente")


def bsuid(guest: Guest) -> str:
    return f"BR.{guest.wa_id}00001"


async def writes(guest: Guest, as_owner: Sql, text: str, phone: bool = True, **more: Any) -> None:
    """A message that names the phone or not, with the user id."""
    node = {**guest.message(text=text), "from_user_id": bsuid(guest), **more}
    profile: dict[str, Any] = {"profile": {"name": "Dora", "username": "@dora"}, "user_id": bsuid(guest)}
    if phone:
        profile["wa_id"] = guest.wa_id
    else:
        del node["from"]
    await told(guest.hotel, as_owner, guest.hotel.envelope(contacts=[profile], messages=[node]))


async def chats(hotel: Hotel) -> list[dict[str, Any]]:
    return list((await hotel.attendant.get("/api/conversations?limit=100")).json()["data"])


async def contact(hotel: Hotel, chat: dict[str, Any]) -> dict[str, Any]:
    return dict((await hotel.attendant.get(f"/api/contacts/{chat['contact']['id']}")).json())


@pytest.mark.parametrize("phone_first", [True, False])
async def test_known_by_user_id_and_by_phone_is_one_contact(phone_first: bool, hotel: Hotel, as_owner: Sql) -> None:
    guest = Guest(hotel, unique_phone())
    await writes(guest, as_owner, "um", phone=phone_first)
    await writes(guest, as_owner, "dois", phone=not phone_first)
    if not phone_first:
        [chat] = await chats(hotel)
        found = await contact(hotel, chat)
        assert (found["waId"], found["bsuid"], found["username"]) == (guest.wa_id, bsuid(guest), "@dora")
    assert len(await chats(hotel)) == 1


async def test_two_contacts_that_one_message_names_are_healed_into_one(hotel: Hotel, as_owner: Sql) -> None:
    guest = Guest(hotel, unique_phone())
    await guest.writes("pelo telefone")
    await writes(guest, as_owner, "sem telefone", phone=False)
    assert len({chat["contact"]["id"] for chat in await chats(hotel)}) == 2
    await writes(guest, as_owner, "com os dois")
    listed = await chats(hotel)
    assert len({chat["contact"]["id"] for chat in listed}) == 1
    assert sorted(chat["status"] for chat in listed) == ["CLOSED", "OPEN"]


async def test_who_is_blocked_under_one_name_stays_so_when_both_prove_to_be_one(
    hotel: Hotel, as_owner: Sql
) -> None:
    guest = Guest(hotel, unique_phone())
    await guest.writes("pelo telefone")
    await writes(guest, as_owner, "sem telefone", phone=False)
    [bare] = [chat["contact"]["id"] for chat in await chats(hotel) if chat["contact"]["waId"] is None]
    assert (await hotel.attendant.patch(f"/api/contacts/{bare}", json={"blocked": True})).status_code == 200
    await writes(guest, as_owner, "com os dois")
    assert "com os dois" not in {chat["lastMessage"]["preview"] for chat in await chats(hotel)}


async def test_two_with_user_ids_of_their_own_stay_two_when_a_number_changes_hands(
    hotel: Hotel, as_owner: Sql
) -> None:
    one, two = Guest(hotel, unique_phone()), Guest(hotel, unique_phone())
    for guest in (one, two):
        await writes(guest, as_owner, "Olá")
    await writes(one, as_owner, "por este número agora", from_user_id=bsuid(two))
    assert len({chat["contact"]["id"] for chat in await chats(hotel)}) == 2


async def test_a_status_that_names_a_user_id_makes_it_known(hotel: Hotel, as_owner: Sql) -> None:
    guest = Guest(hotel, unique_phone())
    await guest.writes()
    ours = await becomes(hotel, await send(hotel, await guest.conversation()), "READ")
    node = {
        "id": ours["wamid"],
        "status": "delivered",
        "timestamp": "1795471200",
        "recipient_user_id": bsuid(guest),
    }
    await told(hotel, as_owner, hotel.envelope(statuses=[node]))
    await writes(guest, as_owner, "agora sem número", phone=False)
    [chat] = await chats(hotel)
    history = (await hotel.attendant.get(f"/api/conversations/{chat['id']}/messages")).json()["data"]
    assert {item["content"] for item in history} == {"Olá", "Sim", "agora sem número"}


@pytest.mark.parametrize("old_words", [True, False])
async def test_a_new_number_keeps_the_history(old_words: bool, hotel: Hotel, as_owner: Sql) -> None:
    guest, new = Guest(hotel, unique_phone()), Guest(hotel, unique_phone())
    await guest.writes("antes")
    words = {
        "type": "user_changed_number",
        "wa_id": new.wa_id,
        "user_id": bsuid(new),
        "previous_user_id": bsuid(guest),
    }
    if old_words:
        words = {"type": "customer_changed_number", "new_wa_id": new.wa_id, "customer": guest.wa_id}
    await told(hotel, as_owner, guest.body(guest.message(node={"type": "system", "system": words})))
    await new.writes("depois")
    [chat] = await chats(hotel)
    assert (chat["contact"]["waId"], chat["lastMessage"]["preview"]) == (new.wa_id, "depois")
    assert chat["contact"]["phone"] == f"+{new.wa_id}"


async def test_what_the_old_number_said_late_is_still_the_same_persons(hotel: Hotel, as_owner: Sql) -> None:
    guest, new = Guest(hotel, unique_phone()), Guest(hotel, unique_phone())
    await guest.writes("antes")
    words = {"type": "user_changed_number", "wa_id": new.wa_id}
    await told(hotel, as_owner, guest.body(guest.message(node={"type": "system", "system": words})))
    await told(hotel, as_owner, guest.body(guest.message(text="atrasada")))
    [chat] = await chats(hotel)
    assert (chat["contact"]["waId"], chat["lastMessage"]["preview"]) == (new.wa_id, "atrasada")


async def test_what_the_old_number_said_late_is_the_survivors_after_a_merge(hotel: Hotel, as_owner: Sql) -> None:
    old, new = Guest(hotel, unique_phone()), Guest(hotel, unique_phone())
    other = Guest(hotel, unique_phone())
    await old.writes("antes")
    words = {"type": "user_changed_number", "wa_id": new.wa_id}
    await told(hotel, as_owner, old.body(old.message(node={"type": "system", "system": words})))
    await other.writes("de outro número")
    gone, survivor = [(await one.conversation())["contact"]["id"] for one in (new, other)]
    merged = await hotel.attendant.post(f"/api/contacts/{gone}/merge", json={"intoId": survivor})
    assert merged.status_code == 200
    await told(hotel, as_owner, old.body(old.message(text="atrasada")))
    listed = await chats(hotel)
    assert {chat["contact"]["id"] for chat in listed} == {survivor}
    assert "atrasada" in {chat["lastMessage"]["preview"] for chat in listed}
    assert (await hotel.attendant.post(f"/api/contacts/{gone}/unmerge")).status_code == 200


async def test_after_a_week_the_old_number_is_whoevers_it_is_now(hotel: Hotel, as_owner: Sql) -> None:
    guest, new = Guest(hotel, unique_phone()), Guest(hotel, unique_phone())
    await guest.writes("antes")
    words = {"type": "user_changed_number", "wa_id": new.wa_id}
    await told(hotel, as_owner, guest.body(guest.message(node={"type": "system", "system": words})))
    await as_owner(
        "UPDATE contact_aliases SET superseded_at = now() - INTERVAL '8 days' WHERE tenant_id = $1", hotel.id
    )
    await guest.writes("sou outra pessoa")
    assert {chat["contact"]["waId"] for chat in await chats(hotel)} == {guest.wa_id, new.wa_id}


async def test_who_gets_the_old_number_within_the_week_is_somebody_else(hotel: Hotel, as_owner: Sql) -> None:
    guest, new = Guest(hotel, unique_phone()), Guest(hotel, unique_phone())
    await writes(guest, as_owner, "antes")
    words = {
        "type": "user_changed_number",
        "wa_id": new.wa_id,
        "user_id": bsuid(new),
        "previous_user_id": bsuid(guest),
    }
    await told(hotel, as_owner, guest.body(guest.message(node={"type": "system", "system": words})))
    await writes(guest, as_owner, "sou outra pessoa", from_user_id=f"BR.{unique_phone()}9")
    assert len({chat["contact"]["id"] for chat in await chats(hotel)}) == 2
    await guest.writes("e escrevo sem dizer quem sou")
    assert {chat["lastMessage"]["preview"] for chat in await chats(hotel)} >= {"e escrevo sem dizer quem sou"}
    assert len({chat["contact"]["id"] for chat in await chats(hotel)}) == 2


async def test_a_new_user_id_alone_keeps_the_history(hotel: Hotel, as_owner: Sql) -> None:
    guest = Guest(hotel, unique_phone())
    await writes(guest, as_owner, "antes", phone=False)
    fresh = f"BR.{unique_phone()}7"
    words = {"type": "user_changed_user_id", "user_id": fresh, "previous_user_id": bsuid(guest)}
    node = guest.message(node={"type": "system", "system": words})
    del node["from"]
    await told(hotel, as_owner, hotel.envelope(messages=[node]))
    after = {**guest.message(text="depois"), "from_user_id": fresh}
    del after["from"]
    await told(hotel, as_owner, hotel.envelope(messages=[after]))
    [chat] = await chats(hotel)
    assert chat["lastMessage"]["preview"] == "depois"


async def two(hotel: Hotel) -> list[dict[str, Any]]:
    """Two contacts, the older one first, with a conversation each."""
    for name in ("um", "dois"):
        await Guest(hotel, unique_phone()).writes(name)
    return sorted(await chats(hotel), key=lambda chat: str(chat["contact"]["id"]))


async def test_people_merge_two_contacts_and_undo_it(hotel: Hotel) -> None:
    old, new = await two(hotel)
    url = f"/api/contacts/{new['contact']['id']}"
    merged = await hotel.attendant.post(f"{url}/merge", json={"intoId": old["contact"]["id"]})
    assert (merged.status_code, merged.json()["id"]) == (200, old["contact"]["id"])
    assert [(chat["contact"]["id"], chat["status"]) for chat in await chats(hotel)] == [
        (old["contact"]["id"], "CLOSED"),
        (old["contact"]["id"], "OPEN"),
    ]
    undone = await hotel.attendant.post(f"{url}/unmerge")
    assert (undone.status_code, undone.json()["intoId"]) == (200, old["contact"]["id"])
    now = sorted(await chats(hotel), key=lambda chat: str(chat["contact"]["id"]))
    assert [(c["contact"]["id"], c["status"], c["contact"]["waId"]) for c in now] == [
        (c["contact"]["id"], "OPEN", c["contact"]["waId"]) for c in (old, new)
    ]


async def test_of_a_chain_of_merges_the_last_is_undone_first_and_everybody_gets_his_own_back(hotel: Hotel) -> None:
    for name in ("um", "dois", "três"):
        await Guest(hotel, unique_phone()).writes(name)
    before = {chat["contact"]["id"]: chat["id"] for chat in await chats(hotel)}
    one, two, three = sorted(before)
    for gone, into in ((one, two), (two, three)):
        merged = await hotel.attendant.post(f"/api/contacts/{gone}/merge", json={"intoId": into})
        assert merged.status_code == 200
    stay = {"checkIn": "2026-12-01", "checkOut": "2026-12-03"}
    put = await hotel.attendant.put(f"/api/contacts/{one}/stays/R-1", json=stay)
    begun = await hotel.attendant.post("/api/conversations", json={"contactId": one})
    assert (put.json()["contactId"], begun.json()["contact"]["id"]) == (three, three)
    too_soon = await hotel.attendant.post(f"/api/contacts/{one}/unmerge")
    assert (too_soon.status_code, too_soon.json()["existingId"]) == (409, two)
    for gone in (two, one):
        assert (await hotel.attendant.post(f"/api/contacts/{gone}/unmerge")).status_code == 200
    assert {chat["contact"]["id"]: chat["id"] for chat in await chats(hotel)} == before


async def test_who_is_part_of_another_is_not_changed(hotel: Hotel) -> None:
    old, new = await two(hotel)
    url = f"/api/contacts/{new['contact']['id']}"
    await hotel.attendant.post(f"{url}/merge", json={"intoId": old["contact"]["id"]})
    refused = await hotel.attendant.patch(url, json={"name": "Outro"})
    assert (refused.status_code, refused.json()["existingId"]) == (409, old["contact"]["id"])


async def test_who_writes_after_a_merge_lands_with_the_survivor(hotel: Hotel) -> None:
    old, new = await two(hotel)
    url = f"/api/contacts/{new['contact']['id']}/merge"
    await hotel.attendant.post(url, json={"intoId": old["contact"]["id"]})
    assert (await hotel.attendant.post(url, json={"intoId": old["contact"]["id"]})).status_code == 409
    await hotel.webhook(Guest(hotel, new["contact"]["waId"]).body(Guest(hotel, new["contact"]["waId"]).message()))
    assert {chat["contact"]["id"] for chat in await chats(hotel)} == {old["contact"]["id"]}


async def test_another_hotels_contact_can_neither_be_merged_nor_merged_into(hotel: Hotel, hotel_b: Hotel) -> None:
    old, new = await two(hotel)
    stranger = Guest(hotel_b, unique_phone())
    await stranger.writes()
    foreign = (await stranger.conversation())["contact"]["id"]
    into = await hotel.attendant.post(f"/api/contacts/{new['contact']['id']}/merge", json={"intoId": foreign})
    out = await hotel.attendant.post(f"/api/contacts/{foreign}/merge", json={"intoId": old["contact"]["id"]})
    assert (into.status_code, out.status_code) == (404, 404)
    assert (await hotel.attendant.post(f"/api/contacts/{new['contact']['id']}/unmerge")).status_code == 409


PUT = """INSERT INTO stays (tenant_id, contact_id, code, check_in, check_out, status)
    SELECT tenant_id, id, 'R-1', '2027-01-01', '2027-01-03', 'BOOKED' FROM contacts WHERE id = $1"""


async def test_a_stay_that_is_put_while_contacts_are_merged_is_the_survivors(
    hotel: Hotel, as_owner: Sql, laid: Rails
) -> None:
    old, new = [UUID(chat["contact"]["id"]) for chat in await two(hotel)]
    stay = {"check_in": date(2027, 1, 1), "check_out": date(2027, 1, 3), "room": None, "language": None}
    await as_owner(PUT, new)
    async with laid.db.tenant(UUID(hotel.id)) as tx:  # as the door of a stay
        assert await contacts.now_is(tx, old) == old
        put = sql.load("stays").put
        await tx.maybe(put, StayRow, contact=old, code="R-1", status="BOOKED", **stay)
        merge = hotel.attendant.post(f"/api/contacts/{new}/merge", json={"intoId": str(old)})
        merging = asyncio.create_task(merge)
        await eventually(lambda: tx.connection.fetchrow(WAITS))
    assert (await merging).status_code == 200
    [kept] = (await hotel.attendant.get(f"/api/contacts/{new}/stays")).json()["data"]
    assert (kept["code"], kept["contactId"]) == ("R-1", str(old))


async def test_who_merges_while_a_conversation_is_opened_again_merges_it_as_open(hotel: Hotel, home: Home) -> None:
    old, new = await two(hotel)
    url = f"/api/conversations/{old['id']}"
    await hotel.attendant.post(f"{url}/close")
    async with holding(home, HEAD, UUID(hotel.id)) as held:
        reopening = asyncio.create_task(hotel.attendant.post(f"{url}/reopen"))
        await eventually(held.waits)
        merge, into = f"/api/contacts/{new['contact']['id']}/merge", {"intoId": old["contact"]["id"]}
        merging = asyncio.create_task(hotel.admin.post(merge, json=into))
        await eventually(partial(held.waiting, 2))
    assert ((await reopening).status_code, (await merging).status_code) == (200, 200)
    assert {chat["id"]: chat["status"] for chat in await chats(hotel)} == {old["id"]: "OPEN", new["id"]: "CLOSED"}


async def test_what_was_put_off_comes_back_at_its_time_though_its_contact_was_part_of_another(
    hotel: Hotel, as_owner: Sql
) -> None:
    """Its time came while the merge had it closed."""
    old, new = await two(hotel)
    until = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    await hotel.attendant.post(f"/api/conversations/{new['id']}/snooze", json={"until": until})
    url = f"/api/contacts/{new['contact']['id']}"
    assert (await hotel.attendant.post(f"{url}/merge", json={"intoId": old["contact"]["id"]})).status_code == 200
    gone = "SELECT 1 WHERE NOT EXISTS (SELECT FROM snoozes WHERE conversation_id = $1)"
    await eventually(lambda: as_owner(gone, UUID(new["id"])))
    assert (await hotel.attendant.post(f"{url}/unmerge")).status_code == 200

    async def back() -> bool:
        [chat] = [chat for chat in await chats(hotel) if chat["id"] == new["id"]]
        return (chat["status"], chat["snoozedUntil"]) == ("OPEN", None)

    await eventually(back)
