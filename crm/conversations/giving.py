"""Who has a conversation: taken by the first who claims it, given to a person, handed on to a department."""

from typing import Any
from uuid import UUID

import msgspec

from crm import audit, departments
from crm.conversations.entries import Entry
from crm.conversations.keeping import found
from crm.conversations.shapes import Assign, ConversationOut, ConversationRow, shown
from crm.conversations.timeline import tell
from crm.core import sql
from crm.core.access import ATTENDANT
from crm.core.errors import AlreadyAssigned, Forbidden, NotFound, invalid
from crm.core.feed import GONE, Event
from crm.core.http import Call, Door

_sql = sql.load("giving")


async def claim(call: Call) -> ConversationOut:
    """Take what nobody has: of many at once one wins. Raises NotFound, AlreadyAssigned (with who has it)."""
    if call.who.visiting:
        raise Forbidden("O suporte não atende conversas.", "Support staff do not take conversations.")
    async with call.tx.seeing_all():  # the loser is told who has it, even where he sees it no more
        if await call.tx.count(_sql.claim, id=call.id(), own=call.who.user):
            return await _handed_on(call, [Entry("claimed")])
        row = await found(call.tx, call.id())
    if row.assigned_to != call.who.user:
        raise taken(row)
    return shown(row)


def taken(row: ConversationRow) -> AlreadyAssigned:
    """Somebody else has this conversation, and who."""
    return AlreadyAssigned(assignedTo={"id": str(row.assigned_to), "name": row.assigned_name})


async def assign(call: Call) -> ConversationOut:
    """Give it to a person or a department, or to nobody, with a note to them. Raises NotFound, ValidationFailed."""
    to: Assign = call.body
    person, team = to.user_id is not msgspec.UNSET, to.department_id is not msgspec.UNSET
    moves = [*await _to_person(call, to.user_id), *await _to_department(call, to.department_id)]
    note = [Entry("note", content=to.note)] if to.note else []
    await found(call.tx, call.id())  # what the caller does not see he cannot give away
    async with call.tx.seeing_all():
        await call.tx.count(
            _sql.assign,
            id=call.id(),
            person=person,
            assignee=to.user_id or None,
            team=team,
            department=to.department_id or None,
        )
        for entry in moves:
            await audit.note(call, call.tx, f"conversation.{entry.type}", call.id(), **entry.data)
        return await _handed_on(call, [*moves, *note])


async def _to_person(call: Call, user: UUID | msgspec.UnsetType | None) -> list[Entry]:
    if user is msgspec.UNSET:
        return []
    name = await call.tx.value(_sql.active_name, assignee=user) if user else None
    if user and name is None:
        raise invalid("/userId", "pessoa inexistente ou inativa", "no such active user")
    return [Entry("assigned", data={"userId": user and str(user), "name": name})]


async def _to_department(call: Call, department: UUID | msgspec.UnsetType | None) -> list[Entry]:
    if department is msgspec.UNSET:
        return []
    name = await departments.name(call.tx, department) if department else None
    if department and name is None:
        raise invalid("/departmentId", "departamento inexistente", "no such department")
    return [Entry("transferred", data={"departmentId": department and str(department), "name": name})]


async def _handed_on(call: Call, entries: list[Entry]) -> ConversationOut:
    """Tell it, and tell those who see it no more that it is gone."""
    gone: dict[str, Any] = {"conversationId": call.id()}
    return await tell(call, call.id(), entries, [Event(GONE, call.id(), gone)])


async def seen(call: Call, conversation: UUID) -> None:
    """The caller sees this conversation. Raises AlreadyAssigned: it was looked up past what the hotel restricts."""
    try:
        await found(call.tx, conversation)
    except NotFound as error:
        async with call.tx.seeing_all():
            raise taken(await found(call.tx, conversation)) from error


routes = [
    Door(
        method="POST",
        path="/api/conversations/{id}/claim",
        handler=claim,
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
