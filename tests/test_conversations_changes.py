"""What people and messages do to a conversation: read, unread, assign, visit, and a late message."""

from typing import Any
from uuid import UUID

import httpx
import pytest

from ops.dev.home import Home
from tests.held import holding
from tests.meta import send, told
from tests.people import Sql
from tests.system import Guest, Hotel, System, eventually, unique_phone


@pytest.fixture
async def hotel(system: System) -> Hotel:
    """A hotel that nobody has written to."""
    return await system.hotel("Vazia")


async def _list(hotel: Hotel) -> list[dict[str, Any]]:
    return list((await hotel.attendant.get("/api/conversations")).json()["data"])


async def _user(client: httpx.AsyncClient) -> str:
    return str((await client.get("/auth/me")).json()["user"]["id"])


async def _do(client: httpx.AsyncClient, conversation: dict[str, Any], what: str, **body: Any) -> httpx.Response:
    return await client.post(f"/api/conversations/{conversation['id']}/{what}", json=body or None)


async def test_one_conversation_is_the_item_of_the_list(guest: Guest) -> None:
    await guest.writes()
    listed = await guest.conversation()
    assert (await guest.hotel.attendant.get(f"/api/conversations/{listed['id']}")).json() == listed


async def test_another_hotels_conversation_does_not_exist(guest: Guest, carla: httpx.AsyncClient) -> None:
    await guest.writes()
    conversation = await guest.conversation()
    nobodys = {"id": "0198c0de-0000-7000-8000-000000000001"}
    for item in (conversation, nobodys, {"id": "not-a-uuid"}):
        doors = [_do(carla, item, "read"), _do(carla, item, "unread"), _do(carla, item, "assign", userId=None)]
        answers = [await carla.get(f"/api/conversations/{item['id']}"), *[await door for door in doors]]
        assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(404, "not_found")}
    assert (await guest.conversation())["unreadCount"] == 1


async def test_reading_and_unreading_change_the_count(guest: Guest) -> None:
    await guest.writes("um")
    await guest.writes("dois")
    conversation, bruno = await guest.conversation(), guest.hotel.attendant
    counts = [(await _do(bruno, conversation, what)).json()["unreadCount"] for what in ("unread", "read", "unread")]
    assert counts == [2, 0, 1]
    assert (await guest.conversation())["unreadCount"] == 1


async def test_a_conversation_is_given_to_a_person_and_taken_back(guest: Guest) -> None:
    await guest.writes()
    conversation, bruno = await guest.conversation(), guest.hotel.attendant
    user = await _user(bruno)
    given = await _do(bruno, conversation, "assign", userId=user)
    assert given.json()["assignedTo"] == {"id": user, "name": "Bruno"}
    assert (await guest.conversation())["assignedTo"] == {"id": user, "name": "Bruno"}
    taken = await bruno.post(f"/api/conversations/{conversation['id']}/assign", json={"userId": None})
    assert (taken.status_code, taken.json()["assignedTo"]) == (200, None)


async def test_work_is_not_given_to_strangers_nor_to_who_has_left(hotel: Hotel, carla: httpx.AsyncClient) -> None:
    guest = Guest(hotel, unique_phone())
    await guest.writes()
    conversation, left = await guest.conversation(), await _user(hotel.attendant)
    assert (await hotel.admin.patch(f"/api/users/{left}", json={"active": False})).status_code == 200
    for user in (left, await _user(carla), "0198c0de-0000-7000-8000-000000000001"):
        answer = await _do(hotel.admin, conversation, "assign", userId=user)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/userId")
    seen = (await hotel.admin.get(f"/api/conversations/{conversation['id']}")).json()
    assert seen["assignedTo"] is None


async def test_a_super_admin_inside_sees_the_list_and_is_nobodys_assignee(
    system: System, hotel: Hotel, root: httpx.AsyncClient
) -> None:
    guest = Guest(hotel, unique_phone())
    await guest.writes()
    inside = {"X-Tenant-Slug": hotel.slug}
    listed = (await root.get("/api/conversations", headers=inside)).json()
    mine = (await root.get("/api/conversations?assignedTo=me", headers=inside)).json()
    assert (listed["pagination"]["total"], mine["pagination"]["total"]) == (1, 0)
    url = f"/api/conversations/{listed['data'][0]['id']}/assign"
    refused = await root.post(url, json={"userId": await _user(root)}, headers=inside)
    assert refused.status_code == 422
    claimed = await root.post(url.replace("/assign", "/claim"), headers=inside)
    assert (claimed.status_code, claimed.json()["code"]) == (403, "forbidden")
    assert (await root.get("/api/conversations")).status_code == 403


async def test_a_late_older_message_never_replaces_a_newer_preview(guest: Guest, as_owner: Sql) -> None:
    await guest.writes("novo")
    before = await guest.conversation()
    late = guest.message(text="antigo")
    await told(guest.hotel, as_owner, guest.body({**late, "timestamp": str(int(late["timestamp"]) - 3600)}))
    after = await guest.conversation()
    unchanged = ("lastMessage", "lastMessageAt", "windowExpiresAt")
    assert [after[name] for name in unchanged] == [before[name] for name in unchanged]
    assert after["unreadCount"] == 2
    assert [item["content"] for item in await guest.history()] == ["novo", "antigo"]


async def test_what_a_guest_writes_while_somebody_closes_opens_again(guest: Guest, home: Home) -> None:
    """It was found open, closed by another request, and noted as closed: in no list of what waits for an answer."""
    hotel, elias = guest.hotel, Guest(guest.hotel, unique_phone(), "Elias")
    await guest.writes()
    await elias.writes()
    node, url = guest.message(text="ainda preciso"), f"/api/conversations/{(await guest.conversation())['id']}"
    stored = "SELECT FROM conversations WHERE id = $1 FOR UPDATE"  # no message can be stored there meanwhile
    async with holding(home, stored, UUID((await elias.conversation())["id"])) as held:
        body = hotel.envelope(contacts=[guest.profile(), elias.profile()], messages=[node, elias.message()])
        assert (await hotel.webhook(body)).status_code == 200
        await eventually(held.waits)
        assert (await hotel.attendant.post(f"{url}/close")).json()["status"] == "CLOSED"
    await eventually(lambda: guest.seen(node["id"]))
    now = await guest.conversation()
    assert (now["status"], now["unreadCount"], now["lastMessage"]["preview"]) == ("OPEN", 1, "ainda preciso")
    timeline = (await hotel.attendant.get(f"{url}/timeline")).json()["data"]
    assert [(entry["type"], entry["by"] is None) for entry in timeline] == [("reopened", True), ("closed", False)]


async def test_our_answer_moves_the_conversation_up_and_shows_its_tick(hotel: Hotel) -> None:
    for _ in range(3):
        await Guest(hotel, unique_phone()).writes()
    lowest = (await _list(hotel))[-1]
    await send(hotel, lowest, "Bom dia")

    async def read() -> bool:
        last = (await _list(hotel))[0]["lastMessage"]
        return (last["preview"], last["direction"], last["status"]) == ("Bom dia", "OUTBOUND", "READ")

    await eventually(read)
    assert (await _list(hotel))[0]["id"] == lowest["id"]


async def test_what_somebody_had_who_may_not_come_in_any_more_can_be_claimed(
    guest: Guest, eva: dict[str, Any], alice: httpx.AsyncClient
) -> None:
    await guest.writes()
    conversation, bruno = await guest.conversation(), guest.hotel.attendant
    await _do(alice, conversation, "assign", userId=eva["id"])
    assert (await _do(bruno, conversation, "claim")).json()["code"] == "already_assigned"
    await alice.patch(f"/api/users/{eva['id']}", json={"active": False})
    answers = [await _do(person, conversation, "claim") for person in (bruno, alice)]
    assert [answer.status_code for answer in answers] == [200, 409]
    assert (await guest.conversation())["assignedTo"]["name"] == "Bruno"
