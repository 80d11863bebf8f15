"""What no sane Meta sends: it must harm neither its neighbours in the POST nor anybody who comes after it."""

import asyncio
import random
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.meta import raw, status
from tests.people import Sql
from tests.system import Guest, System, eventually, unique_phone

LONG = random.Random(7).randbytes(6000).hex()  # beyond what an index holds, and no compression helps
Node = dict[str, Any]
MESSAGES: dict[str, Callable[[Node], Node]] = {
    "an id longer than an index holds": lambda node: {**node, "id": f"wamid.{LONG}"},
    "a sender longer than an index holds": lambda node: {**node, "from": LONG},
    "an integer of 40 digits": lambda node: {**node, "type": "order", "order": {"price": 10**40}},
    "no id": lambda node: {**node, "id": None},
    "no sender": lambda node: {**node, "from": {"phone": "55"}},
    "an order that is a list of lists": lambda node: {**node, "type": "order", "order": [[["x"]]]},
    "a type that is a list": lambda node: {**node, "type": ["text"]},
    "a type longer than any": lambda node: {**node, "type": LONG},
    "a time beyond all time": lambda node: {**node, "timestamp": "9" * 5000},
    "a time before all time": lambda node: {**node, "timestamp": -(10**11)},
    "a context that is a list": lambda node: {**node, "context": [{"id": "x"}]},
    "an infinite number": lambda node: {**node, "type": "location", "location": {"latitude": float("inf")}},
    "a group that is nothing": lambda node: {**node, "group_id": None},
}
STATUSES: dict[str, Node] = {
    "a status that is a list": status("wamid.x", "read") | {"status": ["read"]},
    "a status that is an object": status("wamid.x", "read") | {"status": {"name": "read"}},
    "a status that is nothing": status("wamid.x", "read") | {"status": None},
    "an id longer than an index holds": status(LONG, "read"),
    "an id that is an object": status("x", "read") | {"id": {}},
    "an error of 40 digits": status("wamid.y", "failed", errors=[{"code": 10**40}]),
    "errors that are texts": status("wamid.z", "failed", errors=["bad"]),
}


async def _survives(guest: Guest, as_owner: Sql, body: bytes, wamid: str) -> None:
    """The body is stored and worked, the good message in it is shown, and so is the next guest's."""
    try:
        answer = await guest.hotel.webhook(body)
        assert answer.status_code == 200, answer.text
        await eventually(lambda: guest.seen(wamid), 12)
        after = guest.message(text="depois")
        assert (await guest.hotel.webhook(guest.body(after))).status_code == 200
        await eventually(lambda: guest.seen(after["id"]), 12)
    finally:  # one that is never worked would hold up the rest of the suite too
        await asyncio.sleep(0.05)
        await as_owner("DELETE FROM webhook_events WHERE body = $1", body)


async def test_the_name_of_a_dead_letter_says_nothing_of_a_message_without_id(system: System) -> None:
    """It is logged, and listed: the words and the number stand in the letter alone."""
    guest = Guest(await system.hotel("Letras"), unique_phone())
    node = {**guest.message(text="Sou alérgica a nozes"), "id": None}
    assert (await guest.hotel.webhook(guest.body(node))).status_code == 200

    async def buried() -> list[Node]:
        return list((await guest.hotel.admin.get("/api/dead-letters?limit=100")).json()["data"])

    [letter] = await eventually(buried)
    assert re.fullmatch("[0-9a-f]{64}", letter["about"])


@pytest.mark.parametrize("kind", MESSAGES)
async def test_an_absurd_message_harms_only_itself(kind: str, guest: Guest, as_owner: Sql) -> None:
    good = guest.message(text="bom")
    body = raw(guest.body(MESSAGES[kind](guest.message()), good))
    await _survives(guest, as_owner, body, good["id"])


@pytest.mark.parametrize("kind", STATUSES)
async def test_an_absurd_status_harms_only_itself(kind: str, guest: Guest, as_owner: Sql) -> None:
    good = guest.message(text="bom")
    body = guest.body(good)
    body["entry"].append(guest.hotel.envelope(statuses=[STATUSES[kind]])["entry"][0])
    await _survives(guest, as_owner, raw(body), good["id"])


@pytest.mark.parametrize("depth", [100, 300, 900])
@pytest.mark.parametrize("leaf", ['"x"', r'"\u0000"', r'"\ud800"'])
async def test_a_deep_nest_is_kept_or_refused_and_never_a_fault(
    depth: int, leaf: str, guest: Guest, as_owner: Sql
) -> None:
    good = guest.message(text="bom")
    nest = '{"a":' * depth + leaf + "}" * depth
    odd = guest.message({"type": "order", "order": "NEST"})
    body = raw(guest.body(odd, good)).replace(b'"NEST"', nest.encode())
    answer = await guest.hotel.webhook(body)
    assert answer.status_code in (200, 400)
    if answer.status_code == 200:
        await _survives(guest, as_owner, body, good["id"])
