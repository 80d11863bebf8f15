"""What customers send: stored once, with contact and conversation."""

from uuid import UUID

from crm import contacts, conversations
from crm.conversations import Latest
from crm.core import sql
from crm.core.db import Tx
from crm.core.feed import Event
from crm.messages.shapes import WINDOW, Inbound, MessageRow, WamidRow, latest, told

_sql = sql.load("messages")


async def receive(tx: Tx, inbound: list[Inbound]) -> list[Event]:
    """Store customers' messages with their contacts and conversations; a replay stores and tells nothing.

    The caller holds the tenant's door (contacts.hold): what is not known here stays so until the commit.
    """
    if not inbound:
        return []
    known = {row.wamid for row in await tx.many(_sql.known, WamidRow, wamids=[item.wamid for item in inbound])}
    fresh = list({item.wamid: item for item in inbound if item.wamid not in known}.values())
    if not fresh:
        return []
    fresh.sort(key=lambda item: item.at)
    people = await contacts.seen(tx, [item.person for item in fresh])
    pairs = [(contact, item.channel_id) for contact, item in zip(people, fresh, strict=True)]
    places = await conversations.opened(tx, pairs)
    rows = await tx.many(
        _sql.receive,
        MessageRow,
        conversations=[places[pair] for pair in pairs],
        wamids=[item.wamid for item in fresh],
        types=[item.type for item in fresh],
        contents=[item.content for item in fresh],
        payloads=[item.payload for item in fresh],
        ats=[item.at for item in fresh],
        replies=[item.reply_to_wamid for item in fresh],
    )
    shown_conversations = await conversations.touch(tx, _newest(rows))
    return [told(row, shown_conversations[row.conversation_id]) for row in rows]


def _newest(rows: list[MessageRow]) -> list[Latest]:
    """Of each conversation the newest of these messages, and how many they are."""
    groups: dict[UUID, list[MessageRow]] = {}
    for row in rows:
        groups.setdefault(row.conversation_id, []).append(row)
    newest = {key: max(group, key=lambda row: (row.created_at, row.id)) for key, group in groups.items()}
    return [latest(row, len(groups[key]), row.created_at + WINDOW) for key, row in sorted(newest.items())]
