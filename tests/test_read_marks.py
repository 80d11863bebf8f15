"""Blue ticks and typing: what customers see of an attendant, and when they see nothing."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from crm import read_marks
from crm.core import rails
from crm.core.config import Settings
from tests.meta import becomes, send
from tests.people import Sql
from tests.sockets import listening
from tests.system import Guest, Hotel, System, calling, eventually, unique_phone


@pytest.fixture(scope="module")
async def hotel(system: System) -> Hotel:
    """A hotel of this module."""
    return await system.hotel("Lida")


@pytest.fixture
async def dora(hotel: Hotel) -> Guest:
    """A guest who has just written."""
    guest = Guest(hotel, unique_phone())
    await guest.writes()
    return guest


async def _reads(system: System, *wamids: str) -> list[tuple[str, bool]]:
    """The marks that Meta took of these messages: which, and whether somebody types."""
    async with calling() as client:
        taken = (await client.get(f"{system.graph_url}/_fake/reads")).json()
    return [(mark["wamid"], mark["typing"]) for mark in taken if mark["wamid"] in wamids]


async def _read(guest: Guest) -> None:
    """Bruno opens the conversation."""
    url = f"/api/conversations/{(await guest.conversation())['id']}/read"
    assert (await guest.hotel.attendant.post(url)).status_code == 200


async def _types(guest: Guest, times: int = 1, typing: bool = True) -> None:
    """Bruno types in it."""
    conversation = (await guest.conversation())["id"]
    async with listening(guest.hotel.attendant) as bruno:
        await bruno.say("conversation:join", conversation)
        await bruno.hear("conversation:joined")
        for _ in range(times):
            await bruno.say("typing", {"conversationId": conversation, "typing": typing})
        await bruno.heard()


async def _after_others(guest: Guest, system: System) -> None:
    """Wait until the worker has done what was asked of it before: another guest's mark comes through."""
    last = Guest(guest.hotel, unique_phone())
    message = await last.writes()
    await guest.hotel.admin.patch(f"/api/channels/{guest.hotel.channel_id}", json={"sendReadReceipts": True})
    await _read(last)
    await eventually(lambda: _reads(system, message["wamid"]))


async def test_the_customer_sees_that_the_newest_message_is_read(dora: Guest, system: System) -> None:
    first, newest = (await dora.history())[0], await dora.writes("Alguém?")
    await _read(dora)
    marked = await eventually(lambda: _reads(system, first["wamid"], newest["wamid"]))
    assert marked == [(newest["wamid"], False)]


async def test_reading_again_tells_meta_nothing_new(dora: Guest, system: System) -> None:
    first = (await dora.history())[0]
    await _read(dora)
    await eventually(lambda: _reads(system, first["wamid"]))
    await becomes(dora.hotel, await send(dora.hotel, await dora.conversation()), "READ")
    await _read(dora)
    second = await dora.writes("Obrigada")
    await _read(dora)
    await eventually(lambda: _reads(system, second["wamid"]))
    assert await _reads(system, first["wamid"], second["wamid"]) == [
        (first["wamid"], False),
        (second["wamid"], False),
    ]


async def test_the_customer_sees_that_somebody_types_once_in_twenty_seconds(dora: Guest, system: System) -> None:
    message = (await dora.history())[0]
    await _types(dora, times=5)
    await eventually(lambda: _reads(system, message["wamid"]))
    await _types(dora)
    await _after_others(dora, system)
    assert await _reads(system, message["wamid"]) == [(message["wamid"], True)]


async def test_who_stops_typing_is_not_shown_to_type(dora: Guest, system: System) -> None:
    message = (await dora.history())[0]
    await _types(dora, typing=False)
    await _after_others(dora, system)
    assert await _reads(system, message["wamid"]) == []


@pytest.mark.parametrize(
    ("setting", "seen"),
    [({"sendReadReceipts": False}, []), ({"sendTyping": False}, [False]), ({}, [False, True])],
)
async def test_a_number_shows_only_what_its_hotel_wants(
    setting: dict[str, Any], seen: list[bool], system: System, settings: Settings, dora: Guest
) -> None:
    where = f"/api/channels/{dora.hotel.channel_id}"
    await dora.hotel.admin.patch(where, json={"sendReadReceipts": True, "sendTyping": True, **setting})
    message = (await dora.history())[0]
    await _mark(dora, settings)
    assert [typing for _, typing in await _reads(system, message["wamid"])] == seen
    await dora.hotel.admin.patch(where, json={"sendReadReceipts": True, "sendTyping": True})


async def _mark(guest: Guest, settings: Settings) -> None:
    """What the worker does for a reading and a typing, done here, so that a test may say it did nothing."""
    laid = await rails.lay(settings)
    place = UUID(guest.hotel.id), UUID((await guest.conversation())["id"])
    await read_marks.read(laid, *place)
    await read_marks.typing(laid, *place)
    await laid.close()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE messages SET created_at = now() - INTERVAL '31 days' WHERE tenant_id = $1 AND conversation_id = $2",
        "UPDATE messages SET origin = 'HISTORY' WHERE tenant_id = $1 AND conversation_id = $2",
        "UPDATE channels SET paused_until = 'infinity' WHERE tenant_id = $1 AND $2::uuid IS NOT NULL",
        "UPDATE channels SET access_token = NULL WHERE tenant_id = $1 AND $2::uuid IS NOT NULL",
    ],
    ids=["old", "imported", "resting", "no token"],
)
async def test_what_meta_would_not_take_is_not_told(
    change: str, system: System, settings: Settings, as_owner: Sql
) -> None:
    guest = Guest(await system.hotel("Lida"), unique_phone())
    message = await guest.writes()
    await as_owner(change, guest.hotel.id, message["conversationId"])
    await _mark(guest, settings)
    assert await _reads(system, message["wamid"]) == []


async def test_a_mark_that_meta_refuses_harms_nothing_and_is_told_again(dora: Guest, system: System) -> None:
    message = (await dora.history())[0]
    rule = {"match": {"type": "read"}, "times": 1, "action": {"error": {"status": 401, "code": 190}}}
    async with calling() as client:
        where = {"phoneNumberId": dora.hotel.number_id, "rules": [rule]}
        assert (await client.post(f"{system.graph_url}/_fake/script", json=where)).status_code == 204
    await _read(dora)
    await asyncio.sleep(0.2)
    channel = (await dora.hotel.admin.get(f"/api/channels/{dora.hotel.channel_id}")).json()
    assert (channel["paused"], await _reads(system, message["wamid"])) == (None, [])
    await _read(dora)
    await eventually(lambda: _reads(system, message["wamid"]))
    await becomes(dora.hotel, await send(dora.hotel, await dora.conversation()), "READ")
