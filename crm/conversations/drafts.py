"""What a person has begun to write in a conversation: kept here, so that it is there on the other screen too."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from crm.conversations.keeping import found
from crm.core import sql
from crm.core.access import ATTENDANT
from crm.core.errors import Forbidden
from crm.core.http import Call, Door
from crm.core.page import Stamp, maybe_stamp

_sql = sql.load("drafts")


class DraftRow(msgspec.Struct, frozen=True):
    """A draft as stored."""

    content: str
    updated_at: datetime


class DraftOut(msgspec.Struct, frozen=True, rename="camel"):
    """A draft; empty, and of no time, where nothing was begun."""

    content: str
    updated_at: Stamp | None


class Keep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to keep; nothing, to forget it."""

    content: Annotated[str, msgspec.Meta(max_length=4096)]


async def get(call: Call) -> DraftOut:
    """The own draft here. Raises NotFound."""
    await found(call.tx, call.id())
    row = await call.tx.maybe(_sql.get, DraftRow, person=call.who.user, conversation=call.id())
    return DraftOut("", None) if row is None else DraftOut(row.content, maybe_stamp(row.updated_at))


async def put(call: Call) -> DraftOut:
    """Keep what was begun; the last one told wins. Raises NotFound, Forbidden."""
    keep: Keep = call.body
    _check(call)
    await found(call.tx, call.id())
    if not keep.content:
        await _forget(call, call.id())
        return DraftOut("", None)
    place = {"person": call.who.user, "conversation": call.id()}
    row = await call.tx.one(_sql.put, DraftRow, content=keep.content, **place)
    return DraftOut(row.content, maybe_stamp(row.updated_at))


async def delete(call: Call) -> None:
    """Forget it. Raises NotFound."""
    await found(call.tx, call.id())
    await _forget(call, call.id())


async def _forget(call: Call, conversation: UUID) -> None:
    await call.tx.count(_sql.forget, person=call.who.user, conversation=conversation)


def _check(call: Call) -> None:
    if call.who.visiting:
        raise Forbidden("O suporte não guarda rascunhos.", "Support staff keep no drafts.")


_PATH = "/api/conversations/{id}/draft"
routes = [
    Door(method="GET", path=_PATH, handler=get, role=ATTENDANT, answer=DraftOut),
    Door(method="PUT", path=_PATH, handler=put, role=ATTENDANT, body=Keep, answer=DraftOut),
    Door(method="DELETE", path=_PATH, handler=delete, role=ATTENDANT, status=204),
]
