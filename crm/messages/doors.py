"""The doors of messages: the history, and what an attendant sends."""

from typing import Any
from uuid import UUID

from crm import channels, contacts, conversations
from crm.contacts import Person
from crm.core import page as paging
from crm.core import sql
from crm.core.access import ATTENDANT
from crm.core.db import Tx
from crm.core.errors import Conflict, Problem, WindowClosed, invalid
from crm.core.http import Call, Door
from crm.messages import schedule
from crm.messages.shapes import (
    History,
    HistoryPlace,
    HistoryQuery,
    MessageOut,
    MessageRow,
    Send,
    SendTo,
    latest,
    shown,
    told,
)

_sql = sql.load("messages")


async def history(call: Call) -> History:
    """A part of a conversation's messages, newest first. Raises NotFound."""
    query: HistoryQuery = call.query
    if query.before and query.after:
        raise invalid("/after", "use before ou after, não os dois", "use before or after, not both")
    conversation = call.id()
    if query.after:
        at, row = paging.read_cursor(query.after, "after")
        rows = await _part(call, _sql.after, conversation, after=at, after_id=row)
        rows.reverse()
    else:
        at, row = paging.read_cursor(query.before, "before") if query.before else (paging.FIRST, paging.LAST_ID)
        rows = await _part(call, _sql.before, conversation, before=at, before_id=row)
    if not rows:
        await conversations.found(call.tx, conversation)
    more = len(rows) > query.limit
    kept = (rows[-query.limit :] if query.after else rows[: query.limit]) if more else rows
    older = paging.write_cursor(kept[-1].created_at, kept[-1].id) if kept and (more or query.after) else None
    newer = paging.write_cursor(kept[0].created_at, kept[0].id) if kept else query.after
    return History([shown(row) for row in kept], HistoryPlace(query.limit, older, newer))


async def _part(call: Call, query: sql.Query, conversation: UUID, **place: Any) -> list[MessageRow]:
    limit = call.query.limit + 1
    return await call.tx.many(query, MessageRow, conversation=conversation, max=limit, **place)


async def send(call: Call) -> MessageOut:
    """Queue a text. Raises NotFound, WindowClosed (outside 24 hours only a template is taken)."""
    return await _queue(call, call.id(), call.body)


async def send_to(call: Call) -> MessageOut:
    """Queue a text to a phone number, over a channel or the oldest one. Raises WindowClosed, ValidationFailed."""
    new: SendTo = call.body
    phone = contacts.typed_phone(new.to)
    channel = await channels.only(call.tx, new.channel_id)
    await contacts.hold(call.tx)
    [contact] = await contacts.seen(call.tx, [Person(phone=phone)])
    places = await conversations.opened(call.tx, [(contact, channel)])
    return await _queue(call, places[contact, channel], new)


async def _queue(call: Call, conversation: UUID, new: Send) -> MessageOut:
    """Insert the row where the window is open, tell everybody, and wake its lane after the commit."""
    tx = call.tx
    schedule.check(new.send_at)
    row = await tx.maybe(
        _sql.queue,
        MessageRow,
        conversation=conversation,
        content=new.content,
        reply_to=new.reply_to,
        client_id=new.client_message_id,
        sent_by=None if call.who.visiting else call.who.user,
        send_at=new.send_at,
    )
    if row is None:
        raise await _not_queued(tx, conversation, new)
    if new.reply_to is not None and row.reply_to is None:
        raise invalid("/replyTo", "mensagem inexistente nesta conversa", "no such message in this conversation")
    if row.send_at is not None:
        place = conversations.shown(await conversations.found(tx, conversation))
        await call.rails.feed.append(tx, [told(row, place)])
        return shown(row)
    touched = await conversations.touch(tx, [latest(row)])
    await call.rails.feed.append(tx, [told(row, touched[conversation])])
    tx.after_commit(lambda: call.rails.wake.send(tx.tenant or call.who.home, conversation))
    return shown(row)


async def _not_queued(tx: Tx, conversation: UUID, new: Send) -> Problem:
    """Why nothing was inserted. Raises NotFound when there is no such conversation."""
    await conversations.found(tx, conversation)
    if new.client_message_id is not None:
        twin = await tx.value(_sql.by_client_id, conversation=conversation, client_id=new.client_message_id)
        if twin is not None:
            return Conflict(
                "Este clientMessageId já foi usado.", "This clientMessageId was used.", existingId=str(twin)
            )
    return WindowClosed()


routes = [
    Door(
        method="GET",
        path="/api/conversations/{id}/messages",
        handler=history,
        role=ATTENDANT,
        query=HistoryQuery,
        answer=History,
    ),
    Door(
        method="POST",
        path="/api/conversations/{id}/messages",
        handler=send,
        role=ATTENDANT,
        body=Send,
        answer=MessageOut,
        status=201,
        once=True,
    ),
    Door(
        method="POST",
        path="/api/messages/send",
        handler=send_to,
        role=ATTENDANT,
        body=SendTo,
        answer=MessageOut,
        status=201,
        once=True,
    ),
]
