"""Two contacts that prove to be one: merged with a record of what moved, so that it can be undone."""

from collections.abc import Iterable
from uuid import UUID

import asyncpg
import msgspec

from crm.contacts.shapes import ContactRow, MadeRow, MergeRow, updated
from crm.core import sql
from crm.core.errors import Conflict, NotFound
from crm.core.feed import Event
from crm.core.tx import Tx

_sql, _merging = sql.load("contacts"), sql.load("merging")

FILLED = ("wa_id", "bsuid", "profile_name", "username")  # what the survivor takes over where it has none


class MovedRow(msgspec.Struct, frozen=True):
    """A conversation that moved, with the status and the unread it had."""

    id: UUID
    status: str
    unread: int


class NowRow(msgspec.Struct, frozen=True):
    """Into whom a contact was merged."""

    merged_into: UUID | None


class IdentityRow(msgspec.Struct, frozen=True):
    """An identity that moved."""

    kind: str
    value: str


async def merge(tx: Tx, gone: UUID, survivor: UUID, why: str, by: UUID | None = None) -> None:
    """Everything of `gone` becomes the survivor's; where both have an open conversation, that of `gone` is closed.

    What was unread in that is the survivor's to be read. How all of it stands now is the caller's to tell.
    The caller holds the tenant's door. Raises Conflict.
    """
    await tx.none(_merging.still, ids=[gone, survivor])
    if not await tx.count(_merging.hide, gone=gone, survivor=survivor):
        raise Conflict(
            "Estes contatos não podem ser unidos: um já faz parte de outro, foi apagado, ou só um é um grupo.",
            "These contacts cannot be merged: one is part of another, was erased, or only one is a group.",
        )
    conversations = await tx.many(_merging.move_conversations, MovedRow, gone=gone, survivor=survivor)
    identities = await tx.many(_merging.move_identities, IdentityRow, gone=gone, survivor=survivor)
    stays = [row.id for row in await tx.many(_merging.move_stays, MadeRow, gone=gone, survivor=survivor)]
    await tx.none(_merging.look_at_stays, contact=gone)
    filled = await tx.value(_merging.fill, gone=gone, survivor=survivor)
    moved = {"conversations": conversations, "identities": identities, "stays": stays, "filled": filled or []}
    await tx.none(_merging.merged, gone=gone, survivor=survivor, why=why, by_user=by, moved=moved)


async def unmerge(tx: Tx, gone: UUID) -> tuple[MergeRow, list[Event]]:
    """Undo the last merge of a contact: what had moved and is still the survivor's goes back.

    What changed since stays as it is. The last merge is undone first: of a survivor that was merged itself, nobody
    can tell what was whose.
    Raises NotFound, Conflict.
    """
    into = (await found(tx, gone)).merged_into
    for each in (gone, into):  # before their stays, in the order of `now_is`
        await tx.none(_merging.still, ids=[each])
    row = await tx.maybe(_merging.undo, MergeRow, gone=gone)
    if row is None:
        raise Conflict("Este contato não está unido a outro.", "This contact is not merged into another.")
    survivor = await found(tx, row.into_id)
    if survivor.merged_into:
        raise Conflict(
            "Desfaça antes a união mais recente: o contato a que este foi unido faz parte de outro.",
            "Undo the later merge first: the contact that this one was merged into is part of another.",
            existingId=str(survivor.id),
        )
    await _return_conversations(tx, row)
    identities = row.moved["identities"]
    await tx.none(
        _merging.return_identities,
        gone=gone,
        survivor=survivor.id,
        kinds=[one["kind"] for one in identities],
        values=[one["value"] for one in identities],
    )
    stays = [UUID(one) for one in row.moved.get("stays", [])]
    await tx.none(_merging.return_stays, gone=gone, survivor=survivor.id, ids=stays)
    for each in (gone, survivor.id):
        await tx.none(_merging.look_at_stays, contact=each)
    await tx.none(_merging.empty, id=survivor.id, gone=gone, names=row.moved["filled"], at=row.created_at)
    return row, await told(tx, [row.into_id, gone])


async def _return_conversations(tx: Tx, row: MergeRow) -> None:
    conversations = row.moved["conversations"]
    try:
        await tx.none(
            _merging.return_conversations,
            gone=row.from_id,
            survivor=row.into_id,
            ids=[UUID(one["id"]) for one in conversations],
            statuses=[one["status"] for one in conversations],
            unreads=[one.get("unread", 0) for one in conversations],
            at=row.created_at,
        )
    except asyncpg.UniqueViolationError as error:
        raise Conflict(
            "Este contato já tem outra conversa aberta no mesmo número: encerre-a antes.",
            "This contact has another open conversation over the same number: close it first.",
        ) from error


async def found(tx: Tx, contact: UUID) -> ContactRow:
    """The contact that must be there. Raises NotFound."""
    row = await tx.maybe(_sql.get, ContactRow, id=contact)
    if row is None:
        raise NotFound
    return row


async def now_is(tx: Tx, contact: UUID) -> UUID:
    """Who a contact is now, after all merges; it stays so until the commit. Raises NotFound."""
    row = await tx.maybe(_sql.now_is, NowRow, id=contact)
    if row is None:
        raise NotFound
    return contact if row.merged_into is None else await now_is(tx, row.merged_into)


async def told(tx: Tx, people: Iterable[UUID]) -> list[Event]:
    """How these contacts stand now, each once."""
    return [updated(await found(tx, contact)) for contact in dict.fromkeys(people)]
