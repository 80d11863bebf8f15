"""What messages do to their conversation: it is opened, and its list shows the newest of them."""

from datetime import datetime
from uuid import UUID

from crm import contacts
from crm.conversations.entries import Entry, noted
from crm.conversations.shapes import (
    ConversationOut,
    ConversationRow,
    Latest,
    PlaceRow,
    ShutRow,
    SnoozedRow,
    TouchedRow,
    shown,
)
from crm.core import sql
from crm.core.errors import NotFound
from crm.core.feed import Event
from crm.core.tx import Tx

_sql, _states = sql.load("conversations"), sql.load("states")
_BATCH = 200  # conversations brought back in one transaction
_TALKS = 100  # conversations told of


async def opened(
    tx: Tx, pairs: list[tuple[UUID, UUID]], by: UUID | None = None
) -> tuple[dict[tuple[UUID, UUID], UUID], list[Event]]:
    """The open conversation of each (contact, channel): opened again where it was closed lately, or made.

    And what is to be told of those opened again, `by` a person or by what came in.
    """
    places = await _open(tx, _sql.open_of, pairs)
    again = await _open(tx, _sql.open_again, _missing(pairs, places))
    places |= again
    places |= await _open(tx, _sql.open_new, _missing(pairs, places))
    return places, await noted(tx, sorted(again.values()), Entry("reopened"), by)


def _missing(pairs: list[tuple[UUID, UUID]], places: dict[tuple[UUID, UUID], UUID]) -> list[tuple[UUID, UUID]]:
    return sorted({pair for pair in pairs if pair not in places})


async def kept(tx: Tx, pairs: list[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], UUID]:
    """Where messages of blocked contacts are kept: in the newest conversation there is, else in one put away.

    The caller holds the tenant's door.
    """
    found = await _open(tx, _sql.newest_of, pairs)
    return found | await _open(tx, _sql.put_away, _missing(pairs, found))


async def bring_back(tx: Tx, conversations: list[UUID]) -> list[Event]:
    """Something goes out in these: closed ones are open again, where their pair has no other that is."""
    if not conversations:
        return []
    rows = await tx.many(_sql.bring_back, ShutRow, ids=conversations)
    return await noted(tx, [row.id for row in rows], Entry("reopened"))


async def widen(tx: Tx, latest: list[Latest]) -> None:
    """The window moves forward, and nothing else shows of these messages."""
    ids, windows = [one.conversation_id for one in latest], [one.window_expires_at for one in latest]
    if ids:
        await tx.none(_sql.widen, ids=ids, windows=windows)


async def _open(tx: Tx, query: sql.Query, pairs: list[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], UUID]:
    if not pairs:
        return {}
    contacts, channels = [contact for contact, _ in pairs], [channel for _, channel in pairs]
    rows = await tx.many(query, PlaceRow, contacts=contacts, channels=channels)
    return {(row.contact_id, row.channel_id): row.id for row in rows}


async def touch(tx: Tx, latest: list[Latest]) -> tuple[dict[UUID, ConversationOut], list[Event]]:
    """Note the newest message of each conversation (an older one never replaces a newer), and show them.

    And what is to be told of those that a customer's message brought back.
    """
    if not latest:
        return {}, []
    rows = await tx.many(
        _sql.touch,
        TouchedRow,
        ids=[item.conversation_id for item in latest],
        messages=[item.message_id for item in latest],
        directions=[item.direction for item in latest],
        types=[item.type for item in latest],
        previews=[item.preview for item in latest],
        statuses=[item.status for item in latest],
        ats=[item.at for item in latest],
        unreads=[item.unread for item in latest],
        firsts=[item.first_unread_id for item in latest],
        windows=[item.window_expires_at for item in latest],
        clicks=[item.ad_clicked_at for item in latest],
    )
    back = await noted(tx, [row.id for row in rows if row.reopened], Entry("reopened"))
    back += await noted(tx, [row.id for row in rows if row.unarchived], Entry("unarchived"))
    back += await noted(tx, [row.id for row in rows if row.unsnoozed], Entry("unsnoozed"))
    return {row.id: shown(row) for row in rows}, back


async def restate(tx: Tx, conversation: UUID, message: UUID, status: str) -> None:
    """The list shows the status of the last message: say a new one, if it is this message's."""
    await tx.none(_sql.restate, id=conversation, message=message, status=status)


async def close_windows(tx: Tx, refused: dict[UUID, datetime]) -> list[ConversationOut]:
    """Meta refused what we sent at these times as outside the window: it is closed, unless opened since."""
    if not refused:
        return []
    shut = await tx.many(_sql.close_windows, ShutRow, ids=list(refused), ats=list(refused.values()))
    return list((await shown_of(tx, [row.id for row in shut])).values())


async def snoozed_tenants(tx: Tx) -> list[SnoozedRow]:
    """Hotels with something put off whose time has come; run as the system's role."""
    return await tx.many(_states.snoozed_tenants, SnoozedRow)


async def wake(tx: Tx) -> list[Event]:
    """Bring back what was put off until now; how it stands, to be told."""
    due = await tx.many(_states.wake, ShutRow, max=_BATCH)
    back = await shown_of(tx, [row.id for row in due])
    updated = [Event("conversation:updated", key, {"conversation": item}) for key, item in back.items()]
    return updated + await noted(tx, list(back), Entry("unsnoozed"))


async def standing(tx: Tx, people: list[UUID]) -> list[Event]:
    """How the newest conversations with these contacts stand now: a person has few, and a page shows the newest."""
    rows = await tx.many(_sql.talks, ShutRow, contacts=people, max=_TALKS) if people else []
    stand = await shown_of(tx, [row.id for row in rows])
    return [Event("conversation:updated", key, {"conversation": one}) for key, one in stand.items()]


async def retold(tx: Tx, people: list[UUID]) -> list[Event]:
    """How contacts that what came in made one, or knows otherwise now, and their conversations stand."""
    return [*await contacts.told(tx, people), *await standing(tx, people)] if people else []


async def shown_of(tx: Tx, conversations: list[UUID]) -> dict[UUID, ConversationOut]:
    """These conversations as the contract shows them, as far as the caller sees them."""
    rows = await tx.many(_sql.of, ConversationRow, ids=conversations)
    return {row.id: shown(row) for row in rows}


async def found(tx: Tx, conversation: UUID) -> ConversationRow:
    """The conversation that must be there. Raises NotFound."""
    row = await tx.maybe(_sql.of, ConversationRow, ids=[conversation])
    if row is None:
        raise NotFound
    return row
