"""What comes in: customers' messages and the hotel's own from its phone, stored once."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from uuid import UUID

import msgspec

from crm import contacts, conversations
from crm.conversations import Latest
from crm.core import sql
from crm.core.feed import Event
from crm.core.tx import Tx
from crm.messages import marks
from crm.messages.shapes import WINDOW, Inbound, MessageRow, latest, told, updated

_sql = sql.load("messages")


class WamidRow(msgspec.Struct, frozen=True):
    """A wamid that is stored already, maybe as a placeholder, or (not stored) one that marks wait for."""

    wamid: str
    stored: bool
    placeholder: bool


class Arrived(msgspec.Struct, frozen=True):
    """What to tell, the conversations of blocked contacts, and who is told anew: merged, or known otherwise."""

    events: list[Event]
    quiet: set[UUID]
    changed: list[UUID]


async def receive(tx: Tx, inbound: list[Inbound]) -> list[Event]:
    """Store messages with their contacts and conversations; a replay stores and tells nothing.

    The caller holds the tenant's door (contacts.hold): what is not known here stays so until the commit.
    """
    if not inbound:
        return []
    known = await tx.many(_sql.known, WamidRow, wamids=[item.wamid for item in inbound])
    stored = {row.wamid: row.placeholder for row in known if row.stored}
    once = _once(inbound)
    fresh = {wamid: item for wamid, item in once.items() if wamid not in stored}
    filled = await _fill(tx, [item for wamid, item in once.items() if stored.get(wamid) and not item.placeholder])
    if not fresh:
        return filled
    if not all(item.person.identities for item in fresh.values()):
        raise ValueError("a message of a history that does not say whom it is with, before its placeholder")
    items = sorted(fresh.values(), key=lambda item: item.at)
    events: list[Event] = []
    quiet: set[UUID] = set()
    changed: list[UUID] = []
    for part in _parts(items):
        arrived = await _arrive(tx, part)
        events, quiet, changed = [*events, *arrived.events], quiet | arrived.quiet, [*changed, *arrived.changed]
    targets = {item.target_wamid for item in items if item.target_wamid} | {row.wamid for row in known}
    events += [event for event in await marks.settle(tx, targets) if event.conversation_id not in quiet]
    return [*filled, *events, *await conversations.retold(tx, changed)]


def _parts(items: list[Inbound]) -> Iterator[list[Inbound]]:
    """These messages, parted behind each change of a number or user id: who writes next is met as known by then."""
    part: list[Inbound] = []
    for item in items:
        part.append(item)
        if item.moved:
            yield part
            part = []
    if part:
        yield part


async def _arrive(tx: Tx, items: list[Inbound]) -> Arrived:
    """Store these, of which the last alone may say a change."""
    met = await contacts.meet(tx, [item.person for item in items])
    pairs = [(contact, item.channel_id) for contact, item in zip(met.contacts, items, strict=True)]
    places, again = await conversations.opened(tx, [pair for pair in pairs if pair[0] not in met.blocked])
    places |= await conversations.kept(tx, [pair for pair in pairs if pair[0] in met.blocked])
    rows = await _store(tx, items, [places[pair] for pair in pairs])
    quiet = {places[pair] for pair in pairs if pair[0] in met.blocked}
    events = [*again, *await _tell(tx, rows, {item.wamid: item for item in items}, quiet)]
    moved = items[-1].moved
    known_otherwise = await contacts.move(tx, met.contacts[-1], moved) if moved else []
    return Arrived(events, quiet, [*met.merged, *known_otherwise])


async def _tell(tx: Tx, rows: list[MessageRow], by: dict[str, Inbound], quiet: set[UUID]) -> list[Event]:
    """Note these messages on their conversations, and what is to be told of them.

    Of a blocked contact's (`quiet`) only the window moves, which is Meta's: an answer may follow the unblocking.
    """
    newest = _newest(rows, by)
    await conversations.widen(tx, [one for one in newest if one.conversation_id in quiet])
    shown, back = await conversations.touch(tx, [one for one in newest if one.conversation_id not in quiet])
    loud = [row for row in rows if row.conversation_id in shown and not by[row.wamid or ""].silent]
    return [*back, *(told(row, shown[row.conversation_id]) for row in loud)]


def _once(inbound: list[Inbound]) -> dict[str, Inbound]:
    """Each message once; a history's media that came together with its placeholder stands in that one's place."""
    found: dict[str, Inbound] = {}
    for item in inbound:
        other = found.get(item.wamid)
        if other is None or other.placeholder == item.placeholder:
            found[item.wamid] = item
        elif other.placeholder:
            found[item.wamid] = item.in_place_of(other)
        else:
            found[item.wamid] = other.in_place_of(item)
    return found


async def _fill(tx: Tx, items: list[Inbound]) -> list[Event]:
    """Put media in the place of their placeholders: as silent as the history they belong to."""
    if not items:
        return []
    rows = await tx.many(
        _sql.fill,
        MessageRow,
        wamids=[item.wamid for item in items],
        types=[item.type for item in items],
        contents=[item.content for item in items],
        payloads=[item.payload for item in items],
        medias=[item.media_id for item in items],
        shown=[item.media for item in items],
    )
    return [updated(row) for row in rows]


async def _store(tx: Tx, items: list[Inbound], places: list[UUID]) -> list[MessageRow]:
    return await tx.many(
        _sql.receive,
        MessageRow,
        conversations=places,
        directions=[item.direction for item in items],
        statuses=[item.status for item in items],
        wamids=[item.wamid for item in items],
        types=[item.type for item in items],
        contents=[item.content for item in items],
        payloads=[item.payload for item in items],
        ats=[item.at for item in items],
        replies=[item.reply_to_wamid for item in items],
        origins=[item.origin for item in items],
        targets=[item.target_wamid for item in items],
        medias=[item.media_id for item in items],
        shown=[item.media for item in items],
    )


def _newest(rows: list[MessageRow], told: dict[str, Inbound]) -> list[Latest]:
    """Of each conversation the newest of these messages, how many are unread, and until when we may answer."""
    groups: dict[UUID, list[tuple[MessageRow, Inbound]]] = {}
    for row in rows:
        groups.setdefault(row.conversation_id, []).append((row, told[row.wamid or ""]))
    return [_latest(group) for _, group in sorted(groups.items())]


def _latest(group: list[tuple[MessageRow, Inbound]]) -> Latest:
    newest = max((row for row, _ in group), key=lambda row: (row.created_at, row.id))
    unread = sorted((row.created_at, row.id) for row, item in group if item.unread)
    opened = _last(min(row.created_at, item.at) for row, item in group if item.opens)
    clicked = _last(row.created_at for row, item in group if item.from_ad)
    first = unread[0][1] if unread else None
    return latest(newest, len(unread), first, opened and opened + WINDOW, clicked)


def _last(times: Iterable[datetime]) -> datetime | None:
    return max(times, default=None)
