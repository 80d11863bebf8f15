"""The list: its shape, its filters and exact totals, its pages while the world moves, and what people do to it."""

import asyncio
from typing import Any

import httpx
import pytest

from crm import worker
from crm.core import rails
from crm.core.config import Settings
from tests.meta import told
from tests.people import Sql
from tests.system import Guest, Hotel, System, unique_number_id, unique_phone
from tests.visitors import pointers

FILTERS = [
    {},
    {"status": "OPEN"},
    {"status": "PENDING"},
    {"status": "CLOSED"},
    {"assignedTo": "me"},
    {"assignedTo": "none"},
    {"assignedTo": "BRUNO"},
    {"unread": "true"},
    {"channelId": "FIRST"},
    {"channelId": "SECOND"},
    {"archived": "true"},
    {"assignedTo": "none", "unread": "true"},
    {"assignedTo": "me", "channelId": "FIRST", "unread": "true"},
    {"status": "OPEN", "assignedTo": "none", "channelId": "SECOND", "unread": "true"},
    {"status": "CLOSED", "assignedTo": "BRUNO", "channelId": "SECOND"},
]
COUNT = """
SELECT count(*) FROM conversations
WHERE tenant_id = $1 AND archived = $2 AND ($3::text IS NULL OR status = $3)
  AND ($4::text IS NULL OR coalesce(assigned_to::text, 'none') = $4)
  AND (NOT $5 OR unread_count > 0) AND ($6::text IS NULL OR channel_id::text = $6)"""


@pytest.fixture
async def hotel(system: System) -> Hotel:
    """A hotel that nobody has written to."""
    return await system.hotel("Vazia")


async def _page(client: httpx.AsyncClient, **query: Any) -> dict[str, Any]:
    answer = await client.get("/api/conversations", params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def _user(client: httpx.AsyncClient) -> str:
    return str((await client.get("/auth/me")).json()["user"]["id"])


async def _do(client: httpx.AsyncClient, conversation: dict[str, Any], what: str, **body: Any) -> httpx.Response:
    return await client.post(f"/api/conversations/{conversation['id']}/{what}", json=body or None)


async def _guests(hotel: Hotel, as_owner: Sql, count: int) -> list[Guest]:
    """Guests who wrote once, all in one webhook, all in the same second."""
    guests = [Guest(hotel, unique_phone()) for _ in range(count)]
    profiles = [guest.profile() for guest in guests]
    await told(hotel, as_owner, hotel.envelope(contacts=profiles, messages=[guest.message() for guest in guests]))
    return guests


async def test_an_item_of_the_list_has_the_shape_of_the_contract(hotel: Hotel) -> None:
    guest = Guest(hotel, unique_phone(), "Dora")
    message = await guest.writes("Olá, há quarto?")
    page = await _page(hotel.attendant)
    [item] = page["data"]
    assert page["pagination"] == {"page": 1, "limit": 20, "total": 1, "pages": 1, "nextCursor": None}
    contact = {"name": "Dora", "phone": f"+{guest.wa_id}", "waId": guest.wa_id, "id": item["contact"]["id"]}
    last = {"direction": "INBOUND", "type": "text", "preview": "Olá, há quarto?", "status": "RECEIVED"}
    assert item["contact"] == contact
    assert item["lastMessage"] == {**last, "id": message["id"], "createdAt": message["createdAt"]}
    assert item["lastMessageAt"] == message["createdAt"]
    plain = ("status", "archived", "channelId", "assignedTo", "tags", "unreadCount")
    assert [item[name] for name in plain] == ["OPEN", False, hotel.channel_id, None, [], 1]
    assert set(item) == {
        *plain, "id", "contact", "lastMessage", "lastMessageAt", "windowExpiresAt", "freeUntil", "createdAt",
        "department", "snoozedUntil", "firstUnreadMessageId",
    }  # fmt: skip


async def test_a_long_message_is_cut_in_the_list_and_whole_in_the_history(hotel: Hotel) -> None:
    guest = Guest(hotel, unique_phone())
    text = "água 😀 " * 50
    assert (await guest.writes(text))["content"] == text
    assert (await guest.conversation())["lastMessage"]["preview"] == text[:120]


async def _busy(hotel: Hotel, as_owner: Sql) -> dict[str, str]:
    """Twelve conversations over two numbers, in every state; who the words of FILTERS stand for."""
    new = {"whatsappPhoneNumberId": unique_number_id(), "whatsappBusinessAccountId": hotel.waba_id}
    second = (await hotel.admin.post("/api/channels", json=new)).json()["id"]
    alice, bruno = await _user(hotel.admin), await _user(hotel.attendant)
    await _guests(hotel, as_owner, 12)
    listed = (await _page(hotel.attendant))["data"]
    for place, conversation in enumerate(listed):
        if place % 2:
            await _do(hotel.admin, conversation, "assign", userId=alice if place % 4 == 1 else bruno)
        if place % 3:
            await _do(hotel.admin, conversation, "read")
        state = ("OPEN", "PENDING", "CLOSED")[place // 2 % 3]
        change = "UPDATE conversations SET status = $1, channel_id = $2, archived = $3 WHERE id = $4 RETURNING 1"
        channel = second if place % 5 > 2 else hotel.channel_id
        await as_owner(change, state, channel, place == 11, conversation["id"])
    return {"BRUNO": bruno, "FIRST": hotel.channel_id, "SECOND": second, "me": alice}


async def _counted(as_owner: Sql, hotel: Hotel, query: dict[str, str], alice: str) -> int:
    wanted = {"me": alice}.get(query.get("assignedTo", ""), query.get("assignedTo"))
    archived, unread = query.get("archived") == "true", query.get("unread") == "true"
    args = (archived, query.get("status"), wanted, unread, query.get("channelId"))
    return int((await as_owner(COUNT, hotel.id, *args))[0][0])


async def test_every_filter_lists_and_counts_exactly_what_it_says(hotel: Hotel, as_owner: Sql) -> None:
    words = await _busy(hotel, as_owner)
    sizes = []
    for filters in FILTERS:
        query = {name: words.get(value, value) if value != "me" else "me" for name, value in filters.items()}
        page, truth = await _page(hotel.admin, **query), await _counted(as_owner, hotel, query, words["me"])
        assert (len(page["data"]), page["pagination"]["total"]) == (truth, truth), filters
        sizes.append(truth)
    assert sizes[0] == 11
    assert len(set(sizes)) > 4


async def test_totals_stay_exact_after_many_changes_and_after_their_folding(
    hotel: Hotel, settings: Settings, as_owner: Sql
) -> None:
    await _guests(hotel, as_owner, 8)
    listed, alice = (await _page(hotel.admin))["data"], await _user(hotel.admin)
    for turn in range(15):
        what = [("read", {}), ("unread", {}), ("assign", {"userId": alice}), ("assign", {"userId": None})][turn % 4]
        await asyncio.gather(*[_do(hotel.admin, item, what[0], **what[1]) for item in listed])
    await asyncio.gather(*[_do(hotel.admin, item, "assign", userId=alice) for item in listed[:3]])
    rows = "SELECT count(*) FROM conversation_counts WHERE tenant_id = $1"
    totals = [await _totals(hotel, as_owner, alice)]
    await _fold(settings)
    totals.append(await _totals(hotel, as_owner, alice))
    assert totals[0] == totals[1]
    assert (await as_owner(rows, hotel.id))[0][0] < 10  # of more than 200 (the worker folds once a minute, too)


async def _totals(hotel: Hotel, as_owner: Sql, alice: str) -> list[int]:
    """Totals of some filters, each equal to a real count."""
    found = []
    for query in ({}, {"unread": "true"}, {"assignedTo": "me"}, {"assignedTo": "none"}, {"status": "OPEN"}):
        total = (await _page(hotel.admin, **query))["pagination"]["total"]
        assert total == await _counted(as_owner, hotel, query, alice), query
        found.append(total)
    return found


async def _fold(settings: Settings) -> None:
    laid = await rails.lay(settings)
    await worker.fold(laid)
    await laid.close()


async def test_pages_by_number_hold_each_row_once(hotel: Hotel, as_owner: Sql) -> None:
    await _guests(hotel, as_owner, 23)
    pages = [await _page(hotel.attendant, page=number, limit=5) for number in range(1, 7)]
    ids = [item["id"] for page in pages for item in page["data"]]
    assert (len(ids), len(set(ids))) == (23, 23)
    assert {(page["pagination"]["total"], page["pagination"]["pages"]) for page in pages} == {(23, 5)}
    assert [len(page["data"]) for page in pages] == [5, 5, 5, 5, 3, 0]


async def test_a_cursor_that_is_empty_is_none(hotel: Hotel, as_owner: Sql) -> None:
    await _guests(hotel, as_owner, 3)
    assert await _page(hotel.attendant, limit=2, cursor="") == await _page(hotel.attendant, limit=2)


async def test_a_filter_that_is_empty_is_none(hotel: Hotel, as_owner: Sql) -> None:
    await _guests(hotel, as_owner, 2)
    form = "?status=&assignedTo=&tag=&unread=&channelId=&contactId=&search=&archived="
    answer = await hotel.attendant.get(f"/api/conversations{form}")
    assert (answer.status_code, answer.json()) == (200, await _page(hotel.attendant))
    assert pointers(await hotel.attendant.get("/api/messages/search?q=&from=&to=")) == {"/q"}


async def test_a_walk_by_cursor_meets_each_row_once_while_messages_arrive(hotel: Hotel, as_owner: Sql) -> None:
    guests = await _guests(hotel, as_owner, 23)
    first = await _page(hotel.attendant, limit=5)
    ids, cursor = [item["id"] for item in first["data"]], first["pagination"]["nextCursor"]
    while cursor:
        seen = next(guest for guest in guests if guest.wa_id == first["data"][0]["contact"]["waId"])
        await asyncio.gather(seen.writes("de novo"), Guest(hotel, unique_phone()).writes("novo"))
        page = await _page(hotel.attendant, limit=5, cursor=cursor)
        assert set(page["pagination"]) == {"limit", "nextCursor"}
        ids, cursor = ids + [item["id"] for item in page["data"]], page["pagination"]["nextCursor"]
    assert (len(ids), len(set(ids))) == (23, 23)
    assert (await _page(hotel.attendant))["pagination"]["total"] == 27


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "page=0", "cursor=x", "status=X", "assignedTo=eu", "foo=1"]
)
async def test_a_wrong_question_is_answered_by_naming_the_word(query: str, bruno: httpx.AsyncClient) -> None:
    answer = await bruno.get(f"/api/conversations?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert [error["pointer"] for error in answer.json()["errors"]] == [f"/{query.partition('=')[0]}"]
