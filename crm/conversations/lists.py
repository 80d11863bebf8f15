"""The list of conversations, its filters, its pages and its totals; and one of them."""

from typing import Any
from uuid import UUID

from crm import contacts
from crm.conversations.keeping import found, shown_of
from crm.conversations.shapes import (
    ConversationList,
    ConversationOut,
    ListedRow,
    PlacedRow,
    SightRow,
    UnreadRow,
    shown,
)
from crm.core import page as paging
from crm.core import sql
from crm.core.access import ATTENDANT
from crm.core.errors import invalid
from crm.core.http import Call, Door
from crm.core.page import FIRST, LAST_ID, Page

_sql = sql.load("lists")
Filters = dict[str, Any]


async def page(call: Call) -> Page[ConversationOut]:
    """The list: newest message first. The total of a tag, a contact or a search counts up to 10,000."""
    query: ConversationList = call.query
    filters = _filters(call) | await _searched(call)
    if query.tag is None and all(value is None for value in filters.values()):
        rows = await _plain(call)
        if rows:  # none: there is none (so deep), or the hotel restricts what this attendant sees
            total = None if query.cursor else rows[0].total
            return paging.turned(query, rows, total, shown, lambda row: (row.last_message_at, row.id))
    before, before_id = query.start
    placed = await _placed(call, filters, before=before, before_id=before_id, skip=query.skip, max=query.limit + 1)
    known = await shown_of(call.tx, [row.id for row in placed[: query.limit]])
    total = None if query.cursor else await _total(call, filters, placed)
    page = paging.turned(
        query, placed, total, lambda row: known.get(row.id), lambda row: (row.last_message_at, row.id)
    )
    # What was given to somebody else between the two questions is hidden by now.
    return Page([item for item in page.data if item is not None], page.pagination)


async def _plain(call: Call) -> list[ListedRow]:
    query: ConversationList = call.query
    before, before_id = query.start
    if query.skip:
        last = await call.tx.maybe(_sql.place, PlacedRow, archived=query.archived, skip=query.skip)
        if last is None:
            return []
        before, before_id = last.last_message_at, last.id
    place = {"before": before, "before_id": before_id, "max": query.limit + 1}
    return await call.tx.many(_sql.page, ListedRow, **place, archived=query.archived, counted=not query.cursor)


async def _placed(call: Call, filters: Filters, *, skip: int, max: int, **place: Any) -> list[PlacedRow]:
    """The ids of a page under filters."""
    query: ConversationList = call.query
    if filters["contacts"] == []:
        return []  # nobody was found: Postgres would look through every conversation for theirs
    await call.tx.plan_anew()
    params = {"archived": query.archived, **place}
    if query.tag is not None:
        params |= filters | {"tag": query.tag}
        return await call.tx.many(_sql.page_tagged, PlacedRow, **params, skip=skip, max=max)
    sight = await call.tx.one(_sql.sight, SightRow)
    if not sight.restricted:
        return await call.tx.many(_sql.page_filtered, PlacedRow, **filters, **params, skip=skip, max=max)
    seen: set[PlacedRow] = set()
    for part in _parts(filters, call.who.user, sight.departments):
        seen |= {*await call.tx.many(_sql.page_filtered, PlacedRow, **part, **params, skip=0, max=skip + max)}
    return sorted(seen, key=lambda row: (row.last_message_at, row.id), reverse=True)[skip : skip + max]


def _parts(filters: Filters, own: UUID, departments: list[UUID]) -> list[Filters]:
    """What a restricted attendant sees, in parts that each have an index: nobody's, the own, each department's.

    One scan past everything that others have would read the tenant's history. Row security holds beside it.
    """
    parts = [{**filters, "unassigned": True}]
    if filters["assigned_to"] in (None, own):
        parts.append({**filters, "assigned_to": own})
    asked = filters["department_id"]
    return parts + [{**filters, "department_id": each} for each in departments if asked in (None, each)]


async def _total(call: Call, filters: Filters, placed: list[PlacedRow]) -> int:
    query: ConversationList = call.query
    if not query.skip and len(placed) <= query.limit:
        return len(placed)  # the first page shows them all
    if query.tag is None and filters["contacts"] is None:
        kept = {name: value for name, value in filters.items() if name != "contacts"}
        return int(await call.tx.value(_sql.total, archived=query.archived, **kept))
    return len(await _placed(call, filters, before=FIRST, before_id=LAST_ID, skip=0, max=paging.COUNTED))


def _filters(call: Call) -> Filters:
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
        "department_id": query.department_id,
        "contacts": None if query.contact_id is None else [query.contact_id],
    }


async def _searched(call: Call) -> Filters:
    """The conversations of whom the search finds by name, e-mail or number."""
    query: ConversationList = call.query
    if query.search is None or not query.search.strip():
        return {}
    found = await contacts.matching(call.tx, query.search)
    return {"contacts": [each for each in found if query.contact_id in (None, each)]}


def _uuid(text: str | None) -> UUID:
    try:
        return UUID(text)
    except (ValueError, TypeError) as error:
        raise invalid("/assignedTo", "use me, none ou o id de uma pessoa", "use me, none or a user's id") from error


async def get(call: Call) -> ConversationOut:
    """One conversation. Raises NotFound."""
    return shown(await found(call.tx, call.id()))


async def unread(call: Call) -> UnreadRow:
    """How many conversations have something unread: all the caller sees, the own, and nobody's."""
    return await call.tx.one(_sql.unread, UnreadRow, own=call.who.user)


routes = [
    Door(
        method="GET",
        path="/api/conversations",
        handler=page,
        role=ATTENDANT,
        query=ConversationList,
        answer=Page[ConversationOut],
        alone=True,
    ),
    Door(
        method="GET",
        path="/api/conversations/{id}",
        handler=get,
        role=ATTENDANT,
        answer=ConversationOut,
        alone=True,
    ),
    Door(method="GET", path="/api/unread", handler=unread, role=ATTENDANT, answer=UnreadRow, alone=True),
]
