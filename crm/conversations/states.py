"""The states of a conversation: read or not, archived, closed, put off, and its tags."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import asyncpg

from crm import audit, contacts
from crm.conversations.entries import Entry, Kind
from crm.conversations.giving import seen
from crm.conversations.keeping import found
from crm.conversations.shapes import ConversationOut, MovedRow, Patch, Snooze, Status, shown
from crm.conversations.timeline import tell
from crm.core import sql
from crm.core.access import ATTENDANT
from crm.core.errors import Conflict
from crm.core.fields import ahead
from crm.core.http import Call, Door
from crm.core.page import stamp

_sql = sql.load("states")


async def read(call: Call) -> ConversationOut:
    """Nothing is unread any more; the customer sees it, where the number shows that. Raises NotFound."""
    answer = await _changed(call, _sql.read)
    tenant = call.place
    call.tx.after_commit(lambda: call.rails.wake.read(tenant, answer.id))
    return answer


async def unread(call: Call) -> ConversationOut:
    """Mark as unread, to come back to it. Raises NotFound."""
    return await _changed(call, _sql.unread)


async def archive(call: Call, archived: bool) -> ConversationOut:
    """Out of the list, or back into it; a message of the customer brings it back, too. Raises NotFound."""
    return await _changed(call, _sql.archive, "archived" if archived else "unarchived", archived=archived)


async def move(call: Call, to: Status) -> ConversationOut:
    """Close it, or open it again.

    Raises NotFound, Conflict (another one is open with this contact), AlreadyAssigned (the hotel hides that one).
    """
    return await _become(call, to, None)


async def patch(call: Call) -> ConversationOut:
    """Another status, other tags, or both. Raises NotFound, Conflict, AlreadyAssigned."""
    change: Patch = call.body
    tags = None if change.tags is None else list(dict.fromkeys(change.tags))
    return await _become(call, change.status, tags)


_ENTRIES: dict[Status, Kind] = {"OPEN": "reopened", "PENDING": "reopened", "CLOSED": "closed"}


async def _become(call: Call, status: Status | None, tags: list[str] | None) -> ConversationOut:
    if status is None or status == "CLOSED":
        return await _given(call, status, tags)
    await contacts.hold(call.tx)  # whoever else opens one, or merges, finds this one open
    try:
        async with call.tx.savepoint():
            return await _given(call, status, tags)
    except asyncpg.UniqueViolationError as error:
        raise await _other_open(call) from error


async def _given(call: Call, status: Status | None, tags: list[str] | None) -> ConversationOut:
    """Note and tell what the change changed. Raises NotFound."""
    row = await call.tx.maybe(_sql.change, MovedRow, id=call.id(), status=status, tags=tags)
    entries = [Entry(_ENTRIES[status])] if status and row and row.moved else []
    entries += [Entry("tagged", data={"tags": tags})] if row and row.tagged else []
    if not entries:
        return shown(await found(call.tx, call.id()))
    for entry in entries:
        await audit.note(call, call.tx, f"conversation.{entry.type}", call.id())
    return await tell(call, call.id(), entries)


async def _other_open(call: Call) -> Conflict:
    """Another conversation with this contact is open. Raises AlreadyAssigned where the hotel hides it."""
    async with call.tx.seeing_all():
        other = await call.tx.value(_sql.other_open, id=call.id())
    more: dict[str, Any] = {}
    if other is not None:  # it may have been closed meanwhile
        await seen(call, other)
        more["existingId"] = str(other)
    return Conflict(
        "Já há uma conversa aberta com este contato: continue nela.",
        "There is an open conversation with this contact already: go on there.",
        **more,
    )


async def snooze(call: Call) -> ConversationOut:
    """Put it off until a time, or until the customer writes. Raises NotFound, ValidationFailed, Conflict."""
    until: datetime = call.body.until
    ahead(until, "/until")
    until = until.astimezone(UTC)
    answer = await _changed(call, _sql.snooze, "snoozed", {"until": stamp(until)}, until=until)
    if answer.status == "CLOSED":
        raise Conflict(
            "A conversa está fechada: reabra-a primeiro.", "The conversation is closed: open it again first."
        )
    return answer


async def unsnooze(call: Call) -> ConversationOut:
    """Put it off no longer. Raises NotFound."""
    return await _changed(call, _sql.unsnooze, "unsnoozed")


async def _changed(
    call: Call, query: sql.Query, entry: Kind | None = None, data: dict[str, Any] | None = None, **params: Any
) -> ConversationOut:
    """Run a change, note it and tell everybody; what changes nothing tells nothing. Raises NotFound."""
    if not await call.tx.count(query, id=call.id(), **params):
        return shown(await found(call.tx, call.id()))
    if entry is not None:
        await audit.note(call, call.tx, f"conversation.{entry}", call.id())
    return await tell(call, call.id(), [] if entry is None else [Entry(entry, data=data or {})])


def _door(verb: str, handler: Callable[[Call], Awaitable[ConversationOut]], body: Any = None) -> Door:
    return Door(
        method="POST",
        path=f"/api/conversations/{{id}}/{verb}",
        handler=handler,
        role=ATTENDANT,
        body=body,
        answer=ConversationOut,
    )


routes = [
    Door(
        method="PATCH",
        path="/api/conversations/{id}",
        handler=patch,
        role=ATTENDANT,
        body=Patch,
        answer=ConversationOut,
    ),
    _door("read", read),
    _door("unread", unread),
    _door("archive", partial(archive, archived=True)),
    _door("unarchive", partial(archive, archived=False)),
    _door("close", partial(move, to="CLOSED")),
    _door("reopen", partial(move, to="OPEN")),
    _door("snooze", snooze, Snooze),
    _door("unsnooze", unsnooze),
]
