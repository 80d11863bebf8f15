"""The doors of contacts: one, and making two into one."""

from crm import audit
from crm.contacts import merging
from crm.contacts.knowing import hold
from crm.contacts.shapes import ContactOut, Merge, MergeOut, merge_shown, shown
from crm.core.access import ATTENDANT
from crm.core.errors import Conflict
from crm.core.http import Call, Door


async def get(call: Call) -> ContactOut:
    """One contact. Raises NotFound."""
    return shown(await merging.found(call.tx, call.id()))


async def merge(call: Call) -> ContactOut:
    """Make a contact part of another: its conversations and identities move there. Raises NotFound, Conflict."""
    tx, into = call.tx, call.body.into_id
    await hold(tx)
    gone, survivor = await merging.found(tx, call.id()), await merging.found(tx, into)
    if gone.id == survivor.id or gone.merged_into or survivor.merged_into or gone.is_group != survivor.is_group:
        raise Conflict(
            "Estes contatos não podem ser unidos: um deles já faz parte de outro, ou são o mesmo.",
            "These contacts cannot be merged: one is part of another already, or they are the same.",
            existingId=str(gone.merged_into or survivor.merged_into or survivor.id),
        )
    events = await merging.merge(tx, gone.id, survivor.id, "a person said so", call.who.user)
    await call.rails.feed.append(tx, events)
    await audit.note(call, tx, "contact.merged", survivor.id, fromId=str(gone.id))
    return shown(await merging.found(tx, survivor.id))


async def unmerge(call: Call) -> MergeOut:
    """Undo the last merge of a contact. Raises NotFound, Conflict."""
    await hold(call.tx)
    row, events = await merging.unmerge(call.tx, call.id())
    await call.rails.feed.append(call.tx, events)
    await audit.note(call, call.tx, "contact.unmerged", row.into_id, fromId=str(row.from_id))
    return merge_shown(row)


routes = [
    Door(method="GET", path="/api/contacts/{id}", handler=get, role=ATTENDANT, answer=ContactOut),
    Door(
        method="POST",
        path="/api/contacts/{id}/merge",
        handler=merge,
        role=ATTENDANT,
        body=Merge,
        answer=ContactOut,
    ),
    Door(method="POST", path="/api/contacts/{id}/unmerge", handler=unmerge, role=ATTENDANT, answer=MergeOut),
]
