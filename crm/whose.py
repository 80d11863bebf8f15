"""Contacts unblocked, made one and taken apart: who sees their conversations is told how these stand now."""

from uuid import UUID

import msgspec

from crm import contacts, conversations
from crm.contacts import Change, ContactOut, Merge, MergeOut, WholeContactOut
from crm.core import sql
from crm.core.access import ATTENDANT
from crm.core.errors import Forbidden
from crm.core.http import Call, Door

_sql = sql.load("whose")


class WhoseRow(msgspec.Struct, frozen=True):
    """A conversation of the contact."""

    id: UUID


async def change(call: Call) -> WholeContactOut:
    """Change what is given; unblocked, its conversations show again. Raises NotFound, ValidationFailed."""
    await contacts.hold(call.tx)  # what comes in meanwhile is of a blocked contact, or of one that is not
    new: Change = call.body
    comes_back = new.blocked is False and (await contacts.found(call.tx, call.id())).blocked
    if comes_back:  # first: the change is told, and nobody waits for a conversation who holds the feed
        async with call.tx.seeing_all():
            await call.tx.none(_sql.reveal, contact=call.id())
    answer = await contacts.change(call)
    if comes_back:
        await _tell(call, [answer.id])
    return answer


async def merge(call: Call) -> ContactOut:
    """Make a contact part of another. Raises NotFound, Conflict, Forbidden.

    What one of them writes next may come into the other's open conversation: who is to merge sees them all.
    """
    new: Merge = call.body
    await contacts.hold(call.tx)
    await _all_seen(call, [call.id(), new.into_id])
    answer = await contacts.merge_asked(call)
    await _tell(call, [answer.id])
    return answer


async def _all_seen(call: Call, people: list[UUID]) -> None:
    seen = await call.tx.many(_sql.open_with, WhoseRow, contacts=people)
    async with call.tx.seeing_all():
        there = await call.tx.many(_sql.open_with, WhoseRow, contacts=people)
    if len(seen) < len(there):
        raise Forbidden(
            "Um destes contatos tem uma conversa aberta que você não vê: peça a quem a atende, ou à administração.",
            "One of these contacts has an open conversation that you do not see: ask who has it, or an admin.",
        )


async def unmerge(call: Call) -> MergeOut:
    """Undo the last merge of a contact; of who is blocked no longer the conversations show again.

    Raises NotFound, Conflict.
    """
    await contacts.hold(call.tx)  # what comes in meanwhile is of a blocked contact, or of one that is not
    into = (await contacts.found(call.tx, call.id())).merged_into
    hidden = into is not None and (await contacts.found(call.tx, into)).blocked
    answer, events = await contacts.unmerge_asked(call)
    for contact in (answer.into_id, answer.from_id) if hidden else ():
        await _show_again(call, contact)
    await call.rails.feed.append(call.tx, events)  # last: nobody waits for a conversation who holds the feed
    await _tell(call, [answer.from_id, answer.into_id])
    return answer


async def _show_again(call: Call, contact: UUID) -> None:
    """The list shows what a contact wrote while the merge had it blocked, unless it is so by itself."""
    if not (await contacts.found(call.tx, contact)).blocked:
        async with call.tx.seeing_all():
            await call.tx.none(_sql.reveal, contact=contact)


async def _tell(call: Call, people: list[UUID]) -> None:
    """Told of all, also of what the caller does not see: each socket gets what its own person sees."""
    async with call.tx.seeing_all():
        events = await conversations.standing(call.tx, people)
    await call.rails.feed.append(call.tx, events)


_ONE = "/api/contacts/{id}"
routes = [
    Door(method="PATCH", path=_ONE, handler=change, role=ATTENDANT, body=Change, answer=WholeContactOut),
    Door(method="POST", path=f"{_ONE}/merge", handler=merge, role=ATTENDANT, body=Merge, answer=ContactOut),
    Door(method="POST", path=f"{_ONE}/unmerge", handler=unmerge, role=ATTENDANT, answer=MergeOut),
]
