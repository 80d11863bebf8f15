"""What is told at /ws: events of the hotel, typing in a conversation, and odd frames."""

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest

from crm import realtime
from tests.sockets import Ear, at_socket, heard_by, listening
from tests.system import Guest, Hotel, System, calling, unique_phone

MESSAGE = (
    "id conversationId direction type content media payload replyTo status error wamid sentBy createdAt sentAt "
    "deliveredAt readAt failedAt sendAt origin reactions editedAt revokedAt"
)
CONVERSATION = (
    "id status archived contact channelId assignedTo tags unreadCount lastMessage lastMessageAt windowExpiresAt "
    "freeUntil createdAt department snoozedUntil firstUnreadMessageId"
)


@pytest.fixture(scope="module")
async def hotel(system: System) -> Hotel:
    """A hotel of this module alone, so that every seq is ours."""
    return await system.hotel("Escuta")


async def me(client: httpx.AsyncClient) -> dict[str, Any]:
    return (await client.get("/auth/me")).json()["user"]


async def test_a_customers_message_reaches_every_socket_of_the_hotel_and_nobody_elses(
    hotel: Hotel, carla: httpx.AsyncClient
) -> None:
    guest = Guest(hotel, unique_phone())
    async with listening(hotel.admin) as a, listening(hotel.attendant) as b, listening(carla) as c:
        message = await guest.writes("Olá, há quarto? ção 😀")
        frames = [await ear.hear("message:new") for ear in (a, b)]
        conversation = await guest.conversation()
        seq = a.ready["seq"] + 1
        told = {"message": message, "conversation": conversation}
        assert frames == [{"event": "message:new", "seq": seq, "data": told}] * 2
        assert list(message) == MESSAGE.split()
        assert list(conversation) == CONVERSATION.split()
        assert conversation["id"] not in json.dumps(await c.heard())


async def test_an_answer_and_its_ticks_are_told_in_order_with_a_growing_seq(hotel: Hotel) -> None:
    guest = Guest(hotel, unique_phone())
    await guest.writes()
    async with listening(hotel.admin) as ear:
        url = f"/api/conversations/{(await guest.conversation())['id']}/messages"
        sent = (await hotel.attendant.post(url, json={"content": "Sim"})).json()
        frames = await ear.kept(4)
    assert [frame["seq"] for frame in frames] == [ear.ready["seq"] + step for step in (1, 2, 3, 4)]
    assert frames[0]["data"]["message"] == sent
    assert [frame["event"] for frame in frames[1:]] == ["message:status"] * 3
    assert [frame["data"]["status"] for frame in frames[1:]] == ["SENT", "DELIVERED", "READ"]
    assert all(set(frame["data"]) == {"messageId", "conversationId", "status", "at"} for frame in frames[1:])
    assert {frame["data"]["messageId"] for frame in frames[1:]} == {sent["id"]}


async def test_a_refused_send_tells_its_error(system: System, hotel: Hotel) -> None:
    guest = Guest(hotel, unique_phone())
    await guest.writes()
    rule = {"action": {"error": {"code": 131026, "message": "undeliverable"}}}
    async with calling() as client, listening(hotel.admin) as ear:
        script = {"rules": [rule], "phoneNumberId": hotel.number_id}
        await client.post(f"{system.graph_url}/_fake/script", json=script)
        url = f"/api/conversations/{(await guest.conversation())['id']}/messages"
        sent = (await hotel.attendant.post(url, json={"content": "Não chega"})).json()
        told = (await ear.hear("message:status"))["data"]
    assert (told["messageId"], told["status"]) == (sent["id"], "FAILED")
    assert set(told["error"]) == {"code", "title", "detail", "action"}
    assert (told["error"]["code"], told["error"]["action"]) == (131026, "check_number")


async def test_reading_and_assigning_tell_the_conversation_as_rest_shows_it(hotel: Hotel) -> None:
    guest = Guest(hotel, unique_phone())
    await guest.writes()
    url = f"/api/conversations/{(await guest.conversation())['id']}"
    user = {"userId": (await me(hotel.attendant))["id"]}
    async with listening(hotel.admin) as ear:
        for verb, body in (("read", {}), ("unread", {}), ("assign", user), ("assign", {"userId": None})):
            answer = await hotel.attendant.post(f"{url}/{verb}", json=body)
            told = await ear.hear("conversation:updated")
            assert told["data"] == {"conversation": answer.json()}, verb


@pytest.mark.parametrize("form", [str, lambda key: {"conversationId": key}])
async def test_joining_takes_both_forms_and_names_the_viewers(hotel: Hotel, form: Any) -> None:
    guest = Guest(hotel, unique_phone())
    await guest.writes()
    conversation = (await guest.conversation())["id"]
    people = [{"userId": (await me(who))["id"], "name": name} for who, name in _people(hotel)]
    async with listening(hotel.admin) as alice, listening(hotel.attendant) as bruno:
        await alice.say("conversation:join", form(conversation))
        joined = {"conversationId": conversation, "viewers": people[:1]}
        assert await alice.frame() == {"event": "conversation:joined", "data": joined}  # no presence before
        await bruno.say("conversation:join", form(conversation))
        both = (await bruno.hear("conversation:joined"))["data"]["viewers"]
        assert sorted(both, key=lambda one: one["name"]) == people


def _people(hotel: Hotel) -> list[tuple[httpx.AsyncClient, str]]:
    return [(hotel.admin, "Alice"), (hotel.attendant, "Bruno")]


async def test_a_socket_opens_so_many_conversations_and_no_more(
    hotel: Hotel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(realtime, "JOINED_LIMIT", 1)
    guests = [Guest(hotel, unique_phone()) for _ in range(2)]
    async with listening(hotel.attendant) as bruno:
        for guest, answer in zip(guests, ("conversation:joined", "error"), strict=True):
            await guest.writes()
            await bruno.say("conversation:join", (await guest.conversation())["id"])
            told = await bruno.hear(answer)
    assert told["data"]["code"] == "validation_failed"


async def test_another_hotels_conversation_is_not_found(hotel: Hotel, carla: httpx.AsyncClient) -> None:
    guest = Guest(hotel, unique_phone())
    await guest.writes()
    conversation = (await guest.conversation())["id"]
    odd = [conversation, str(uuid4()), "", "x", None, 5, ["a"], {}, {"conversationId": {}}, "\x00", "é" * 99]
    async with listening(carla) as ear:
        for data in odd:
            await ear.say("conversation:join", data)
            error = await ear.hear("error")
            assert set(error) == {"event", "data"}
            assert set(error["data"]) == {"code", "detail"}
            assert error["data"]["code"] == "not_found", data


async def test_typing_reaches_those_who_joined_but_not_who_types(hotel: Hotel) -> None:
    guest = Guest(hotel, unique_phone())
    await guest.writes()
    key = (await guest.conversation())["id"]
    in_it, outside = (
        [listening(who) for who in (hotel.admin, hotel.attendant, hotel.attendant)],
        listening(hotel.admin),
    )
    async with in_it[0] as alice, in_it[1] as bruno, in_it[2] as brunos_phone, outside as elsewhere:
        for ear in (alice, bruno, brunos_phone):
            await ear.say("conversation:join", key)
            await ear.hear("conversation:joined")
        await bruno.say("typing", {"conversationId": key, "typing": True})
        data = {"conversationId": key, "userId": bruno.ready["userId"], "name": "Bruno", "typing": True}
        assert await alice.hear("user:typing") == {"event": "user:typing", "data": data}
        await bruno.say("typing", {"conversationId": key, "typing": False})
        assert (await alice.frame())["data"] == {**data, "typing": False}
        for ear in (bruno, brunos_phone, elsewhere):
            assert "user:typing" not in {frame["event"] for frame in await ear.heard()}


@pytest.mark.parametrize("form", [str, lambda key: {"conversationId": key}])
async def test_after_leaving_no_typing_is_heard_and_none_may_be_told(hotel: Hotel, form: Any) -> None:
    guest = Guest(hotel, unique_phone())
    await guest.writes()
    key = (await guest.conversation())["id"]
    async with (
        listening(hotel.admin) as alice,
        listening(hotel.admin) as stays,
        listening(hotel.attendant) as bruno,
    ):
        for ear in (alice, stays, bruno):
            await ear.say("conversation:join", key)
            await ear.hear("conversation:joined")
        await alice.say("conversation:leave", form(key))
        await alice.heard()
        await bruno.say("typing", {"conversationId": key, "typing": True})
        await stays.hear("user:typing")
        assert await alice.heard() == []
        await alice.say("typing", {"conversationId": key, "typing": True})
        assert (await alice.hear("error"))["data"]["code"] == "not_found"
        await stays.say("typing", {"conversationId": key, "typing": "no"})
        assert (await stays.hear("error"))["data"]["code"] == "validation_failed"


async def test_an_unknown_event_is_an_error_and_the_socket_stays(hotel: Hotel) -> None:
    async with listening(hotel.attendant) as ear:
        await ear.say("drop:tables", {})
        assert (await ear.frame())["data"]["code"] == "unknown_event"
        await ear.say("ping")
        assert await ear.frame() == {"event": "pong", "data": {}}


@pytest.mark.parametrize(
    ("language", "sentences"),
    [
        ("pt-BR,en;q=0.5", ["evento desconhecido: x", "since: número inteiro", "Não encontrado."]),
        ("en-US,en;q=0.9", ["unknown event: x", "since: a whole number", "Not found."]),
    ],
)
async def test_an_error_is_told_in_the_language_of_the_handshake(
    hotel: Hotel, language: str, sentences: list[str]
) -> None:
    headers = {"Authorization": hotel.attendant.headers["Authorization"], "Accept-Language": language}
    async with at_socket(hotel.url, additional_headers=headers) as ear:
        for event in ("x", "resume", "conversation:join"):
            await ear.say(event, {})
        assert [(await ear.hear("error"))["data"]["detail"] for _ in sentences] == sentences


ODD = (
    *("", "null", "[]", "3", "{", '{"event":3}', '{"event":null}', '{"data":{}}', "[" * 20_000, '{"a":' * 5_000),
    *('{"event":"\\u0000"}', '{"event":"\\ud800"}', '{"event":"ping\x00"}', '{"event":"' + "é" * 9_000 + '"}'),
    *(b"", b'{"event":"ping"}', b"\xff\x00\xfe", '{"event":"ready"}', '{"event":"__class__"}'),
)


async def test_frames_that_make_no_sense_are_errors_and_never_the_end(hotel: Hotel) -> None:
    async with listening(hotel.attendant) as ear:
        for odd in ODD:
            await ear.socket.send(odd)
            assert (await ear.frame())["event"] == "error", odd[:40]
        for event in ("typing", "conversation:join", "conversation:leave", "resume"):
            await ear.say(event, {"conversationId": "\x00", "since": "\x00", "typing": "\x00"})
            assert (await ear.frame())["event"] == "error", event
        assert await ear.heard() == []


async def test_a_socket_that_breaks_the_protocol_harms_no_other(hotel: Hotel) -> None:
    async with listening(hotel.attendant) as good:
        for raw in (b"\x81\x82\x00\x00\x00\x00\xff\xff", b"\xff" * 64, b"\x81\xff" + b"\x7f" * 12, b"\x83\x80abcd"):
            async with at_socket(hotel.url) as bad:
                bad.socket.transport.write(raw)
                assert await bad.closed(6) in {1002, 1006, 1007, 1009, 4408}
        await _still_hears(good, hotel)


async def _still_hears(ear: Ear, hotel: Hotel) -> None:
    message = await Guest(hotel, unique_phone()).writes("ainda aqui")
    await heard_by(ear, "message:new", message["id"])
