"""Meta's ticks: in any order, early, twice or unknown, a message's status only rises."""

import asyncio
import itertools
import json
from typing import Any

import pytest

from tests.meta import accepted, becomes, now, script, send, status, told
from tests.people import Sql
from tests.system import Guest, Hotel, System, eventually, unique_phone

ORDERS = [
    (["delivered", "sent"], "DELIVERED"),
    (["read"], "READ"),
    (["read", "delivered", "sent"], "READ"),
    (["sent", "delivered", "delivered", "read", "read"], "READ"),
    (["played", "read", "delivered"], "PLAYED"),
    (["delivered", "failed"], "DELIVERED"),
    (["read", "failed"], "READ"),
]
TERMINAL = [(["failed"], "FAILED"), (["sent", "failed"], "FAILED"), (["failed", "delivered", "read"], "FAILED")]
RANK = ["SENT", "FAILED", "DELIVERED", "READ", "PLAYED"]
REASON = {"code": 131047, "title": "Re-engagement message", "error_data": {"details": "24 hours"}}


@pytest.fixture(scope="module")
async def quiet(system: System) -> Hotel:
    """A hotel whose messages are accepted, and of which Meta tells nothing by itself."""
    hotel = await system.hotel("Quieta")
    await script(system, hotel, times=None, status=False)
    return hotel


@pytest.fixture
async def dora(quiet: Hotel) -> Guest:
    guest = Guest(quiet, unique_phone())
    await guest.writes()
    return guest


@pytest.fixture
async def sent(quiet: Hotel, dora: Guest) -> dict[str, Any]:
    """A message that Meta has accepted."""
    return await becomes(quiet, await send(quiet, await dora.conversation()), "SENT")


def _nodes(message: dict[str, Any], names: list[str]) -> list[dict[str, Any]]:
    error = {"failed": {"errors": [REASON]}}
    return [status(message["wamid"], name, **error.get(name, {})) for name in names]


@pytest.mark.parametrize(("names", "ends"), ORDERS + TERMINAL)
async def test_a_status_never_goes_back(
    names: list[str], ends: str, quiet: Hotel, sent: dict[str, Any], as_owner: Sql
) -> None:
    seen = [sent["status"]]
    for node in _nodes(sent, names):
        await told(quiet, as_owner, quiet.envelope(statuses=[node]))
        seen.append((await now(quiet, sent))["status"])
    assert seen[-1] == ends
    assert all(RANK.index(later) >= RANK.index(earlier) for earlier, later in itertools.pairwise(seen))


@pytest.mark.parametrize(("names", "ends"), ORDERS)
async def test_statuses_in_one_post_end_the_same_in_any_order(
    names: list[str], ends: str, quiet: Hotel, sent: dict[str, Any], as_owner: Sql
) -> None:
    await told(quiet, as_owner, quiet.envelope(statuses=_nodes(sent, names)))
    assert (await now(quiet, sent))["status"] == ends


async def test_each_tick_keeps_its_own_time(quiet: Hotel, sent: dict[str, Any], as_owner: Sql) -> None:
    times = {"read": "1795471300", "delivered": "1795471200"}
    for name, at in times.items():
        await told(quiet, as_owner, quiet.envelope(statuses=[status(sent["wamid"], name, timestamp=at)]))
    message = await now(quiet, sent)
    assert message["readAt"] == "2026-11-23T22:01:40.000Z"
    assert message["deliveredAt"] == "2026-11-23T22:00:00.000Z"


async def test_a_failure_tells_its_code_and_what_helps(
    quiet: Hotel, dora: Guest, sent: dict[str, Any], as_owner: Sql
) -> None:
    await told(quiet, as_owner, quiet.envelope(statuses=_nodes(sent, ["failed"])))
    message = await now(quiet, sent)
    action = {"code": 131047, "title": "Re-engagement message", "detail": "24 hours", "action": "send_template"}
    assert message["error"] == action
    assert message["failedAt"]
    assert (await dora.conversation())["lastMessage"]["status"] == "FAILED"


async def test_what_meta_told_of_a_try_that_failed_is_not_shown_of_the_next(
    quiet: Hotel, sent: dict[str, Any], as_owner: Sql
) -> None:
    failure, *ticks = _nodes(sent, ["failed", "delivered", "read"])
    failure["errors"] = [{"code": 131026, "title": "Undeliverable"}]
    ticks[0]["pricing"] = {"billable": True, "category": "service", "type": "regular", "pricing_model": "PMP"}
    for node in (failure, *ticks):  # together they would be a read one
        await told(quiet, as_owner, quiet.envelope(statuses=[node]))
    door = f"/api/messages/{sent['id']}"
    first = (await quiet.attendant.get(door)).json()
    assert None not in [first["pricing"], first["message"]["deliveredAt"], first["message"]["readAt"]]
    again = (await quiet.attendant.post(f"{door}/retry")).json()
    assert [again[name] for name in ("sentAt", "deliveredAt", "readAt", "failedAt", "error")] == [None] * 5
    second = await becomes(quiet, again, "SENT")
    assert (second["deliveredAt"], second["readAt"]) == (None, None)
    assert (await quiet.attendant.get(door)).json()["pricing"] is None


async def test_statuses_that_overtake_our_own_answer_are_parked_and_applied(system: System, as_owner: Sql) -> None:
    hotel = await system.hotel("Tarda")
    guest = Guest(hotel, unique_phone())
    await guest.writes()
    await script(system, hotel, delayMs=1500, status=False)
    message = await send(hotel, await guest.conversation())
    [taken] = await eventually(lambda: accepted(system, hotel))
    statuses = [status(taken["wamid"], name) for name in ("delivered", "sent")]
    await told(hotel, as_owner, hotel.envelope(statuses=statuses))
    parked = "SELECT status FROM parked_statuses WHERE tenant_id = $1"
    assert {row["status"] for row in await as_owner(parked, hotel.id)} == {"DELIVERED", "SENT"}
    assert (await now(hotel, message))["status"] == "SENDING"
    assert (await becomes(hotel, message, "DELIVERED"))["deliveredAt"]
    assert await as_owner(parked, hotel.id) == []


async def test_a_status_finds_our_message_by_the_id_we_gave_it(system: System, as_owner: Sql) -> None:
    hotel = await system.hotel("Tarda")
    guest = Guest(hotel, unique_phone())
    await guest.writes()
    await script(system, hotel, delayMs=1000, status=False)
    message = await send(hotel, await guest.conversation())
    [taken] = await eventually(lambda: accepted(system, hotel))
    echoed = status(taken["wamid"], "read", biz_opaque_callback_data=message["id"])
    await told(hotel, as_owner, hotel.envelope(statuses=[echoed]))
    assert ((await now(hotel, message))["status"], (await now(hotel, message))["wamid"]) == ("READ", taken["wamid"])
    await asyncio.sleep(1.2)
    settled = await now(hotel, message)
    assert (settled["status"], bool(settled["sentAt"])) == ("READ", True)


async def test_the_id_of_another_hotels_message_moves_nothing(
    hotel_b: Hotel, quiet: Hotel, sent: dict[str, Any], as_owner: Sql
) -> None:
    forged = status("wamid.of.nobody", "failed", biz_opaque_callback_data=sent["id"])
    known = status(sent["wamid"], "failed")
    row = await told(hotel_b, as_owner, hotel_b.envelope(statuses=[forged, known]))
    assert row["ignored"] == 0
    assert (await now(quiet, sent))["status"] == "SENT"


async def test_a_status_about_a_guests_own_message_changes_nothing(
    quiet: Hotel, dora: Guest, as_owner: Sql
) -> None:
    [inbound] = await dora.history()
    nodes = [status(inbound["wamid"], "failed", biz_opaque_callback_data=inbound["id"])]
    await told(quiet, as_owner, quiet.envelope(statuses=nodes))
    assert await dora.history() == [inbound]


async def test_an_unknown_status_or_time_is_kept_and_harms_no_neighbour(
    quiet: Hotel, sent: dict[str, Any], as_owner: Sql
) -> None:
    odd = [
        status(sent["wamid"], "teleported"),
        status(sent["wamid"], "delivered", timestamp="ontem", errors="none"),
        {"status": "read"},
        status(sent["wamid"], "read", biz_opaque_callback_data={"not": "text"}),
    ]
    await told(quiet, as_owner, quiet.envelope(statuses=odd))
    assert (await now(quiet, sent))["status"] == "READ"
    buried = "SELECT item FROM dead_letters WHERE tenant_id = $1 AND kind = 'inbound.status'"
    assert [json.loads(row["item"])["node"] for row in await as_owner(buried, quiet.id)] == [{"status": "read"}]
