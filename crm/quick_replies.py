"""Quick replies: texts kept under a shortcut, with placeholders filled for the conversation they are used in."""

import re
from typing import Annotated
from uuid import UUID

import asyncpg
import msgspec

from crm.core import page as paging
from crm.core import sql
from crm.core.access import ATTENDANT
from crm.core.errors import Conflict, FieldError, NotFound, ValidationFailed
from crm.core.feed import Event
from crm.core.http import Call, Door
from crm.core.page import Page, PageQuery, paged
from crm.core.tx import Tx

_sql = sql.load("quick_replies")
_PLACEHOLDER = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_KNOWN = ("contact.name", "contact.firstName", "attendant.name", "tenant.name")
_Shortcut = Annotated[str, msgspec.Meta(min_length=1, max_length=50, pattern=r"^\S+$(?!\n)")]
_Content = Annotated[str, msgspec.Meta(min_length=1, max_length=4096, pattern=r"\S")]


class ReplyRow(msgspec.Struct, frozen=True):
    """A quick reply, as stored and as shown."""

    id: UUID
    shortcut: str
    content: str


class WordsRow(msgspec.Struct, frozen=True):
    """A text, and what its placeholders stand for."""

    content: str
    contact: str
    attendant: str
    tenant: str


class RepliesQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which page of those whose shortcut begins with `search`."""

    search: Annotated[str, msgspec.Meta(max_length=50)] | None = None
    page: paging.PageNumber = 1
    limit: paging.Limit = 100


class Create(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new quick reply; its text may hold {{contact.name}}, {{contact.firstName}}, {{attendant.name}} and
    {{tenant.name}}.
    """

    shortcut: _Shortcut
    content: _Content


class Patch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another shortcut, another text, or both."""

    shortcut: _Shortcut | None = None
    content: _Content | None = None


class Render(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The conversation it is to be used in."""

    conversation_id: UUID


class Rendered(msgspec.Struct, frozen=True):
    """The text, ready to be edited and sent."""

    content: str


async def page(call: Call) -> Page[ReplyRow]:
    """A hotel's quick replies, by shortcut."""
    asked: RepliesQuery = call.query
    query = PageQuery(page=asked.page, limit=asked.limit)
    rows = await call.tx.many(_sql.page, ReplyRow, search=asked.search, skip=query.skip, max=query.limit)
    return paged(query, rows, await call.tx.value(_sql.total, search=asked.search), None)


async def create(call: Call) -> ReplyRow:
    """Add one. Raises Conflict (the shortcut is taken), ValidationFailed (a placeholder nobody knows)."""
    new: Create = call.body
    _check(new.content)
    row = await call.tx.maybe(_sql.insert, ReplyRow, shortcut=new.shortcut, content=new.content)
    if row is None:
        raise await _taken(call.tx, new.shortcut)
    await _tell(call, row.id)
    return row


async def patch(call: Call) -> ReplyRow:
    """Change it. Raises NotFound, Conflict, ValidationFailed."""
    change: Patch = call.body
    _check(change.content or "")
    given = {"shortcut": change.shortcut, "content": change.content}
    try:
        async with call.tx.savepoint():
            row = await call.tx.maybe(_sql.change, ReplyRow, id=call.id(), **given)
    except asyncpg.UniqueViolationError as error:
        raise await _taken(call.tx, change.shortcut or "") from error
    if row is None:
        raise NotFound
    await _tell(call, row.id)
    return row


async def delete(call: Call) -> None:
    """Take it away. Raises NotFound."""
    if not await call.tx.count(_sql.delete, id=call.id()):
        raise NotFound
    await _tell(call, call.id())


async def render(call: Call) -> Rendered:
    """Its text for a conversation, the placeholders filled. Raises NotFound."""
    place: UUID = call.body.conversation_id
    row = await call.tx.maybe(_sql.words, WordsRow, id=call.id(), conversation=place, who=call.who.user)
    if row is None:
        raise NotFound
    first = row.contact.split(maxsplit=1)[0] if row.contact.strip() else ""
    values = dict(zip(_KNOWN, (row.contact, first, row.attendant, row.tenant), strict=True))
    return Rendered(_PLACEHOLDER.sub(lambda found: values[found[1]], row.content))


def _check(content: str) -> None:
    """Raises ValidationFailed, which names each placeholder nobody knows."""
    unknown = dict.fromkeys(name for name in _PLACEHOLDER.findall(content) if name not in _KNOWN)
    if unknown:
        known = ", ".join(_KNOWN)
        pt, en = "marcador desconhecido `{}`; há {}", "unknown placeholder `{}`; there are {}"
        faults = [FieldError("/content", pt.format(name, known), en.format(name, known)) for name in unknown]
        raise ValidationFailed(errors=faults)


async def _tell(call: Call, reply: UUID) -> None:
    await call.rails.feed.append(call.tx, [Event("quick-replies:updated", None, {"id": reply})])


async def _taken(tx: Tx, shortcut: str) -> Conflict:
    other = await tx.value(_sql.id_of, shortcut=shortcut)
    return Conflict("Este atalho já é usado.", "This shortcut is taken.", existingId=str(other))


_PATH = "/api/quick-replies"
_ONE = f"{_PATH}/{{id}}"
routes = [
    Door(method="GET", path=_PATH, handler=page, role=ATTENDANT, query=RepliesQuery, answer=Page[ReplyRow]),
    Door(
        method="POST",
        path=_PATH,
        handler=create,
        role=ATTENDANT,
        body=Create,
        answer=ReplyRow,
        status=201,
    ),
    Door(method="PATCH", path=_ONE, handler=patch, role=ATTENDANT, body=Patch, answer=ReplyRow),
    Door(method="DELETE", path=_ONE, handler=delete, role=ATTENDANT, status=204),
    Door(method="POST", path=f"{_ONE}/render", handler=render, role=ATTENDANT, body=Render, answer=Rendered),
]
