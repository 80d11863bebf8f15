"""The worker turns rules and stays into scheduled messages: once each, moved and canceled with the stay."""

import hashlib
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from crm import channels, contacts, conversations, messages
from crm.core import sql
from crm.core.apart import apart
from crm.core.errors import Conflict, NotFound, ValidationFailed, invalid
from crm.core.feed import Event
from crm.core.rails import Rails
from crm.core.tx import Tx
from crm.messages import Send
from crm.stays import spreading
from crm.stays.shapes import ClaimedStayRow, HotelRow, PlanRow

log = logging.getLogger(__name__)
_sql = sql.load("stays")

_BATCH = 50  # stays looked at in one transaction
_FARTHEST = timedelta(days=365)  # what may be scheduled ahead
_WINDOW = timedelta(hours=23)  # a text is tried when the window may be open then
_LATER = timedelta(minutes=10)  # between two tries of what could not be scheduled


async def plan_due(rails: Rails, go_on: Callable[[], bool]) -> None:
    """Bring changed rules to their stays, and look at the stays that are due, hotel by hotel."""
    async with rails.db.system(alone=True) as tx:
        hotels = await tx.many(_sql.due_hotels, HotelRow)
    for hotel in hotels:
        with apart("stays", hotel.tenant_id):
            await _of_hotel(rails, hotel.tenant_id, go_on)


async def _of_hotel(rails: Rails, tenant: UUID, go_on: Callable[[], bool]) -> None:
    """A rule that changes while many stays are planned is spread before the next batch."""
    while go_on() and (await spreading.spread(rails, tenant) or await _plan(rails, tenant)):
        pass


async def _plan(rails: Rails, tenant: UUID) -> int:
    """Plan a batch of stays; how many. What happens to their messages is told at the end: it locks the feed."""
    async with rails.db.tenant(tenant) as tx:
        await contacts.hold(tx)
        stays = await tx.many(_sql.claim, ClaimedStayRow, max=_BATCH)
        events: list[Event] = []
        for row in await tx.many(_sql.plan, PlanRow, ids=[stay.id for stay in stays]):
            events += await _follow(rails, tx, row)
        await rails.feed.append(tx, events)
    return len(stays)


async def _follow(rails: Rails, tx: Tx, row: PlanRow) -> list[Event]:
    """Bring the message of a stay by a rule to where it should be; what is past is not made up for."""
    now, events = datetime.now(UTC), list[Event]()
    ahead = row.wanted_at is not None and row.wanted_at > now
    missing = row.message_id is None
    if ahead and not missing and (row.revised or row.words != _digest(row)):
        events = await _call_off(tx, row)
        missing = bool(events)  # what a person canceled, or what was sent, stays
    elif not missing and row.wanted_at != row.send_at:
        events = await (_move(tx, row) if ahead else _call_off(tx, row))
    if missing and ahead:
        events += await _schedule(rails, tx, row, now)
    return events


async def _schedule(rails: Rails, tx: Tx, row: PlanRow, now: datetime) -> list[Event]:
    """Now, or at the next look when it is too soon or refused."""
    assert row.wanted_at is not None
    opens = row.wanted_at - (_FARTHEST if row.template else _WINDOW)
    events = None if opens > now else await _scheduled(rails, tx, row)
    if events is None:
        again = max(opens, now + _LATER)
        await tx.none(_sql.look_again, id=row.stay_id, at=again)
    return events or []


async def _move(tx: Tx, row: PlanRow) -> list[Event]:
    assert row.message_id is not None
    assert row.wanted_at is not None
    events = await messages.move(tx, row.message_id, row.wanted_at)
    if events:
        place = {"stay": row.stay_id, "rule": row.rule_id}
        await tx.none(_sql.taken_by, **place, message=row.message_id, at=row.wanted_at)
    return events


async def _call_off(tx: Tx, row: PlanRow) -> list[Event]:
    """Nothing unless it was canceled, so that it may be planned anew."""
    assert row.message_id is not None
    events = await messages.call_off(tx, row.message_id)
    if events:
        await tx.none(_sql.drop_send, stay=row.stay_id, rule=row.rule_id)
    return events


async def _scheduled(rails: Rails, tx: Tx, row: PlanRow) -> list[Event] | None:
    """None when it cannot be: no template approved, no window open, a blocked guest are tried again later."""
    place, events = {"stay": row.stay_id, "rule": row.rule_id}, list[Event]()
    try:
        async with tx.savepoint():
            if await tx.count(_sql.take, **place, revision=row.revision, words=_digest(row), at=row.wanted_at):
                pair = (row.contact_id, await channels.only(tx, row.channel_id))
                conversation = (await conversations.kept(tx, [pair]))[pair]
                message, events = await messages.insert(rails, tx, conversation, _message(row), None)
                await tx.none(_sql.taken_by, **place, message=message.id, at=row.wanted_at)
        return events
    except (Conflict, NotFound, ValidationFailed) as refusal:
        log.info("a stay's message must wait", extra={"why": refusal.code, "ruleId": str(row.rule_id)})
        return None


def _message(row: PlanRow) -> Send:
    """The rule's message in the words of this stay. Raises ValidationFailed (they make a text too long)."""
    try:
        return msgspec.convert({**_said(row), "sendAt": row.wanted_at}, Send)
    except msgspec.ValidationError as error:
        raise invalid("/content", "não é uma mensagem com estas palavras", str(error)) from error


def _digest(row: PlanRow) -> bytes:
    """What tells whether a message still says what the stay is."""
    return hashlib.sha256(msgspec.json.encode(_said(row), order="sorted")).digest()


def _said(row: PlanRow) -> dict[str, Any]:
    words = {
        "{name}": row.name or "-",
        "{checkIn}": f"{row.check_in:%d/%m/%Y}",
        "{checkOut}": f"{row.check_out:%d/%m/%Y}",
        "{room}": row.room or "-",
        "{code}": row.code,
    }
    body = {"type": "template", "template": row.template} if row.template else {"content": row.content}
    said: dict[str, Any] = _filled(body, words)
    return said


def _filled(value: Any, words: dict[str, str]) -> Any:
    """The same with each word put in its place."""
    if isinstance(value, dict):
        return {name: _filled(part, words) for name, part in value.items()}
    if isinstance(value, list):
        return [_filled(part, words) for part in value]
    if isinstance(value, str):
        for word, said in words.items():
            value = value.replace(word, said)
    return value
