"""The history and its cursors, the 24-hour window, and sends that may be repeated."""

import asyncio
import time
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.meta import accepted, becomes, send, told
from tests.people import Sql
from tests.system import Guest, Hotel, System, eventually, unique_phone


@pytest.fixture
async def hotel(system: System) -> Hotel:
    """A hotel that nobody has written to."""
    return await system.hotel("Vazia")


async def _part(hotel: Hotel, conversation: dict[str, Any], **query: Any) -> tuple[list[str], dict[str, Any]]:
    """The texts of a part of the history, and its place."""
    answer = await hotel.attendant.get(f"/api/conversations/{conversation['id']}/messages", params=query)
    assert answer.status_code == 200, answer.text
    return [item["content"] for item in answer.json()["data"]], answer.json()["pagination"]


async def _long_talk(guest: Guest, as_owner: Sql, count: int = 200) -> list[str]:
    """Messages of two webhooks, several in each second, every other one late; their texts, oldest first."""
    start = int(time.time()) - count
    nodes = [{**guest.message(text=str(place)), "timestamp": str(start + place // 7)} for place in range(count)]
    await told(guest.hotel, as_owner, guest.body(*nodes[1::2]))
    await told(guest.hotel, as_owner, guest.body(*nodes[::2]))
    query = "SELECT content FROM messages WHERE tenant_id = $1 AND wamid = ANY($2) ORDER BY created_at, id"
    texts = [row["content"] for row in await as_owner(query, guest.hotel.id, [node["id"] for node in nodes])]
    assert sorted(texts, key=int) == [str(place) for place in range(count)] != texts
    return texts


async def test_history_backwards_has_no_gap_and_no_repeat(guest: Guest, as_owner: Sql) -> None:
    texts = await _long_talk(guest, as_owner)
    conversation, cursor, seen = await guest.conversation(), None, []
    while True:
        part, place = await _part(guest.hotel, conversation, limit=33, **({"before": cursor} if cursor else {}))
        seen, cursor = seen + part, place["nextCursor"]
        if not cursor:
            break
    assert seen == texts[::-1]


async def test_history_forwards_has_no_gap_and_no_repeat(guest: Guest, as_owner: Sql) -> None:
    texts = await _long_talk(guest, as_owner)
    conversation, cursor, seen = await guest.conversation(), None, []
    while True:  # back to the oldest message
        part, place = await _part(guest.hotel, conversation, limit=1 if cursor else 100, **cursor or {})
        if not place["nextCursor"]:
            break
        cursor = {"before": place["nextCursor"]}
    after, seen = place["prevCursor"], part
    while part:
        part, place = await _part(guest.hotel, conversation, limit=33, after=after)
        after, seen = place["prevCursor"], part + seen
    assert seen == texts[::-1]


async def test_asking_for_what_is_new_repeats_nothing(guest: Guest) -> None:
    await guest.writes("um")
    conversation = await guest.conversation()
    await send(guest.hotel, conversation, "dois")
    seen, place = await _part(guest.hotel, conversation)
    for text in ("três", "quatro", "cinco"):
        nothing, place = await _part(guest.hotel, conversation, after=place["prevCursor"])
        assert nothing == []
        await send(guest.hotel, conversation, text)
        new, place = await _part(guest.hotel, conversation, after=place["prevCursor"])
        seen = new + seen
    assert seen == ["cinco", "quatro", "três", "dois", "um"]


async def test_a_jump_to_a_moment_shows_what_follows_and_leads_both_ways(guest: Guest, as_owner: Sql) -> None:
    texts = await _long_talk(guest, as_owner, 40)
    conversation = await guest.conversation()
    url = f"/api/conversations/{conversation['id']}/messages"
    history = (await guest.hotel.attendant.get(url, params={"limit": 100})).json()["data"]
    moment = history[25]["createdAt"]
    first = next(place for place, item in enumerate(history[::-1]) if item["createdAt"] >= moment)
    part, place = await _part(guest.hotel, conversation, at=moment, limit=3)
    assert part == texts[first : first + 3][::-1]
    older, _ = await _part(guest.hotel, conversation, before=place["nextCursor"], limit=100)
    newer, _ = await _part(guest.hotel, conversation, after=place["prevCursor"], limit=100)
    assert newer + part + older == texts[::-1]


@pytest.mark.parametrize("follow", [0, 2])
async def test_a_jump_near_the_end_fills_its_page_with_what_came_before(
    follow: int, guest: Guest, as_owner: Sql
) -> None:
    texts = (await _long_talk(guest, as_owner, 12))[::-1]
    conversation = await guest.conversation()
    url = f"/api/conversations/{conversation['id']}/messages"
    history = (await guest.hotel.attendant.get(url)).json()["data"]
    moment = history[follow - 1]["createdAt"] if follow else "2099-01-01T00:00:00Z"
    part, place = await _part(guest.hotel, conversation, at=moment, limit=8)
    assert part == texts[:8]
    older, _ = await _part(guest.hotel, conversation, before=place["nextCursor"])
    newer, _ = await _part(guest.hotel, conversation, after=place["prevCursor"])
    assert (newer, older) == ([], texts[8:])


async def test_a_jump_into_a_conversation_without_messages_shows_none(guest: Guest) -> None:
    made = await guest.hotel.attendant.post("/api/conversations", json={"to": f"+{guest.wa_id}"})
    part, place = await _part(guest.hotel, made.json(), at="2026-11-24T10:00:00Z")
    assert part == []
    await guest.writes("Olá")
    newer, _ = await _part(guest.hotel, made.json(), after=place["prevCursor"])
    assert newer == ["Olá"]


BAD_PLACES = ["at=2026-11-24T10:00:00", "at=x", "at=2026-11-24T10:00:00Z&after=AAAA"]


@pytest.mark.parametrize("query", [*BAD_PLACES, "limit=0", "limit=101", "before=x", "after=AAAA", "page=2"])
async def test_a_wrong_question_about_the_history_is_named(query: str, guest: Guest) -> None:
    await guest.writes()
    conversation = await guest.conversation()
    answer = await guest.hotel.attendant.get(f"/api/conversations/{conversation['id']}/messages?{query}")
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [f"/{query.partition('=')[0]}"]


async def test_what_a_guest_writes_in_the_second_of_our_message_comes_after_it(guest: Guest) -> None:
    """Meta tells whole seconds."""
    await guest.writes("Oi")
    conversation = await guest.conversation()
    sent = await send(guest.hotel, conversation, "Bom dia! Quarto para quantos?")
    second = datetime.fromisoformat(sent["createdAt"]).replace(microsecond=0)
    for text in ("Dois", "adultos"):
        node = {**guest.message(text=text), "timestamp": str(int(second.timestamp()))}
        await guest.writes(node=node)
    texts, _ = await _part(guest.hotel, conversation, limit=2)
    listed = await guest.conversation()
    assert (texts, listed["lastMessage"]["preview"]) == (["adultos", "Dois"], "adultos")
    assert datetime.fromisoformat(listed["windowExpiresAt"]) == second + timedelta(hours=24)


async def test_both_cursors_at_once_are_refused(guest: Guest) -> None:
    await guest.writes()
    conversation = await guest.conversation()
    _, place = await _part(guest.hotel, conversation)
    url, cursor = f"/api/conversations/{conversation['id']}/messages", place["prevCursor"]
    answer = await guest.hotel.attendant.get(url, params={"before": cursor, "after": cursor})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/after")


async def test_the_history_of_another_hotel_does_not_exist(guest: Guest, carla: httpx.AsyncClient) -> None:
    await guest.writes()
    url = f"/api/conversations/{(await guest.conversation())['id']}/messages"
    for answer in (await carla.get(url), await carla.post(url, json={"content": "oi"})):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def _aged(guest: Guest, as_owner: Sql, seconds: int) -> dict[str, Any]:
    """The conversation of a guest who wrote so many seconds ago."""
    node = guest.message()
    await told(guest.hotel, as_owner, guest.body({**node, "timestamp": str(int(node["timestamp"]) - seconds)}))
    return await guest.conversation()


async def test_a_message_of_25_hours_ago_opens_no_window(hotel: Hotel, system: System, as_owner: Sql) -> None:
    guest = Guest(hotel, unique_phone())
    conversation = await _aged(guest, as_owner, 25 * 3600)
    url = f"/api/conversations/{conversation['id']}/messages"
    answer = await hotel.attendant.post(url, json={"content": "tarde", "clientMessageId": "a-1"})
    assert (answer.status_code, answer.json()["code"]) == (409, "window_closed")
    assert len(await guest.history()) == 1
    await guest.writes("voltei")
    again = await hotel.attendant.post(url, json={"content": "tarde", "clientMessageId": "a-1"})
    assert (again.status_code, "Idempotency-Replayed" in again.headers) == (201, False)


async def test_the_window_is_counted_from_metas_own_timestamp(hotel: Hotel, as_owner: Sql) -> None:
    guest = Guest(hotel, unique_phone())
    conversation = await _aged(guest, as_owner, 23 * 3600)
    assert (await send(hotel, conversation))["status"] == "QUEUED"
    assert conversation["windowExpiresAt"][10:] == conversation["lastMessageAt"][10:]
    assert conversation["windowExpiresAt"][:10] > conversation["lastMessageAt"][:10]


async def test_a_stranger_cannot_be_written_to_and_nothing_is_kept(hotel: Hotel, as_owner: Sql) -> None:
    body = {"to": f"+{unique_phone()}", "content": "Olá", "clientMessageId": "b-1"}
    answer = await hotel.attendant.post("/api/messages/send", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "window_closed")
    for table in ("contacts", "contact_identities", "conversations", "messages", "idempotency_keys"):
        assert await as_owner(f"SELECT 1 FROM {table} WHERE tenant_id = $1", hotel.id) == [], table


async def test_a_send_repeated_is_answered_and_not_done_again(hotel: Hotel, system: System) -> None:
    guest = Guest(hotel, unique_phone())
    await guest.writes()
    url = f"/api/conversations/{(await guest.conversation())['id']}/messages"
    body = {"content": "uma vez", "clientMessageId": "c-1"}
    answers = await asyncio.gather(*[hotel.attendant.post(url, json=body) for _ in range(4)])
    assert [answer.status_code for answer in answers] == [201] * 4
    assert len({answer.content for answer in answers}) == 1
    assert sorted(answer.headers.get("Idempotency-Replayed", "") for answer in answers) == ["", *["true"] * 3]
    await becomes(hotel, answers[0].json(), "READ")
    assert len(await accepted(system, hotel)) == 1


async def test_the_same_client_id_with_another_body_conflicts(guest: Guest) -> None:
    await guest.writes()
    conversation = await guest.conversation()
    await send(guest.hotel, conversation, "um", clientMessageId="d-1")
    url = f"/api/conversations/{conversation['id']}/messages"
    answer = await guest.hotel.attendant.post(url, json={"content": "outro", "clientMessageId": "d-1"})
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert [item["content"] for item in await guest.history()] == ["um", "Olá"]


async def test_a_client_id_used_by_a_colleague_names_the_message_in_the_way(guest: Guest) -> None:
    await guest.writes()
    conversation = await guest.conversation()
    first = await send(guest.hotel, conversation, "um", clientMessageId="e-1")
    url = f"/api/conversations/{conversation['id']}/messages"
    answer = await guest.hotel.admin.post(url, json={"content": "um", "clientMessageId": "e-1"})
    assert (answer.status_code, answer.json()["existingId"]) == (409, first["id"])
    assert len(await guest.history()) == 2


async def test_a_reply_quotes_the_message_to_meta(hotel: Hotel, system: System) -> None:
    guest = Guest(hotel, unique_phone())
    asked = await guest.writes("há quarto?")
    reply = await send(hotel, await guest.conversation(), "há", replyTo=asked["id"])
    assert reply["replyTo"] == asked["id"]
    await becomes(hotel, reply, "READ")
    [taken] = await accepted(system, hotel)
    assert taken["body"]["context"] == {"message_id": asked["wamid"]}


async def test_a_reply_to_a_message_of_another_conversation_is_refused(guest: Guest) -> None:
    other = Guest(guest.hotel, unique_phone())
    foreign = await other.writes()
    await guest.writes()
    url = f"/api/conversations/{(await guest.conversation())['id']}/messages"
    for wrong in (foreign["id"], "0198c0de-0000-7000-8000-000000000001"):
        answer = await guest.hotel.attendant.post(url, json={"content": "x", "replyTo": wrong})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/replyTo")
    assert len(await guest.history()) == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"content": ""}, "/content"),
        ({"content": "x" * 4097}, "/content"),
        ({"content": "a\x00b"}, "/content"),
        ({}, "/content"),
        ({"content": 3}, "/content"),
        ({"content": "x", "type": "image"}, "/mediaId"),
        ({"content": "x", "type": "template"}, "/template"),
        ({"content": "x", "type": "fax"}, "/type"),
        ({"content": "x", "replyTo": "eu"}, "/replyTo"),
        ({"content": "x", "clientMessageId": ""}, "/clientMessageId"),
        ({"content": "x", "status": "SENT"}, "/status"),
    ],
)
async def test_what_cannot_be_sent_is_refused_by_name(body: dict[str, Any], pointer: str, guest: Guest) -> None:
    await guest.writes()
    url = f"/api/conversations/{(await guest.conversation())['id']}/messages"
    answer = await guest.hotel.attendant.post(url, json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert len(await guest.history()) == 1


async def test_a_text_is_measured_in_characters_and_not_in_bytes(hotel: Hotel, system: System) -> None:
    guest = Guest(hotel, unique_phone())
    await guest.writes()
    conversation, text = await guest.conversation(), "😀" * 4096
    await becomes(hotel, await send(hotel, conversation, text), "READ")
    assert [taken["body"]["text"]["body"] for taken in await accepted(system, hotel)] == [text]


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [({"to": "abcdef"}, "/to"), ({"channelId": "0198c0de-0000-7000-8000-000000000001"}, "/channelId")],
)
async def test_a_wrong_place_to_send_to_is_named(wrong: dict[str, str], pointer: str, guest: Guest) -> None:
    await guest.writes()
    body = {"to": f"+{guest.wa_id}", "content": "oi", **wrong}
    answer = await guest.hotel.attendant.post("/api/messages/send", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


async def test_sending_to_a_phone_lands_in_the_conversation_of_that_guest(guest: Guest) -> None:
    await guest.writes()
    body = {"to": f"+{guest.wa_id}", "type": "text", "content": "Bom dia"}
    answer = await guest.hotel.attendant.post("/api/messages/send", json=body)
    message = answer.json()
    assert (answer.status_code, message["conversationId"]) == (201, (await guest.conversation())["id"])
    assert message["sentBy"] == (await guest.hotel.attendant.get("/auth/me")).json()["user"]["id"]
    await eventually(lambda: becomes(guest.hotel, message, "READ"))
    unset = (
        "media",
        "payload",
        "replyTo",
        "error",
        "wamid",
        "sentAt",
        "deliveredAt",
        "readAt",
        "failedAt",
        "sendAt",
    )
    assert {message[name] for name in unset} == {None}
