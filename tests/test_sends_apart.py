"""What ends one send changes nothing else: no other conversation of its hotel, and not what came after it."""

from typing import Any

import pytest

from tests.meta import becomes, now, script, send, status
from tests.people import Sql
from tests.system import Guest, System, eventually, unique_phone

pytestmark = pytest.mark.usefixtures("brisk")

QUIET = "SELECT id, status, error FROM messages WHERE tenant_id = $1 AND id <> ALL($2::uuid[]) ORDER BY id"
SHOWN = """SELECT last_message_id, last_message_status FROM conversations
           WHERE tenant_id = $1 AND id <> $2 ORDER BY id"""
DUE = "UPDATE messages SET next_attempt_at = now() - INTERVAL '1 second' WHERE id = $1"
ENDED = "UPDATE messages SET status = 'SENDING', lease_until = now(), wamid = NULL WHERE id = $1"


@pytest.fixture
async def dora(system: System) -> Guest:
    """A guest of a hotel where others have been answered: one who read it, one whose answer failed."""
    hotel = await system.hotel("Cheia")
    for name, ends in (("Rita", "READ"), ("Olga", "FAILED")):
        other = Guest(hotel, unique_phone(), name)
        await other.writes()
        if ends == "FAILED":
            await script(system, hotel, error={"status": 400, "code": 131026})
        await becomes(hotel, await send(hotel, await other.conversation()), ends)
    guest = Guest(hotel, unique_phone(), "Dora")
    await guest.writes()
    return guest


async def _others(as_owner: Sql, guest: Guest, *ends: dict[str, Any]) -> tuple[Any, Any]:
    """All other messages of the hotel, and what its other conversations show of their last ones."""
    mine = (await guest.conversation())["id"]
    quiet = await as_owner(QUIET, guest.hotel.id, [message["id"] for message in ends])
    return quiet, await as_owner(SHOWN, guest.hotel.id, mine)


@pytest.mark.parametrize("end", ["FAILED", "UNCERTAIN", "expired", "offered"])
async def test_the_end_of_a_try_is_told_of_its_own_message_alone(
    end: str, dora: Guest, system: System, as_owner: Sql
) -> None:
    if end == "FAILED":
        await script(system, dora.hotel, error={"status": 400, "code": 131026})
    elif end in ("UNCERTAIN", "offered"):
        await script(system, dora.hotel, cut="after", status=False)
    before = await _others(as_owner, dora)
    message = await send(dora.hotel, await dora.conversation())
    if end == "expired":
        await becomes(dora.hotel, message, "READ")
        await as_owner(ENDED, message["id"])
    state = "FAILED" if end == "FAILED" else "UNCERTAIN"
    await becomes(dora.hotel, message, state)
    assert (await dora.conversation())["lastMessage"]["status"] == state
    if end == "offered":
        await as_owner(DUE, message["id"])
        await eventually(lambda: _offered(dora, message))
    assert await _others(as_owner, dora, message) == before


async def _offered(guest: Guest, message: dict[str, Any]) -> bool:
    return bool((await now(guest.hotel, message))["error"]["action"] == "send_again_or_arrived")


async def test_a_try_that_ends_behind_the_guests_next_words_is_not_theirs(dora: Guest, system: System) -> None:
    await script(system, dora.hotel, error={"status": 400, "code": 131026}, delayMs=600)
    message = await send(dora.hotel, await dora.conversation())
    await dora.writes("Ainda aí?")
    await becomes(dora.hotel, message, "FAILED")
    assert (await dora.conversation())["lastMessage"]["status"] == "RECEIVED"


async def test_who_wants_no_marketing_is_who_was_written_to(dora: Guest, system: System, as_owner: Sql) -> None:
    sent = await becomes(dora.hotel, await send(dora.hotel, await dora.conversation()), "READ")
    await as_owner("UPDATE messages SET status = 'SENT' WHERE id = $1", sent["id"])
    failed = status(sent["wamid"], "failed", errors=[{"code": 131050, "title": "opted out"}])
    await dora.hotel.webhook(dora.hotel.envelope(statuses=[failed]))
    query = "SELECT id FROM contacts WHERE tenant_id = $1 AND marketing_opt_out"
    [found] = await eventually(lambda: as_owner(query, dora.hotel.id))
    assert str(found["id"]) == (await dora.conversation())["contact"]["id"]
