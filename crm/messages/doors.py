"""The doors of messages: the history, and what an attendant sends."""

from datetime import datetime
from typing import Any
from uuid import UUID

from crm import channels, contacts, conversations
from crm.contacts import Person
from crm.core import page as paging
from crm.core import sql
from crm.core.access import ATTENDANT
from crm.core.errors import invalid
from crm.core.feed import Event
from crm.core.fields import zoned
from crm.core.http import Call, Door
from crm.messages import sending
from crm.messages.kinds import Send, SendTo
from crm.messages.shapes import History, HistoryPlace, HistoryQuery, MessageOut, MessageRow, shown

_sql = sql.load("messages")


async def history(call: Call) -> History:
    """A part of a conversation's messages, newest first. Raises NotFound.

    With `at` those from that moment on, and, where they do not fill the page, the last ones before it.
    """
    query: HistoryQuery = call.query
    conversation, start = call.id(), _start(query)
    if start:
        rows = await _part(call, _sql.after, conversation, after=start[0], after_id=start[1])
        rows.reverse()
        if query.at and (room := query.limit - len(rows)) > 0:
            rows += await _part(call, _sql.before, conversation, room, before=start[0], before_id=start[1])
    else:
        at, row = paging.read_cursor(query.before, "before") if query.before else (paging.FIRST, paging.LAST_ID)
        rows = await _part(call, _sql.before, conversation, before=at, before_id=row)
    if not rows:
        await conversations.found(call.tx, conversation)
    more = len(rows) > query.limit
    kept = (rows[-query.limit :] if start else rows[: query.limit]) if more else rows
    here = paging.write_cursor(*start) if query.at and start else None
    older = paging.write_cursor(kept[-1].created_at, kept[-1].id) if kept and (more or start) else here
    newer = paging.write_cursor(kept[0].created_at, kept[0].id) if kept else query.after or here
    return History([shown(row) for row in kept], HistoryPlace(query.limit, older, newer))


def _start(query: HistoryQuery) -> tuple[datetime, UUID] | None:
    """The place that the part comes after, unless it is one before a place. Raises ValidationFailed."""
    given = [name for name in ("before", "after", "at") if getattr(query, name)]
    if len(given) > 1:
        raise invalid(
            f"/{given[1]}", f"use {given[0]} ou {given[1]}, não os dois", f"use one of {', '.join(given)}"
        )
    if at := zoned(query.at, "/at"):
        return at, UUID(int=0)
    return paging.read_cursor(query.after, "after") if query.after else None


async def _part(
    call: Call, query: sql.Query, conversation: UUID, most: int | None = None, **place: Any
) -> list[MessageRow]:
    """Without `most`: a page, and one more, which tells whether there is more."""
    limit = most or call.query.limit + 1
    return await call.tx.many(query, MessageRow, conversation=conversation, max=limit, **place)


async def send(call: Call) -> MessageOut:
    """Queue a message. Raises NotFound, ValidationFailed, Conflict, WindowClosed (then only a template)."""
    return await _put(call, call.id(), [], call.body)


async def send_to(call: Call) -> MessageOut:
    """Queue a message to a phone number, over a channel or the oldest one.

    Raises as `send` does, and AlreadyAssigned where another attendant has the conversation and the hotel hides it.
    """
    new: SendTo = call.body
    phone = contacts.typed_phone(new.to)
    channel = await channels.only(call.tx, new.channel_id)
    await contacts.hold(call.tx)
    [contact] = await contacts.seen(call.tx, [Person(phone=phone)])
    return await _put(call, *await conversations.reached(call, contact, channel), new)


async def _put(call: Call, conversation: UUID, before: list[Event], new: Send) -> MessageOut:
    return shown(await sending.put(call.rails, call.tx, conversation, new, call.author, before))


routes = [
    Door(
        method="GET",
        path="/api/conversations/{id}/messages",
        handler=history,
        role=ATTENDANT,
        query=HistoryQuery,
        answer=History,
        alone=True,
    ),
    Door(
        method="POST",
        path="/api/conversations/{id}/messages",
        handler=send,
        role=ATTENDANT,
        body=Send,
        answer=MessageOut,
        status=201,
    ),
    Door(
        method="POST",
        path="/api/messages/send",
        handler=send_to,
        role=ATTENDANT,
        body=SendTo,
        answer=MessageOut,
        status=201,
    ),
]
