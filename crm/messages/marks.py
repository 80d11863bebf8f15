"""Marks on messages: reactions, edits, deletions. They may come before what they are about, or without it."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from crm.core import sql
from crm.core.feed import Event
from crm.core.page import stamp
from crm.core.tx import Tx
from crm.messages.shapes import Advance, Inbound, MessageRow, updated

_sql = sql.load("messages")

CUSTOMER = "contact"  # who reacted: the customer, or a user's id


class TargetRow(msgspec.Struct, frozen=True):
    """A message that a reaction of ours is about."""

    wamid: str


class MarkRow(msgspec.Struct, frozen=True):
    """A reaction, an edit or a deletion, and the message it is about."""

    target_wamid: str
    direction: Literal["INBOUND", "OUTBOUND"]
    type: str
    payload: dict[str, Any] | None
    content: str | None
    created_at: datetime


class Marked(msgspec.Struct):
    """What marks make of one message; None leaves it as it is."""

    reactions: dict[str, dict[str, Any]] = {}  # by who reacted: in a group each member does
    edited_at: datetime | None = None
    content: str | None = None
    revoked_at: datetime | None = None


async def settle(tx: Tx, targets: Iterable[str]) -> list[Event]:
    """Put every mark known of these messages on them; the newest word counts, whatever the order they came in."""
    wamids = sorted(targets)
    if not wamids:
        return []
    marked: dict[str, Marked] = {}
    ours: set[str] = set()
    for row in await tx.many(_sql.marks, MarkRow, wamids=wamids):
        if row.type == "reaction" and row.direction == "OUTBOUND":
            ours.add(row.target_wamid)
        else:
            _add(marked.setdefault(row.target_wamid, Marked()), row)
    events = await _mark(tx, marked) if marked else []
    return [*events, *await stand(tx, ours)]


async def _mark(tx: Tx, marked: dict[str, Marked]) -> list[Event]:
    rows = await tx.many(
        _sql.mark,
        MessageRow,
        wamids=list(marked),
        reactions=[one.reactions or None for one in marked.values()],
        contents=[one.content for one in marked.values()],
        edits=[one.edited_at for one in marked.values()],
        revokes=[one.revoked_at for one in marked.values()],
    )
    return [updated(row) for row in rows]


async def aim(tx: Tx, inbound: Sequence[Inbound], reports: Sequence[Advance]) -> None:
    """Hold what these marks are about, and what statuses beside them tell of, before conversations are touched.

    Who reacts to the same message holds it, too, and then waits for its conversation.
    """
    if targets := {item.target_wamid for item in inbound if item.target_wamid}:
        wamids = sorted(targets | {report.wamid for report in reports})
        ids = sorted({report.message_id for report in reports if report.message_id})
        await tx.none(_sql.still, wamids=wamids, ids=ids)


async def hold(tx: Tx, *, wamids: Collection[str] = (), ids: Collection[UUID] = ()) -> set[str]:
    """Of messages of ours those that are reactions: the wamids of what they are about, held until the commit.

    To be called before anything is done to them, and before their conversations are touched.
    """
    rows = await tx.many(_sql.targets, TargetRow, wamids=list(wamids), ids=list(ids))
    return {row.wamid for row in rows}


async def stand(tx: Tx, targets: Collection[str]) -> list[Event]:
    """Show on these messages the emoji of ours that stands now: one that failed is taken off again."""
    if not targets:
        return []
    return [updated(row) for row in await tx.many(_sql.stand, MessageRow, wamids=sorted(targets))]


def _add(marked: Marked, row: MarkRow) -> None:
    """A later mark of the same kind takes the place of an earlier one; rows come oldest first."""
    match row.type:
        case "reaction":
            emoji = _part(row.payload, "reaction").get("emoji")
            shown = {"emoji": emoji if isinstance(emoji, str) else "", "by": CUSTOMER, "at": stamp(row.created_at)}
            marked.reactions[_who(row.payload)] = shown
        case "edit":
            marked.content = (row.content or "").removeprefix("[Mensagem editada] ") or None
            marked.edited_at = row.created_at
        case "revoke":
            marked.revoked_at = row.created_at


def _who(payload: dict[str, Any] | None) -> str:
    """Of a group's message, who of the group: known here only, and shown to nobody."""
    author = _part(payload, "author")
    return str(author.get("from_user_id") or author.get("from") or "")


def _part(payload: dict[str, Any] | None, name: str) -> dict[str, Any]:
    part = (payload or {}).get(name)
    return part if isinstance(part, dict) else {}
