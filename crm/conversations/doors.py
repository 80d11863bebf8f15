"""The doors of conversations: the list with its filters and kept totals, reading, assigning."""

from typing import Any
from uuid import UUID

from crm import audit
from crm.conversations.keeping import found
from crm.conversations.shapes import Assign, ConversationList, ConversationOut, ListedRow, shown
from crm.core import page as paging
from crm.core import sql
from crm.core.access import ATTENDANT
from crm.core.errors import NotFound, invalid
from crm.core.feed import Event
from crm.core.http import Call, Door
from crm.core.page import Page

_sql = sql.load("conversations")


async def page(call: Call) -> Page[ConversationOut]:
    """The list: newest message first."""
    query: ConversationList = call.query
    before, before_id = query.start
    filters = _filters(call)
    counted = query.cursor is None
    place = {"before": before, "before_id": before_id, "archived": query.archived, "max": query.limit + 1}
    if query.skip or any(value is not None for value in filters.values()):
        await call.tx.plan_anew()
        rows = await call.tx.many(
            _sql.page_filtered, ListedRow, **place, counted=counted, skip=query.skip, **filters
        )
    else:
        rows = await call.tx.many(_sql.page, ListedRow, **place, counted=counted)
    total = rows[0].total if rows else await call.tx.value(_sql.total, archived=query.archived, **filters)
    return paging.turned(query, rows, total if counted else None, shown, lambda row: (row.last_message_at, row.id))


def _filters(call: Call) -> dict[str, Any]:
    """The filters as the queries take them: None means any."""
    query: ConversationList = call.query
    assigned: UUID | None = None
    if query.assigned_to == "me":
        assigned = call.who.user
    elif query.assigned_to not in (None, "none"):
        assigned = _uuid(query.assigned_to)
    return {
        "status": query.status,
        "assigned_to": assigned,
        "unassigned": True if query.assigned_to == "none" else None,
        "unread": True if query.unread else None,
        "channel_id": query.channel_id,
    }


def _uuid(text: str | None) -> UUID:
    try:
        return UUID(text)
    except (ValueError, TypeError) as error:
        raise invalid("/assignedTo", "use me, none ou o id de uma pessoa", "use me, none or a user's id") from error


async def get(call: Call) -> ConversationOut:
    """One conversation. Raises NotFound."""
    return shown(await found(call.tx, call.id()))


async def read(call: Call) -> ConversationOut:
    """Nothing is unread any more; the customer sees it, where the number shows that. Raises NotFound."""
    answer = await _changed(call, _sql.read)
    tenant = call.tx.tenant
    assert tenant is not None
    call.tx.after_commit(lambda: call.rails.wake.read(tenant, answer.id))
    return answer


async def unread(call: Call) -> ConversationOut:
    """Mark as unread, to come back to it. Raises NotFound."""
    return await _changed(call, _sql.unread)


async def assign(call: Call) -> ConversationOut:
    """Give it to a person of the hotel, or to nobody. Raises NotFound, ValidationFailed."""
    user = call.body.user_id
    if user is not None and not await call.tx.value(_sql.is_active, assignee=user):
        raise invalid("/userId", "pessoa inexistente ou inativa", "no such active user")
    answer = await _changed(call, _sql.assign, assignee=user)
    await audit.note(call, call.tx, "conversation.assigned", answer.id, userId=user and str(user))
    return answer


async def _changed(call: Call, query: sql.Query, **params: Any) -> ConversationOut:
    """Run a change of one conversation and tell everybody. Raises NotFound."""
    if not await call.tx.count(query, id=call.id(), **params):
        raise NotFound
    answer = shown(await found(call.tx, call.id()))
    event = Event("conversation:updated", answer.id, {"conversation": answer})
    await call.rails.feed.append(call.tx, [event])
    return answer


routes = [
    Door(
        method="GET",
        path="/api/conversations",
        handler=page,
        role=ATTENDANT,
        query=ConversationList,
        answer=Page[ConversationOut],
    ),
    Door(method="GET", path="/api/conversations/{id}", handler=get, role=ATTENDANT, answer=ConversationOut),
    Door(
        method="POST",
        path="/api/conversations/{id}/read",
        handler=read,
        role=ATTENDANT,
        answer=ConversationOut,
    ),
    Door(
        method="POST",
        path="/api/conversations/{id}/unread",
        handler=unread,
        role=ATTENDANT,
        answer=ConversationOut,
    ),
    Door(
        method="POST",
        path="/api/conversations/{id}/assign",
        handler=assign,
        role=ATTENDANT,
        body=Assign,
        answer=ConversationOut,
    ),
]
