"""People of a hotel: who they are, what role they have, whether they may still come in."""

from functools import partial
from typing import Literal
from uuid import UUID

import msgspec

from crm import audit
from crm.core import crypto, sql
from crm.core.access import ATTENDANT, TENANT_ADMIN
from crm.core.errors import Conflict, NotFound, Unauthenticated, invalid
from crm.core.feed import End
from crm.core.fields import Email, Name, Password, normal_email
from crm.core.http import Call, Door
from crm.core.page import EPOCH, Page, PageQuery, read_cursor, turned
from crm.core.tx import Tx

_sql, _sessions = sql.load("users"), sql.load("sessions")
Role = Literal["TENANT_ADMIN", "ATTENDANT"]


class UserRow(msgspec.Struct, frozen=True, rename="camel"):
    """A person as stored and as shown."""

    id: UUID
    email: str
    name: str
    role: Role
    tenant_id: UUID
    active: bool
    must_change_password: bool


class Register(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A new person; without a password a temporary one is made and shown once."""

    name: Name
    email: Email
    role: Role
    password: Password | None = None


class Registered(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The new person."""

    user: UserRow
    temporary_password: str | msgspec.UnsetType = msgspec.UNSET


class Patch(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What may change; a changed role or a false `active` counts from the person's next request."""

    name: Name | None = None
    role: Role | None = None
    active: bool | None = None


class ColleagueRow(msgspec.Struct, frozen=True):
    """Somebody who works there, as the others know them."""

    id: UUID
    name: str
    role: Role


class Colleagues(msgspec.Struct, frozen=True):
    """All of them: a hotel has tens."""

    data: list[ColleagueRow]


async def choose_password(call: Call) -> tuple[str, str]:
    """The password given, or a temporary one, with its hash."""
    password = call.body.password or crypto.temporary_password()
    hashing = partial(crypto.password_hash, password, call.rails.settings.bcrypt_rounds)
    return password, await call.rails.in_thread(hashing)


async def register(call: Call) -> Registered:
    """Add a person. Raises Conflict with existingId when the e-mail is known."""
    new: Register = call.body
    password, hashed = call.prepared
    temporary = new.password is None
    row = await insert(call.tx, new, hashed, temporary)
    await audit.note(call, call.tx, "user.registered", row.id, role=new.role)
    return Registered(row, password) if temporary else Registered(row)


async def insert(tx: Tx, new: Register, hashed: str, temporary: bool) -> UserRow:
    """Store a person. Raises Conflict."""
    email = normal_email(new.email)
    row = await tx.maybe(
        _sql.insert, UserRow, email=email, name=new.name, role=new.role, hash=hashed, temporary=temporary
    )
    if row is None:
        taken = await tx.value(_sql.id_of_email, email=email)
        raise Conflict(
            "Já existe uma pessoa com este e-mail.",
            "A person with this e-mail exists.",
            existingId=str(taken),
        )
    return row


async def colleagues(call: Call) -> Colleagues:
    """The people of the hotel who may be given work, or mentioned, by name."""
    return Colleagues(await call.tx.many(_sql.colleagues, ColleagueRow))


async def everybody(call: Call) -> Page[UserRow]:
    """The people of the hotel, by name. Raises ValidationFailed."""
    query: PageQuery = call.query
    after = read_cursor(query.cursor)[1] if query.cursor else None
    rows = await call.tx.many(_sql.everybody, UserRow, after=after, skip=query.skip, max=query.limit + 1)
    total = None if query.cursor else await call.tx.value(_sql.total)
    return turned(query, rows, total, lambda row: row, lambda row: (EPOCH, row.id))


async def patch(call: Call) -> UserRow:
    """Change name, role or active. Raises NotFound, ValidationFailed (an admin cannot lock out themselves).

    Raises Unauthenticated: the caller's own role is being taken at this moment.
    """
    change: Patch = call.body
    user = call.id()
    if user == call.who.user and (change.active is False or change.role == "ATTENDANT"):
        field = "/active" if change.active is False else "/role"
        raise invalid(field, "você não pode retirar o próprio acesso", "you cannot take your own access")
    rights = change.role is not None or change.active is not None
    if rights and not call.who.visiting and not await call.tx.value(_sql.still_admin, own=call.who.user):
        raise Unauthenticated
    row = await call.tx.maybe(_sql.patch, UserRow, id=user, **msgspec.structs.asdict(change))
    if row is None:
        raise NotFound
    if change.active is False:
        await call.tx.none(_sessions.end_all, user_id=user, keep=None)
    await audit.note(call, call.tx, "user.changed", user, **_given(change))
    if change.active is False or change.role:
        call.rails.feed.end_sockets(call.tx, call.tx.tenant or call.who.home, End(4401, user=user))
    return row


def _given(change: Patch) -> dict[str, object]:
    return {name: value for name, value in msgspec.structs.asdict(change).items() if value is not None}


_NEW = partial(
    Door,
    method="POST",
    handler=register,
    role=TENANT_ADMIN,
    body=Register,
    answer=Registered,
    status=201,
    before=choose_password,
)
routes = [
    _NEW(path="/auth/register"),
    _NEW(path="/api/users"),
    Door(method="GET", path="/api/people", handler=colleagues, role=ATTENDANT, answer=Colleagues),
    Door(
        method="GET",
        path="/api/users",
        handler=everybody,
        role=TENANT_ADMIN,
        query=PageQuery,
        answer=Page[UserRow],
    ),
    Door(method="PATCH", path="/api/users/{id}", handler=patch, role=TENANT_ADMIN, body=Patch, answer=UserRow),
]
