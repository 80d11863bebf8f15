"""The desk: claiming, handing on, closing and opening again, putting off, tags, notes, drafts, unread totals."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import httpx
import pytest

from crm import conversations, departments
from crm.core.rails import Rails
from ops.dev.home import Home
from tests.held import DOOR, HEAD, holding
from tests.people import Sql
from tests.sockets import listening
from tests.system import Guest, Hotel, System, eventually, unique_phone
from tests.visitors import pointers, told


@pytest.fixture(scope="module")
async def hotel(system: System) -> Hotel:
    return await system.hotel("Balcao")


@pytest.fixture
def dora(hotel: Hotel) -> Guest:
    return Guest(hotel, unique_phone(), "Dora")


async def _do(who: httpx.AsyncClient, conversation: dict[str, Any], what: str, **body: Any) -> httpx.Response:
    return await who.post(f"/api/conversations/{conversation['id']}/{what}", json=body or None)


async def _me(who: httpx.AsyncClient) -> dict[str, Any]:
    return dict((await who.get("/auth/me")).json()["user"])


async def _written(dora: Guest, text: str = "Olá") -> dict[str, Any]:
    await dora.writes(text)
    return await dora.conversation()


async def _timeline(who: httpx.AsyncClient, conversation: dict[str, Any]) -> list[dict[str, Any]]:
    return list((await who.get(f"/api/conversations/{conversation['id']}/timeline")).json()["data"])


async def test_of_ten_claims_at_once_one_wins_and_the_losers_are_told_who_has_it(hotel: Hotel, dora: Guest) -> None:
    conversation = await _written(dora)
    people = [hotel.admin, hotel.attendant] * 5
    answers = await asyncio.gather(*(_do(who, conversation, "claim") for who in people))
    winner = (await dora.conversation())["assignedTo"]
    assert winner["name"] in ("Alice", "Bruno")
    lost = [answer.json() for answer in answers if answer.status_code == 409]
    assert [item["assignedTo"] for item in lost] == [winner] * 5
    assert {item["code"] for item in lost} == {"already_assigned"}
    assert [item["type"] for item in await _timeline(hotel.admin, conversation)] == ["claimed"]


async def test_what_is_handed_on_with_a_note_says_so_on_the_timeline(hotel: Hotel, dora: Guest) -> None:
    conversation, bruno = await _written(dora), await _me(hotel.attendant)
    made = (await hotel.admin.post("/api/departments", json={"name": f"Governança {dora.wa_id}"})).json()
    body = {"userId": bruno["id"], "departmentId": made["id"], "note": "pediu toalhas"}
    async with listening(hotel.attendant) as ear:
        answer = (await _do(hotel.admin, conversation, "assign", **body)).json()
        assert (await ear.hear("conversation:updated"))["data"]["conversation"] == answer
        entries = [(await ear.hear("timeline:new"))["data"]["entry"] for _ in range(3)]
    assert answer["department"] == {"id": made["id"], "name": made["name"]}
    assert answer["assignedTo"] == {"id": bruno["id"], "name": "Bruno"}
    assert entries[::-1] == await _timeline(hotel.attendant, conversation)
    assert [item["type"] for item in entries] == ["assigned", "transferred", "note"]
    assert (entries[2]["content"], entries[2]["by"]["name"]) == ("pediu toalhas", "Alice")
    listed = (await hotel.admin.get("/api/conversations", params={"departmentId": made["id"]})).json()
    assert [item["id"] for item in listed["data"]] == [conversation["id"]]
    assert (await hotel.admin.delete(f"/api/departments/{made['id']}")).status_code == 204
    assert (await dora.conversation())["department"] is None


async def test_a_department_goes_however_much_it_has(hotel: Hotel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(departments, "AT_ONCE", 2)  # five are three transactions
    made = (await hotel.admin.post("/api/departments", json={"name": f"Bar {unique_phone()}"})).json()
    url, crowd = f"/api/departments/{made['id']}", [Guest(hotel, unique_phone()) for _ in range(5)]
    for guest in crowd:
        await _do(hotel.admin, await _written(guest), "assign", departmentId=made["id"])
    assert [(await hotel.admin.delete(url)).status_code for _ in range(2)] == [204, 404]
    assert [(await guest.conversation())["department"] for guest in crowd] == [None] * 5
    gone = await _do(hotel.admin, await crowd[0].conversation(), "assign", departmentId=made["id"])
    assert (gone.status_code, pointers(gone)) == (422, {"/departmentId"})


async def test_a_department_goes_before_or_after_what_comes_in(
    home: Home, hotel: Hotel, dora: Guest, as_owner: Sql
) -> None:
    """Each held some of the conversations and waited for the other's. Now it waits at the door, and holds none."""
    made = (await hotel.admin.post("/api/departments", json={"name": f"Bar {unique_phone()}"})).json()
    conversation = await _written(dora)
    await _do(hotel.admin, conversation, "assign", departmentId=made["id"])
    async with holding(home, DOOR, hotel.id) as door:
        deleting = asyncio.create_task(hotel.admin.delete(f"/api/departments/{made['id']}"))
        await eventually(door.waits)
        free = "SELECT id FROM conversations WHERE id = $1 FOR UPDATE NOWAIT"
        assert len(await as_owner(free, UUID(conversation["id"]))) == 1
    assert (await deleting).status_code == 204
    assert (await dora.conversation())["department"] is None


async def test_what_is_being_given_to_a_department_goes_out_of_it(home: Home, hotel: Hotel, dora: Guest) -> None:
    made = (await hotel.admin.post("/api/departments", json={"name": f"Bar {unique_phone()}"})).json()
    conversation, give = await _written(dora), "UPDATE conversations SET department_id = $1 WHERE id = $2"
    async with holding(home, give, UUID(made["id"]), UUID(conversation["id"])) as giving:
        deleting = asyncio.create_task(hotel.admin.delete(f"/api/departments/{made['id']}"))
        await eventually(giving.waits)
    assert (await deleting).status_code == 204
    assert (await dora.conversation())["department"] is None


async def test_a_department_has_a_name_that_can_be_read(hotel: Hotel) -> None:
    made = (await hotel.admin.post("/api/departments", json={"name": f" Spa {unique_phone()} "})).json()
    assert made["name"].startswith("Spa")
    blank = [
        await hotel.admin.post("/api/departments", json={"name": " "}),
        await hotel.admin.patch(f"/api/departments/{made['id']}", json={"name": " \t"}),
    ]
    assert [pointers(answer) for answer in blank] == [{"/name"}, {"/name"}]
    assert blank[0].json()["errors"][0]["message"] == "não pode ficar em branco"


async def test_a_person_or_department_that_is_not_there_is_named(hotel: Hotel, dora: Guest) -> None:
    conversation, nobody = await _written(dora), "0198c0de-0000-7000-8000-000000000001"
    assert pointers(await _do(hotel.admin, conversation, "assign", userId=nobody)) == {"/userId"}
    assert pointers(await _do(hotel.admin, conversation, "assign", departmentId=nobody)) == {"/departmentId"}
    assert pointers(await _do(hotel.admin, conversation, "assign", note="para quem?")) == {"/userId"}
    assert pointers(await _do(hotel.admin, conversation, "notes", content="x", mentions=[nobody])) == {"/mentions"}


async def test_a_message_soon_after_the_end_opens_the_conversation_again(hotel: Hotel, dora: Guest) -> None:
    conversation = await _written(dora)
    closed = (await _do(hotel.attendant, conversation, "close")).json()
    assert (closed["status"], closed["unreadCount"]) == ("CLOSED", 0)
    async with listening(hotel.admin) as ear:
        await dora.writes("mais uma coisa")
        noted = (await ear.hear("timeline:new"))["data"]["entry"]
    again = await dora.conversation()
    assert (again["id"], again["status"], again["unreadCount"]) == (conversation["id"], "OPEN", 1)
    assert (noted["type"], noted["by"]) == ("reopened", None)
    await _do(hotel.attendant, conversation, "close")
    types = [item["type"] for item in await _timeline(hotel.admin, conversation)]
    assert types == ["closed", "reopened", "closed"]


async def test_who_begins_anew_with_a_guest_soon_after_the_end_is_named(hotel: Hotel, dora: Guest) -> None:
    conversation = await _written(dora)
    for path, body in (
        ("/api/conversations", {"contactId": conversation["contact"]["id"]}),
        ("/api/messages/send", {"to": f"+{dora.wa_id}", "content": "Só mais uma coisa"}),
    ):
        await _do(hotel.admin, conversation, "close")
        async with listening(hotel.admin) as ear:
            assert (await hotel.attendant.post(path, json=body)).status_code == 201
            noted = (await ear.hear("timeline:new"))["data"]["entry"]
        assert (noted["type"], noted["by"]["name"]) == ("reopened", "Bruno")


async def test_a_message_long_after_the_end_begins_a_new_conversation(
    hotel: Hotel, dora: Guest, as_owner: Sql
) -> None:
    conversation = await _written(dora)
    await _do(hotel.attendant, conversation, "close")
    long_ago = "UPDATE conversations SET closed_at = now() - INTERVAL '1441 minutes' WHERE id = $1 RETURNING 1"
    assert await as_owner(long_ago, conversation["id"])
    await dora.writes("estou de volta")
    newer = await dora.conversation()
    assert (newer["id"] != conversation["id"], newer["status"]) == (True, "OPEN")
    answer = await _do(hotel.attendant, conversation, "reopen")
    assert told(answer) == (409, "conflict")
    assert answer.json()["existingId"] == newer["id"]
    both = {"contactId": newer["contact"]["id"]}
    listed = (await hotel.attendant.get("/api/conversations", params=both)).json()
    assert [item["id"] for item in listed["data"]] == [newer["id"], conversation["id"]]
    assert listed["pagination"]["total"] == 2


async def test_an_archived_conversation_comes_back_when_the_customer_writes(hotel: Hotel, dora: Guest) -> None:
    conversation = await _written(dora)
    assert (await _do(hotel.attendant, conversation, "archive")).json()["archived"] is True
    of_dora = {"contactId": conversation["contact"]["id"]}
    totals = [
        (await hotel.attendant.get("/api/conversations", params={**of_dora, "archived": text})).json()["pagination"]
        for text in ("true", "false")
    ]
    assert [page["total"] for page in totals] == [1, 0]
    await dora.writes("esqueci uma coisa")
    assert (await dora.conversation())["archived"] is False
    assert await _by_itself(hotel, conversation) == ["unarchived"]


async def _by_itself(hotel: Hotel, conversation: dict[str, Any]) -> list[str]:
    """What nobody did to the conversation, newest first."""
    return [entry["type"] for entry in await _timeline(hotel.admin, conversation) if entry["by"] is None]


async def test_what_is_put_off_comes_back_at_its_time_as_something_unread(hotel: Hotel, dora: Guest) -> None:
    conversation = await _written(dora)
    await _do(hotel.attendant, conversation, "read")
    until = datetime.now(UTC) + timedelta(seconds=1)
    off = (await _do(hotel.attendant, conversation, "snooze", until=until.isoformat())).json()
    assert (off["status"], off["snoozedUntil"][:19]) == ("PENDING", until.isoformat()[:19])

    async def back() -> bool:
        return (await dora.conversation())["status"] == "OPEN"

    async with listening(hotel.attendant) as ear:
        await eventually(back)
        item = (await ear.hear("conversation:updated"))["data"]["conversation"]
        noted = (await ear.hear("timeline:new"))["data"]["entry"]
    assert (item["snoozedUntil"], item["unreadCount"], item["id"]) == (None, 1, conversation["id"])
    assert (noted["type"], noted["by"]) == ("unsnoozed", None)
    assert (await _timeline(hotel.admin, conversation))[0] == noted


async def test_what_comes_back_waits_for_nobody_who_holds_the_conversation(
    hotel: Hotel, dora: Guest, home: Home, laid: Rails, as_owner: Sql
) -> None:
    """Who puts it off again then waits for the worker, which waited for him: a deadlock."""
    conversation = UUID((await _written(dora))["id"])
    await as_owner("UPDATE conversations SET status = 'PENDING', snoozed_until = now() WHERE id = $1", conversation)
    held = "SELECT FROM conversations WHERE id = $1 FOR NO KEY UPDATE"
    async with laid.db.tenant(UUID(hotel.id)) as tx:
        due = "INSERT INTO snoozes (conversation_id, due_at) VALUES ($1, now())"
        await tx.connection.execute(due, conversation)
        async with holding(home, held, conversation):
            assert await conversations.wake(tx) == []
        assert [event.event for event in await conversations.wake(tx)] == ["conversation:updated", "timeline:new"]


async def test_a_customer_who_writes_ends_the_putting_off(hotel: Hotel, dora: Guest) -> None:
    conversation = await _written(dora)
    until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    await _do(hotel.attendant, conversation, "snooze", until=until)
    async with listening(hotel.attendant) as ear:
        await dora.writes("já?")
        told = (await ear.hear("timeline:new"))["data"]["entry"]
    item = await dora.conversation()
    assert (item["status"], item["snoozedUntil"]) == ("OPEN", None)
    await dora.writes("e mais uma coisa")
    assert (await _by_itself(hotel, conversation), told["type"]) == (["unsnoozed"], "unsnoozed")
    for wrong in ("2020-01-01T00:00:00Z", "2200-01-01T00:00:00Z", "2026-12-24T00:00:00"):
        assert pointers(await _do(hotel.attendant, conversation, "snooze", until=wrong)) == {"/until"}


async def test_the_list_of_a_tag_is_in_order_and_follows_what_changes(hotel: Hotel) -> None:
    tag, guests = f"vip-{unique_phone()}", [Guest(hotel, unique_phone()) for _ in range(3)]
    keys = []
    for guest in guests:
        item = await _written(guest)
        keys.append(item["id"])
        answer = await hotel.attendant.patch(f"/api/conversations/{item['id']}", json={"tags": [tag, "x", tag]})
        assert answer.json()["tags"] == [tag, "x"]

    async def listed(**more: Any) -> list[str]:
        page = (await hotel.attendant.get("/api/conversations", params={"tag": tag, **more})).json()
        assert page["pagination"]["total"] == len(page["data"])
        return [item["id"] for item in page["data"]]

    for text in ("de novo", "e mais uma vez"):
        everything = (await hotel.attendant.get("/api/conversations", params={"limit": 100})).json()["data"]
        assert await listed() == [item["id"] for item in everything if item["id"] in keys]
        await guests[0].writes(text)
    await hotel.attendant.patch(f"/api/conversations/{keys[2]}", json={"tags": ["x"]})
    await _do(hotel.attendant, {"id": keys[1]}, "archive")
    assert (await listed(), await listed(archived="true")) == ([keys[0]], [keys[1]])


async def test_the_list_is_searched_by_name_and_number_blind_to_accents(hotel: Hotel) -> None:
    name = f"Iná{unique_phone()[-6:]}"
    guest, other = Guest(hotel, unique_phone(), f"{name} Conceição"), Guest(hotel, unique_phone(), "Rui")
    key = (await _written(guest))["id"]
    await other.writes()
    for search in (name.replace("á", "A"), f"conceicao {name.lower()}", guest.wa_id[2:], f"+{guest.wa_id}"):
        page = (await hotel.attendant.get("/api/conversations", params={"search": search})).json()
        assert ([item["id"] for item in page["data"]], page["pagination"]["total"]) == ([key], 1), search
    for nobody in (
        {"search": "ninguem-assim"},
        {"search": "%"},
        {"search": name, "status": "CLOSED"},
        {"search": name, "archived": "true"},
    ):
        assert (await hotel.attendant.get("/api/conversations", params=nobody)).json()["data"] == []


async def test_the_first_unread_message_is_pointed_at_until_it_is_read(hotel: Hotel, dora: Guest) -> None:
    first = await dora.writes("um")
    await dora.writes("dois")
    conversation = await dora.conversation()
    assert conversation["firstUnreadMessageId"] == first["id"]
    assert (await _do(hotel.attendant, conversation, "read")).json()["firstUnreadMessageId"] is None
    third = await dora.writes("três")
    assert (await dora.conversation())["firstUnreadMessageId"] == third["id"]


async def test_the_unread_total_tells_all_own_and_nobodys(system: System) -> None:
    hotel = await system.hotel("Unread")
    first, second = Guest(hotel, unique_phone()), Guest(hotel, unique_phone())
    await _written(second)
    await _do(hotel.attendant, await _written(first), "claim")
    counts = [(await who.get("/api/unread")).json() for who in (hotel.attendant, hotel.admin)]
    assert counts == [{"total": 2, "mine": 1, "unassigned": 1}, {"total": 2, "mine": 0, "unassigned": 1}]


async def test_a_draft_is_of_one_person_and_waits_on_every_screen(hotel: Hotel, dora: Guest) -> None:
    url = f"/api/conversations/{(await _written(dora))['id']}/draft"
    kept = (await hotel.attendant.put(url, json={"content": "Bom d"})).json()
    assert (kept["content"], (await hotel.attendant.get(url)).json()) == ("Bom d", kept)
    assert (await hotel.admin.get(url)).json() == {"content": "", "updatedAt": None}
    assert (await hotel.attendant.put(url, json={"content": ""})).json()["content"] == ""
    await hotel.admin.put(url, json={"content": "x"})
    assert (await hotel.admin.delete(url)).status_code == 204
    assert (await hotel.admin.get(url)).json()["content"] == ""


async def test_a_conversation_is_begun_with_a_number_or_a_contact_and_only_once(hotel: Hotel) -> None:
    phone = f"+{unique_phone()}"
    answers = [await hotel.attendant.post("/api/conversations", json={"to": phone}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    first, again = (answer.json() for answer in answers)
    by_contact = await hotel.attendant.post("/api/conversations", json={"contactId": first["contact"]["id"]})
    assert {first["id"], again["id"], by_contact.json()["id"]} == {first["id"]}
    assert pointers(await hotel.attendant.post("/api/conversations", json={})) == {"/contactId"}


async def test_a_note_is_told_to_colleagues_and_never_sent(hotel: Hotel, dora: Guest) -> None:
    conversation, alice = await _written(dora), await _me(hotel.admin)
    async with listening(hotel.admin) as ear:
        body = {"content": "@Alice, é cliente antigo", "mentions": [alice["id"], alice["id"]]}
        entry = (await _do(hotel.attendant, conversation, "notes", **body)).json()
        heard = (await ear.hear("timeline:new"))["data"]
    assert heard == {"conversationId": conversation["id"], "entry": entry}
    assert (entry["mentions"], entry["type"]) == ([alice["id"]], "note")
    assert [item["content"] for item in await dora.history()] == ["Olá"]


async def _closed(hotel: Hotel, dora: Guest, as_owner: Sql) -> dict[str, Any]:
    """A conversation closed lately, after one that was closed long ago, which is answered."""
    first = await _written(dora)
    await _do(hotel.attendant, first, "close")
    long_ago = "UPDATE conversations SET closed_at = now() - INTERVAL '3 days' WHERE id = $1"
    await as_owner(long_ago, UUID(first["id"]))
    await dora.writes("outra vez")
    await _do(hotel.attendant, await dora.conversation(), "close")
    return first


async def test_who_begins_anew_while_an_older_conversation_is_opened_is_led_there(
    home: Home, hotel: Hotel, dora: Guest, as_owner: Sql
) -> None:
    older = await _closed(hotel, dora, as_owner)
    async with holding(home, HEAD, UUID(hotel.id)) as held:
        reopening = asyncio.create_task(_do(hotel.attendant, older, "reopen"))
        await eventually(held.waits)
        begin = {"contactId": older["contact"]["id"], "channelId": hotel.channel_id}
        beginning = asyncio.create_task(hotel.admin.post("/api/conversations", json=begin))
        await eventually(partial(held.waiting, 2))
    assert (await reopening).status_code == 200
    answer = await beginning
    assert (answer.status_code, answer.json()["id"]) == (201, older["id"])
