"""What people did with a conversation, and the notes they left each other: never sent to the customer."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import msgspec

from crm.conversations.entries import Entry, EntryOut, EntryRow, added, noted, shown_entry
from crm.conversations.entries import told as entry_told
from crm.conversations.keeping import found
from crm.conversations.shapes import ConversationOut, Note, shown
from crm.core import sql
from crm.core.access import ATTENDANT
from crm.core.errors import invalid
from crm.core.feed import Event
from crm.core.http import Call, Door
from crm.core.page import COUNTED, Page, PageQuery, turned

_sql = sql.load("timeline")


class Write(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A note, and the people of the hotel it is meant for."""

    content: Note
    mentions: Annotated[list[UUID], msgspec.Meta(max_length=50)] = []


async def tell(
    call: Call, conversation: UUID, entries: Sequence[Entry], more: Sequence[Event] = ()
) -> ConversationOut:
    """Note what was done, tell everybody how the conversation stands, and then `more`. Raises NotFound."""
    answer = shown(await found(call.tx, conversation))
    news = [event for entry in entries for event in await noted(call.tx, [conversation], entry, call.author)]
    updated = Event("conversation:updated", conversation, {"conversation": answer})
    await call.rails.feed.append(call.tx, [updated, *news, *more])
    return answer


async def write(call: Call) -> EntryOut:
    """Leave a note. Raises NotFound, ValidationFailed (somebody mentioned is not an active person here)."""
    new: Write = call.body
    await found(call.tx, call.id())
    mentions = list(dict.fromkeys(new.mentions))
    if await call.tx.value(_sql.active, people=mentions) != len(mentions):
        raise invalid("/mentions", "há pessoas inexistentes ou inativas", "some are no active users")
    entry = Entry("note", new.content, mentions)
    [(_, shown_note)] = await added(call.tx, [call.id()], entry, call.author)
    await call.rails.feed.append(call.tx, [entry_told(call.id(), shown_note)])
    return shown_note


async def page(call: Call) -> Page[EntryOut]:
    """The timeline, newest first. Its total counts up to 10,000. Raises NotFound."""
    query: PageQuery = call.query
    await found(call.tx, call.id())
    _, before = query.start
    rows = await call.tx.many(
        _sql.page, EntryRow, conversation=call.id(), before=before, skip=query.skip, max=query.limit + 1
    )
    total = None if query.cursor else await call.tx.value(_sql.total, conversation=call.id(), most=COUNTED)
    return turned(query, rows, total, shown_entry, lambda row: (row.created_at, row.id))


routes = [
    Door(
        method="POST",
        path="/api/conversations/{id}/notes",
        handler=write,
        role=ATTENDANT,
        body=Write,
        answer=EntryOut,
        status=201,
    ),
    Door(
        method="GET",
        path="/api/conversations/{id}/timeline",
        handler=page,
        role=ATTENDANT,
        query=PageQuery,
        answer=Page[EntryOut],
    ),
]
