"""Sockets in several API processes, and what they hear when Redis loses words or a reader does not read."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID, uuid4

import pytest

from crm import app
from crm.core import feed, hub, metrics, rails, rooms
from crm.core.access import Who
from crm.core.feed import Event
from crm.core.rails import Rails
from crm.core.rooms import Room, Socket, text_frame
from tests.own import away
from tests.sockets import Ear, Frame, at_socket, heard_by, listening, narrow, token_of
from tests.system import PASSWORD, Guest, Hotel, System, eventually, serving, unique_phone

BIG = "x" * 60_000


@pytest.fixture(scope="module")
async def hotel(own: System) -> Hotel:
    return await own.hotel("Central")


@pytest.fixture(scope="module")
async def laid(own: System) -> AsyncIterator[Rails]:
    laid = await rails.lay(own.settings)
    yield laid
    await laid.close()


@pytest.fixture
async def guest(hotel: Hotel) -> Guest:
    """A customer who has written once."""
    guest = Guest(hotel, unique_phone())
    await guest.writes()
    return guest


async def happen(laid: Rails, hotel: Hotel, *told: Any, lost: bool = False) -> None:
    """Events of one commit; when lost, no word of them is published."""
    async with laid.db.tenant(UUID(hotel.id)) as tx:
        await laid.feed.append(tx, [Event("contact:updated", None, {"n": one}) for one in told])
        if lost:
            tx.callbacks.clear()


async def numbers(ear: Ear, count: int, seconds: float = 10.0) -> list[Any]:
    return [frame["data"]["n"] for frame in await ear.kept(count, seconds)]


async def send(guest: Guest, text: str) -> dict[str, Any]:
    url = f"/api/conversations/{(await guest.conversation())['id']}/messages"
    answer = await guest.hotel.attendant.post(url, json={"content": text})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def until(ear: Ear, done: Any, seconds: float = 15.0) -> list[Frame]:
    """Kept frames up to the one for which `done` is true."""
    frames = await ear.kept(1, seconds)
    while not done(frames):
        frames += await ear.kept(1, seconds)
    return frames


async def test_every_api_process_tells_its_sockets_the_same(hotel: Hotel, second: str, guest: Guest) -> None:
    async with listening(hotel.admin) as here, listening(hotel.attendant, second) as there:
        message = await guest.writes("a todos")
        frames = [await ear.hear("message:new") for ear in (here, there)]
        assert frames[0] == frames[1]
        assert frames[0]["data"]["message"] == message


async def test_typing_and_logout_cross_from_one_process_to_the_other(
    own: System, hotel: Hotel, second: str, guest: Guest
) -> None:
    key = (await guest.conversation())["id"]
    alice = await own.sign_in(hotel.logins["admin"], "senha-de-teste-1", hotel.slug)
    async with listening(alice) as here, listening(hotel.attendant, second) as there:
        for ear in (here, there):
            await ear.say("conversation:join", key)
            await ear.hear("conversation:joined")
        await there.say("typing", {"conversationId": key, "typing": True})
        assert (await here.hear("user:typing"))["data"]["name"] == "Bruno"
        async with listening(alice, second) as other_process:
            await alice.post("/auth/logout")
            assert await other_process.closed() == 4401


async def test_a_word_that_redis_loses_is_heard_within_three_seconds(laid: Rails, hotel: Hotel) -> None:
    async with listening(hotel.attendant) as ear:
        await happen(laid, hotel, "lost", lost=True)
        async with listening(hotel.admin) as late:  # coming in between takes it from nobody
            assert [await numbers(one, 1, 3.5) for one in (ear, late)] == [["lost"], ["lost"]]


async def test_who_heard_more_at_another_process_resumes_without_reading_all_anew(
    laid: Rails, hotel: Hotel
) -> None:
    async with listening(hotel.attendant) as ear:
        await happen(laid, hotel, "heard elsewhere", lost=True)
        await ear.say("resume", {"since": ear.ready["seq"] + 1})
        assert "resync" not in [frame["event"] for frame in await ear.heard()]


async def test_the_next_word_after_a_lost_one_brings_both_at_once(laid: Rails, hotel: Hotel) -> None:
    async with listening(hotel.attendant) as ear:
        for turn in range(5):
            await happen(laid, hotel, f"lost {turn}", lost=True)
            await happen(laid, hotel, f"told {turn}")
            assert await numbers(ear, 2, 1) == [f"lost {turn}", f"told {turn}"]


async def test_words_that_arrive_twice_or_out_of_order_are_told_once_and_in_order(
    laid: Rails, hotel: Hotel
) -> None:
    async with listening(hotel.attendant) as ear:
        for number in range(6):
            await happen(laid, hotel, number, lost=True)
        async with laid.db.tenant(UUID(hotel.id)) as tx:
            rows = await feed.since(tx, ear.ready["seq"])
        for place in (3, 1, 1, 0, 5, 4, 2, 5):
            await laid.feed.say(UUID(hotel.id), feed.Happened([rows[place]]))
        assert await numbers(ear, 6) == [0, 1, 2, 3, 4, 5]
        assert await ear.heard() == []


async def test_a_word_of_another_version_does_not_deafen_the_process(
    own: System, laid: Rails, hotel: Hotel, guest: Guest
) -> None:
    key = (await guest.conversation())["id"]
    async with (
        serving(app.build(own.settings)) as url,
        listening(hotel.admin, url) as alice,
        listening(hotel.attendant, url) as bruno,
    ):
        for ear in (alice, bruno):
            await ear.say("conversation:join", key)
            await ear.hear("conversation:joined")
        for word in (b'{"type":"of next year"}', b"no json", b"\xff\x00", b"{}"):
            await laid.redis.publish(feed.channel(UUID(hotel.id)), word)
        await bruno.say("typing", {"conversationId": key, "typing": True})
        assert (await alice.hear("user:typing"))["data"]["typing"] is True


async def test_while_redis_is_away_all_is_taken_and_every_socket_hears_it_in_order(
    own: System, hotel: Hotel, second: str, guest: Guest
) -> None:
    async with listening(hotel.admin) as here, listening(hotel.attendant, second) as there:
        with away(own.home.redis):
            for number in range(5):
                body = guest.body(guest.message(text=f"entra {number}"))
                assert (await hotel.webhook(body)).status_code == 200
                await send(guest, f"sai {number}")
            ticks = lambda frames: sum(frame["data"].get("status") == "READ" for frame in frames) == 5  # noqa: E731
            heard = [await until(ear, ticks) for ear in (here, there)]
        assert heard[0] == heard[1]
        seqs = [frame["seq"] for frame in heard[0]]
        assert seqs == list(range(here.ready["seq"] + 1, here.ready["seq"] + 1 + len(seqs)))
        texts = [item["data"]["message"]["content"] for item in heard[0] if item["event"] == "message:new"]
        assert sorted(texts) == [f"entra {n}" for n in range(5)] + [f"sai {n}" for n in range(5)]


async def test_after_redis_returns_words_travel_by_it_again(
    own: System, hotel: Hotel, second: str, guest: Guest
) -> None:
    key = (await guest.conversation())["id"]
    async with listening(hotel.admin) as alice, listening(hotel.attendant, second) as bruno:
        for ear in (alice, bruno):
            await ear.say("conversation:join", key)
            await ear.hear("conversation:joined")
        with away(own.home.redis):
            await asyncio.sleep(0.2)

        async def typing_arrives() -> bool:  # nothing but Redis carries it
            await bruno.say("typing", {"conversationId": key, "typing": True})
            return any(frame["event"] == "user:typing" for frame in await alice.heard())

        await eventually(typing_arrives)


async def test_events_of_the_moment_in_which_redis_restarts_are_not_lost(
    own: System, laid: Rails, hotel: Hotel
) -> None:
    async with listening(hotel.attendant) as ear:
        for turn in range(3):
            with away(own.home.redis):
                await happen(laid, hotel, f"away {turn}")
            await happen(laid, hotel, f"back {turn}")
        expected = [f"{when} {turn}" for turn in range(3) for when in ("away", "back")]
        assert await numbers(ear, 6) == expected


async def test_a_person_may_come_in_and_join_while_redis_is_away(
    own: System, laid: Rails, hotel: Hotel, guest: Guest
) -> None:
    with away(own.home.redis):
        async with listening(hotel.admin) as ear:
            await ear.say("conversation:join", (await guest.conversation())["id"])
            await ear.hear("conversation:joined")
            await happen(laid, hotel, "quiet")
            assert await numbers(ear, 1, 4) == ["quiet"]


async def test_who_listens_at_a_process_that_is_cut_off_is_told_to_come_back(
    own: System, hotel: Hotel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "DEAF_SECONDS", 0.5)
    async with listening(hotel.admin) as ear:
        with away(own.home.postgres):
            assert await ear.closed(8) == 1012


async def test_who_lost_the_right_while_redis_was_away_is_closed_when_it_returns(own: System) -> None:
    hotel, other = await own.hotel("Cais"), await own.hotel("Doca")
    eva = {"name": "Eva", "email": f"eva@{hotel.slug}.example", "role": "ATTENDANT", "password": PASSWORD}
    id_ = (await hotel.admin.post("/api/users", json=eva)).json()["user"]["id"]
    evas = await own.sign_in(eva["email"], PASSWORD, hotel.slug)
    visit = at_socket(own.url, token_of(own.root), additional_headers={"X-Tenant-Slug": hotel.slug})
    async with listening(hotel.admin) as alice, visit as root, AsyncExitStack() as stack:
        await root.hear("ready")
        lost = [await stack.enter_async_context(listening(one)) for one in (hotel.attendant, evas, other.admin)]
        with away(own.home.redis):
            assert (await hotel.attendant.post("/auth/logout")).status_code == 204
            assert (await hotel.admin.patch(f"/api/users/{id_}", json={"active": False})).status_code == 200
            assert (await own.root.post(f"/api/tenants/{other.id}/suspend")).status_code == 200
        assert [await one.closed() for one in lost] == [4401] * 3
        for one in (alice, root):
            await one.say("ping", {})
            await one.hear("pong")


@pytest.mark.parametrize("what", ["visibility", "department", "role"])
async def test_who_sees_other_conversations_since_redis_was_away_comes_back(own: System, what: str) -> None:
    hotel = await own.hotel("Biombo")
    role = "TENANT_ADMIN" if what == "role" else "ATTENDANT"
    eva = {"name": "Eva", "email": f"eva@{hotel.slug}.example", "role": role, "password": "eva-of-the-night"}
    ids = [(await hotel.attendant.get("/auth/me")).json()["user"]["id"]]
    ids.append((await hotel.admin.post("/api/users", json=eva)).json()["user"]["id"])
    desk = await hotel.admin.post("/api/departments", json={"name": "Recepção", "memberIds": ids})
    policy = "all" if what == "visibility" else "own_unassigned_and_department"
    await hotel.admin.patch("/api/tenant", json={"settings": {"visibility": policy}})
    change: dict[str, tuple[str, Any]] = {
        "visibility": ("/api/tenant", {"settings": {"visibility": "own_and_unassigned"}}),
        "department": (f"/api/departments/{desk.json()['id']}", {"memberIds": ids[:1]}),
        "role": (f"/api/users/{ids[1]}", {"role": "ATTENDANT"}),
    }
    client = await own.sign_in(eva["email"], eva["password"], hotel.slug)
    async with listening(hotel.admin) as alice, listening(hotel.attendant) as bruno, listening(client) as ear:
        with away(own.home.redis):
            path, body = change[what]
            assert (await hotel.admin.patch(path, json=body)).status_code == 200
        assert await ear.closed(30) == 1012
        for other in [alice] if what == "visibility" else [alice, bruno]:
            await other.say("ping", {})
            await other.hear("pong", 30)


async def test_a_burst_in_one_commit_drops_nobody_who_reads(laid: Rails, hotel: Hotel) -> None:
    async with listening(hotel.admin) as a, listening(hotel.attendant) as b:
        await happen(laid, hotel, *range(700))
        assert [await numbers(ear, 700) for ear in (a, b)] == [list(range(700))] * 2


async def test_a_burst_of_more_than_waits_for_one_drops_nobody_who_reads(laid: Rails, hotel: Hotel) -> None:
    async with narrow(hotel.admin) as ear:
        large = [f"{number} {BIG[:9000]}" for number in range(1500)]
        await happen(laid, hotel, *large)
        assert await numbers(ear, len(large), 20) == large


async def test_what_waited_for_a_reader_comes_in_order_before_what_came_later(laid: Rails, hotel: Hotel) -> None:
    async with narrow(hotel.admin) as ear:
        ear.socket.transport.pause_reading()
        told = [BIG if number < 10 else f"later {number}" for number in range(40)]
        for one in told:
            await happen(laid, hotel, one)
        ear.socket.transport.resume_reading()
        assert await numbers(ear, len(told)) == told
        await happen(laid, hotel, "last")
        assert await numbers(ear, 1) == ["last"]


def dropped() -> float:
    """Slow readers dropped by this process."""
    return metrics.registry.get_sample_value("crm_sockets_dropped_total", {"code": "1013"}) or 0.0


async def _dropped_since(before: float) -> bool:
    return dropped() > before


async def test_who_does_not_read_is_dropped_and_nobody_waits_for_them(
    laid: Rails, hotel: Hotel, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with narrow(hotel.admin) as stuck, listening(hotel.attendant) as reads:
        before = dropped()
        stuck.socket.transport.pause_reading()
        for _ in range(100):
            await happen(laid, hotel, BIG)
            assert await numbers(reads, 1, 1) == [BIG]
        monkeypatch.setattr(rooms, "STUCK_SECONDS", 1.0)  # five, looked for every two
        await eventually(lambda: _dropped_since(before))
        stuck.socket.transport.resume_reading()
        assert await stuck.closed(10) in {1006, 1013}
        await happen(laid, hotel, "on")
        assert await numbers(reads, 1) == ["on"]
    errors = [line for line in caplog.records if line.levelno >= logging.ERROR]
    assert [line.getMessage() for line in errors if line.name in {hub.__name__, "asyncio", "uvicorn.error"}] == []


async def test_who_reads_too_slowly_for_long_is_told_to_come_back() -> None:
    """However steadily: what waits for one socket is bounded."""

    sent = list[dict[str, Any]]()

    async def send(message: dict[str, Any]) -> None:
        await asyncio.sleep(0.1)
        sent.append(message)

    slow = Socket(send, Who(uuid4(), "ATTENDANT", uuid4(), uuid4(), uuid4(), 0), uuid4(), "Slow")
    for _ in range(300):
        for _ in range(20):
            slow.push(text_frame("x"))
        await asyncio.sleep(0.01)
        if slow.closing:
            break
    assert slow.closing == 1013
    await slow.closed(5)
    assert (sent[-1]["type"], sent[-1]["code"]) == ("websocket.close", 1013)


async def test_a_replay_waits_for_its_reader_and_ends_where_the_room_stands(laid: Rails, hotel: Hotel) -> None:
    writes, reads, told, own_hub = asyncio.Event(), asyncio.Event(), list[Any](), hub.Hub(laid)

    async def send(frame: dict[str, Any]) -> None:
        writes.set()
        await reads.wait()
        told.append(frame)

    socket = Socket(send, Who(uuid4(), "ATTENDANT", uuid4(), uuid4(), uuid4(), 0), UUID(hotel.id), "Bruno")
    socket.departments = []
    await happen(laid, hotel, *range(600), lost=True)
    async with laid.db.tenant(UUID(hotel.id)) as tx:
        await laid.feed.append(tx, [Event("conversation:updated", uuid4(), {})])  # of one that nobody can place
    room = await own_hub.enter(socket)
    room.let_hear(socket)
    ends = socket.last
    assert ends == room.last
    await happen(laid, hotel, "between", lost=True)
    replay = asyncio.create_task(own_hub.replay(socket, room, ends - 601))
    await asyncio.wait_for(writes.wait(), 10)
    await asyncio.sleep(0.2)
    assert len(socket._frames or []) < 500  # the rest is read once these were
    await happen(laid, hotel, "later", lost=True)
    reads.set()
    assert (await replay, len(told), socket.last) == (True, 601, ends + 1)
    await own_hub.stop()


async def test_what_happens_during_a_replay_comes_by_it_alone() -> None:
    told, room, event = list[Any](), Room(uuid4()), feed.EventRow(1, "contact:updated", None, "{}")

    async def send(frame: dict[str, Any]) -> None:
        told.append(frame)

    for departments in (None, list[UUID]()):
        socket = Socket(send, Who(uuid4(), "ATTENDANT", uuid4(), uuid4(), uuid4(), 0), room.tenant, "Bruno")
        socket.departments, socket.replaying = departments, True
        room.sockets.add(socket)
        room.let_hear(socket)
    room.last = 0
    assert room.tell([event])
    room.let_in([event], {})
    assert told == []
    typing = feed.Passing("user:typing", uuid4(), {})  # in a conversation that nobody can place
    for socket in room.sockets:
        socket.replaying = False
        socket.joined.add(typing.conversation_id)
    for _ in range(2):  # what waited may have been told by the replay meanwhile
        room.let_in([event, typing], {})
    assert len(told) == 1


async def test_who_was_dropped_comes_back_and_resumes(laid: Rails, hotel: Hotel, guest: Guest) -> None:
    async with listening(hotel.attendant) as ear:
        since = ear.ready["seq"]
    message = await guest.writes("enquanto fora")
    async with listening(hotel.attendant) as ear:
        await ear.say("resume", {"since": since})
        frame = await heard_by(ear, "message:new", message["id"])
        assert json.dumps(frame["data"]["message"]) == json.dumps(message)


async def test_a_fault_in_one_word_ends_no_listening(
    own: System, laid: Rails, hotel: Hotel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "WATCH_SECONDS", 60)  # the watch would see what was missed
    right = Room.tell

    def fault(room: Room, events: list[feed.EventRow]) -> bool:
        monkeypatch.setattr(Room, "tell", right)
        raise RuntimeError("a fault of one word")

    async with serving(app.build(own.settings)) as url, listening(hotel.attendant, url) as ear:
        monkeypatch.setattr(Room, "tell", fault)
        for word in ("one", "two"):
            await happen(laid, hotel, word)
        assert await numbers(ear, 2) == ["one", "two"]
