"""Departments of a hotel, such as the front desk: who works there, and what conversations are handed on to."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import msgspec

from crm import audit, contacts
from crm.core import sql
from crm.core.access import ATTENDANT, TENANT_ADMIN
from crm.core.errors import Conflict, NotFound, invalid
from crm.core.feed import COME_BACK, End
from crm.core.fields import Name
from crm.core.http import Call, Door
from crm.core.tx import Tx

_sql = sql.load("departments")

AT_ONCE = 5_000  # conversations of one transaction: 100,000 in one took longer than a request may


class DepartmentRow(msgspec.Struct, frozen=True):
    """A department and who works there ({id, name}), as stored and as shown."""

    id: UUID
    name: str
    members: list[dict[str, Any]]


class MembershipRow(msgspec.Struct, frozen=True):
    """Somebody who came to a department or left it."""

    user_id: UUID


class Departments(msgspec.Struct, frozen=True):
    """All of them: a hotel has a handful."""

    data: list[DepartmentRow]


_Members = Annotated[list[UUID], msgspec.Meta(max_length=500)]


class Create(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A new department."""

    name: Name
    member_ids: _Members = []


class Patch(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Another name, or other members in place of all there were."""

    name: Name | None = None
    member_ids: _Members | None = None


async def name(tx: Tx, department: UUID) -> str | None:
    """Its name, None when there is none."""
    found: str | None = await tx.value(_sql.name, id=department)
    return found


async def everything(call: Call) -> Departments:
    """All departments, by name."""
    return Departments(await call.tx.many(_sql.everything, DepartmentRow, wanted=None))


async def create(call: Call) -> DepartmentRow:
    """Add one. Raises Conflict (the name is taken), ValidationFailed (a member is no person of the hotel)."""
    new: Create = call.body
    made = await call.tx.value(_sql.insert, name=new.name.strip())
    if made is None:
        raise await _taken(call.tx, new.name)
    await _set_members(call, call.tx, made, new.member_ids)
    await audit.note(call, call.tx, "department.created", made, name=new.name)
    return await _found(call.tx, made)


async def patch(call: Call) -> DepartmentRow:
    """Change name or members. Raises NotFound, Conflict, ValidationFailed."""
    change: Patch = call.body
    try:
        async with call.tx.savepoint():
            if not await call.tx.count(_sql.rename, id=call.id(), name=change.name):
                raise NotFound
    except asyncpg.UniqueViolationError as error:
        raise await _taken(call.tx, change.name or "") from error
    if change.member_ids is not None:
        await _set_members(call, call.tx, call.id(), change.member_ids)
    await audit.note(call, call.tx, "department.changed", call.id())
    return await _found(call.tx, call.id())


async def delete(call: Call) -> None:
    """Take it away, its conversations out of it before: they may be those of years. Raises NotFound."""
    while not await _emptied(call):
        pass


async def _emptied(call: Call) -> bool:
    """Take so many conversations out of it; itself with the last of them. Raises NotFound."""
    async with call.opened() as tx:
        await contacts.hold(tx)  # what comes in touches many conversations, too, in another order
        if await tx.value(_sql.hold, id=call.id()) is None:
            raise NotFound
        if await tx.count(_sql.empty, id=call.id(), max=AT_ONCE) == AT_ONCE:
            return False
        await _set_members(call, tx, call.id(), [])
        await tx.count(_sql.delete, id=call.id())
        await audit.note(call, tx, "department.deleted", call.id())
        return True


async def _set_members(call: Call, tx: Tx, department: UUID, people: Sequence[UUID]) -> None:
    """Whoever comes or leaves sees other conversations from now on: his sockets come back."""
    wanted = sorted(set(people))
    if await tx.value(_sql.people, people=wanted) != len(wanted):
        raise invalid("/memberIds", "há pessoas inexistentes", "some are no users of this tenant")
    left = await tx.many(_sql.leave, MembershipRow, id=department, people=wanted)
    came = await tx.many(_sql.come, MembershipRow, id=department, people=wanted)
    for row in [*left, *came]:
        call.rails.feed.end_sockets(tx, call.place, End(COME_BACK, user=row.user_id))


async def _found(tx: Tx, department: UUID) -> DepartmentRow:
    return await tx.one(_sql.everything, DepartmentRow, wanted=department)


async def _taken(tx: Tx, name: str) -> Conflict:
    other = await tx.value(_sql.id_of_name, name=name.strip())
    return Conflict("Já há um departamento com este nome.", "This name is taken.", existingId=str(other))


_PATH = "/api/departments"
routes = [
    Door(method="GET", path=_PATH, handler=everything, role=ATTENDANT, answer=Departments),
    Door(
        method="POST",
        path=_PATH,
        handler=create,
        role=TENANT_ADMIN,
        body=Create,
        answer=DepartmentRow,
        status=201,
    ),
    Door(
        method="PATCH",
        path=f"{_PATH}/{{id}}",
        handler=patch,
        role=TENANT_ADMIN,
        body=Patch,
        answer=DepartmentRow,
    ),
    Door(
        method="DELETE",
        path=f"{_PATH}/{{id}}",
        handler=delete,
        role=TENANT_ADMIN,
        status=204,
        own_tx=True,
    ),
]
