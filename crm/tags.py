"""Tags of a hotel: names with a colour, for conversations and contacts, which follow when it changes."""

from typing import Annotated
from uuid import UUID

import asyncpg
import msgspec

from crm import contacts
from crm.core import page as paging
from crm.core import sql
from crm.core.access import ATTENDANT
from crm.core.errors import Conflict, NotFound
from crm.core.feed import Event
from crm.core.fields import Tag
from crm.core.http import Call, Door
from crm.core.page import Page, PageQuery, paged
from crm.core.tx import Tx

_sql = sql.load("tags")
AT_ONCE = (
    5_000  # conversations, and contacts, of one transaction: a request's may not take as long as years of them
)
_Color = Annotated[str, msgspec.Meta(pattern=r"^#[0-9A-Fa-f]{6}$(?!\n)", max_length=7)]


class TagRow(msgspec.Struct, frozen=True):
    """A tag, as stored and as shown."""

    id: UUID
    name: str
    color: str


class TagsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which page of the tags."""

    page: paging.PageNumber = 1
    limit: paging.Limit = 100


class Create(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new tag; its colour as #rrggbb."""

    name: Tag
    color: _Color = "#808080"


class Patch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another name, another colour, or both."""

    name: Tag | None = None
    color: _Color | None = None


async def page(call: Call) -> Page[TagRow]:
    """A hotel's tags, by name."""
    query = PageQuery(page=call.query.page, limit=call.query.limit)
    rows = await call.tx.many(_sql.page, TagRow, skip=query.skip, max=query.limit)
    return paged(query, rows, await call.tx.value(_sql.total), None)


async def create(call: Call) -> TagRow:
    """Add one. Raises Conflict (the name is taken, in whatever case)."""
    new: Create = call.body
    row = await call.tx.maybe(_sql.insert, TagRow, name=new.name, color=new.color)
    if row is None:
        raise await _taken(call.tx, new.name)
    await _tell(call, call.tx, row.id)
    return row


async def patch(call: Call) -> TagRow:
    """Change it, after what bears it bears its new name. Raises NotFound, Conflict."""
    change: Patch = call.body
    while True:
        async with call.opened() as tx:
            tag = await _held(call, tx)
            name = change.name or tag.name
            if await tx.value(_sql.id_of, name=name) not in (None, tag.id):
                raise await _taken(tx, name)
            if name != tag.name and await _follow(tx, tag.name, name):
                continue
            try:
                row = await tx.one(_sql.change, TagRow, id=tag.id, name=change.name, color=change.color)
            except asyncpg.UniqueViolationError as error:
                raise Conflict from error
            await _tell(call, tx, tag.id)
            return row


async def delete(call: Call) -> None:
    """Take it away, before that from what bears it. Raises NotFound."""
    while True:
        async with call.opened() as tx:
            tag = await _held(call, tx)
            if await _follow(tx, tag.name, None):
                continue
            await tx.count(_sql.delete, id=tag.id)
            await _tell(call, tx, tag.id)
            return


async def _held(call: Call, tx: Tx) -> TagRow:
    """Raises NotFound."""
    await contacts.hold(tx)  # what comes in touches many conversations, too, in another order
    tag = await tx.maybe(_sql.hold, TagRow, id=call.id())
    if tag is None:
        raise NotFound
    return tag


async def _follow(tx: Tx, was: str, name: str | None) -> bool:
    """Whether there may be more of those who bear it. Those of others too, whom an attendant may not see."""
    async with tx.seeing_all():
        contacts = await tx.count(_sql.follow_contacts, was=was, name=name, max=AT_ONCE)
        conversations = await tx.count(_sql.follow_conversations, was=was, name=name, max=AT_ONCE)
    return AT_ONCE in (contacts, conversations)


async def _tell(call: Call, tx: Tx, tag: UUID) -> None:
    await call.rails.feed.append(tx, [Event("tags:updated", None, {"id": tag})])


async def _taken(tx: Tx, name: str) -> Conflict:
    other = await tx.value(_sql.id_of, name=name)
    return Conflict("Já há uma etiqueta com este nome.", "There is a tag of this name.", existingId=str(other))


_PATH = "/api/tags"
_ONE = f"{_PATH}/{{id}}"
routes = [
    Door(method="GET", path=_PATH, handler=page, role=ATTENDANT, query=TagsQuery, answer=Page[TagRow]),
    Door(method="POST", path=_PATH, handler=create, role=ATTENDANT, body=Create, answer=TagRow, status=201),
    Door(method="PATCH", path=_ONE, handler=patch, role=ATTENDANT, body=Patch, answer=TagRow, own_tx=True),
    Door(method="DELETE", path=_ONE, handler=delete, role=ATTENDANT, status=204, own_tx=True),
]
