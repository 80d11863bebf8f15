"""The doors of one contact: added, shown, changed, deleted, made one with another."""

from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from crm import audit
from crm.contacts import attributes, merging
from crm.contacts.knowing import hold
from crm.contacts.phones import match_key, typed_phone
from crm.contacts.shapes import (
    Add,
    Change,
    ChangedRow,
    ContactOut,
    ContactRow,
    MergeOut,
    TakenRow,
    WholeContactOut,
    merge_shown,
    shown,
    updated,
    whole,
)
from crm.core import sql
from crm.core.access import ATTENDANT
from crm.core.errors import Conflict, NotFound
from crm.core.feed import Event
from crm.core.fields import normal_email
from crm.core.http import Call, Door

_sql = sql.load("contacts")


async def add(call: Call) -> ContactOut:
    """A new contact. Raises Conflict with existingId when the phone is somebody's, ValidationFailed."""
    new: Add = call.body
    tx, phone = call.tx, typed_phone(new.phone, "/phone")
    await attributes.check(tx, new.attributes, {})
    await hold(tx)
    key = match_key(phone)
    row = await tx.maybe(
        _sql.add,
        ContactRow,
        phone=phone,
        name=new.name,
        email=new.email and normal_email(new.email),
        language=new.language,
        tags=_once(new.tags),
        attributes={key: value for key, value in new.attributes.items() if value is not None},
        blocked=new.blocked,
        opted_out=new.marketing_opt_out,
        match_key=key,
    )
    if row is None:
        known = await tx.value(_sql.holder, match_key=key)
        raise Conflict(
            "Já existe um contato com este telefone.", "A contact has this phone.", existingId=str(known)
        )
    await audit.note(call, tx, "contact.added", row.id)
    await call.rails.feed.append(tx, [updated(row)])
    return shown(row)


def _once(tags: list[str]) -> list[str]:
    """Each tag once, in the order given."""
    return list(dict.fromkeys(tags))


async def get(call: Call) -> WholeContactOut:
    """One contact, with whom it took in. Raises NotFound."""
    return await _whole(call, call.id())


async def _whole(call: Call, contact: UUID) -> WholeContactOut:
    row = await merging.found(call.tx, contact)
    return whole(row, await call.tx.many(_sql.taken, TakenRow, id=row.id))


async def change(call: Call) -> WholeContactOut:
    """Change what is given. Raises NotFound, ValidationFailed, Conflict (it was merged into another)."""
    tx, contact = call.tx, call.id()
    given = _given(call.body)
    await hold(tx)  # what comes in meanwhile is of a blocked contact, or of one that is not
    known = await merging.found(tx, contact)
    await attributes.check(tx, given.get("attributes", {}), known.attributes)
    if into := known.merged_into:
        raise Conflict(
            "Este contato faz parte de outro: altere aquele.",
            "This contact is part of another: change that one.",
            existingId=str(into),
        )
    row = await tx.maybe(_sql.change, ChangedRow, id=contact, given=given)
    if row is None:
        raise NotFound
    if row.blocked != row.was_blocked:
        await audit.note(call, tx, "contact.blocked" if row.blocked else "contact.unblocked", contact)
    answer = await _whole(call, contact)
    await call.rails.feed.append(tx, [updated(await merging.found(tx, contact))])
    return answer


def _given(new: Change) -> dict[str, Any]:
    """The fields that a body named, as the statement takes them."""
    given = {name: value for name, value in msgspec.structs.asdict(new).items() if value is not msgspec.UNSET}
    if given.get("email"):
        given["email"] = normal_email(given["email"])
    if "tags" in given:
        given["tags"] = _once(given["tags"])
    return given


async def remove(call: Call) -> None:
    """Delete a contact that nobody talked with. Raises NotFound, Conflict."""
    contact = call.id()
    await hold(call.tx)  # whoever finds it begins a conversation with it
    try:
        gone = await call.tx.count(_sql.remove, id=contact)
    except (asyncpg.RestrictViolationError, asyncpg.ForeignKeyViolationError) as error:  # a hidden conversation
        raise _in_use() from error
    if not gone:
        await merging.found(call.tx, contact)
        raise _in_use()
    await audit.note(call, call.tx, "contact.deleted", contact)


def _in_use() -> Conflict:
    return Conflict(
        "Este contato tem conversas ou outro contato unido a ele: bloqueie-o, ou apague os dados pessoais.",
        "This contact has conversations, or another is part of it: block it, or erase its personal data.",
    )


async def merge(call: Call) -> ContactOut:
    """Make a contact part of another: its conversations and identities move there. Raises NotFound, Conflict.

    The caller holds the tenant's door.
    """
    tx, into = call.tx, call.body.into_id
    gone, survivor = await merging.found(tx, call.id()), await merging.found(tx, into)
    if gone.id == survivor.id or gone.merged_into or survivor.merged_into:
        raise Conflict(
            "Estes contatos não podem ser unidos: um deles já faz parte de outro, ou são o mesmo.",
            "These contacts cannot be merged: one is part of another already, or they are the same.",
            existingId=str(gone.merged_into or survivor.merged_into or survivor.id),
        )
    async with tx.seeing_all():  # also what the caller does not see moves: the person is one for all
        await merging.merge(tx, gone.id, survivor.id, "a person said so", call.who.user)
    await call.rails.feed.append(tx, await merging.told(tx, [survivor.id]))
    await audit.note(call, tx, "contact.merged", survivor.id, fromId=str(gone.id))
    return shown(await merging.found(tx, survivor.id))


async def unmerge(call: Call) -> tuple[MergeOut, list[Event]]:
    """Undo the last merge of a contact, and what is to be told of both. Raises NotFound, Conflict.

    The caller holds the tenant's door.
    """
    async with call.tx.seeing_all():
        row, events = await merging.unmerge(call.tx, call.id())
    await audit.note(call, call.tx, "contact.unmerged", row.into_id, fromId=str(row.from_id))
    return merge_shown(row), events


_ONE = "/api/contacts/{id}"
routes = [
    Door(
        method="POST",
        path="/api/contacts",
        handler=add,
        role=ATTENDANT,
        body=Add,
        answer=ContactOut,
        status=201,
    ),
    Door(method="GET", path=_ONE, handler=get, role=ATTENDANT, answer=WholeContactOut),
    Door(method="DELETE", path=_ONE, handler=remove, role=ATTENDANT, status=204),
]
