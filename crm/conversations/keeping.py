"""What messages do to their conversation: it is opened, and its list shows the newest of them."""

from datetime import datetime
from uuid import UUID

from crm.conversations.shapes import ConversationOut, ConversationRow, Latest, PlaceRow, ShutRow, shown
from crm.core import sql
from crm.core.db import Tx
from crm.core.errors import NotFound

_sql = sql.load("conversations")


async def opened(tx: Tx, pairs: list[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], UUID]:
    """The open conversation of each (contact, channel), made where there is none."""
    found = await _open(tx, _sql.open_of, pairs)
    missing = [pair for pair in pairs if pair not in found]
    if missing:
        found |= await _open(tx, _sql.open_new, sorted(set(missing)))
    return found


async def _open(tx: Tx, query: sql.Query, pairs: list[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], UUID]:
    contacts, channels = [contact for contact, _ in pairs], [channel for _, channel in pairs]
    rows = await tx.many(query, PlaceRow, contacts=contacts, channels=channels)
    return {(row.contact_id, row.channel_id): row.id for row in rows}


async def touch(tx: Tx, latest: list[Latest]) -> dict[UUID, ConversationOut]:
    """Note the newest message of each conversation (an older one never replaces a newer), and show them."""
    rows = await tx.many(
        _sql.touch,
        ConversationRow,
        ids=[item.conversation_id for item in latest],
        messages=[item.message_id for item in latest],
        directions=[item.direction for item in latest],
        types=[item.type for item in latest],
        previews=[item.preview for item in latest],
        statuses=[item.status for item in latest],
        ats=[item.at for item in latest],
        unreads=[item.unread for item in latest],
        windows=[item.window_expires_at for item in latest],
        clicks=[item.ad_clicked_at for item in latest],
    )
    return {row.id: shown(row) for row in rows}


async def restate(tx: Tx, conversation: UUID, message: UUID, status: str) -> None:
    """The list shows the status of the last message: say a new one, if it is this message's."""
    await tx.none(_sql.restate, id=conversation, message=message, status=status)


async def close_windows(tx: Tx, refused: dict[UUID, datetime]) -> list[ConversationOut]:
    """Meta refused what we sent at these times as outside the window: it is closed, unless opened since."""
    if not refused:
        return []
    ids = await tx.many(_sql.close_windows, ShutRow, ids=list(refused), ats=list(refused.values()))
    return [shown(await found(tx, row.id)) for row in ids]


async def found(tx: Tx, conversation: UUID) -> ConversationRow:
    """The conversation that must be there. Raises NotFound."""
    row = await tx.maybe(_sql.get, ConversationRow, id=conversation)
    if row is None:
        raise NotFound
    return row
