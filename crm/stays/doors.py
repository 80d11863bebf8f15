"""The doors of a contact's stays: put by the hotel's own system as often as it likes, listed, deleted."""

import re
from collections.abc import Sequence
from uuid import UUID

from crm import audit, contacts, messages
from crm.core import sql
from crm.core.access import ATTENDANT
from crm.core.errors import NotFound, invalid
from crm.core.feed import Event
from crm.core.http import Call, Door
from crm.stays.shapes import PlannedRow, Put, StayOut, StayRow, Stays, shown

_sql = sql.load("stays")
_CODE = re.compile(r"(?=.*\S)[^\x00-\x1f\x7f]{1,100}")


async def put(call: Call) -> StayOut:
    """Add or change a stay; the same again changes and tells nothing. Raises NotFound, ValidationFailed."""
    new: Put = call.body
    contact = await contacts.now_is(call.tx, call.id())
    code = _code(call)
    row = await call.tx.maybe(
        _sql.put,
        StayRow,
        contact=contact,
        code=code,
        check_in=new.check_in,
        check_out=new.check_out,
        room=new.room,
        language=new.language,
        status=new.status,
    )
    if row is None:
        return shown(await _found(call, contact, code))
    await _tell(call, row.contact_id)
    return shown(row)


def _code(call: Call) -> str:
    code = str(call.request.path_params["code"])
    if not _CODE.fullmatch(code):
        raise invalid("/code", "1 a 100 caracteres visíveis", "1 to 100 visible characters")
    return code


async def _found(call: Call, contact: UUID, code: str) -> StayRow:
    row = await call.tx.maybe(_sql.get, StayRow, contact=contact, code=code)
    if row is None:
        raise NotFound
    return row


async def _tell(call: Call, contact: UUID, before: Sequence[Event] = ()) -> None:
    """Who shows the contact reads its stays again."""
    event = contacts.updated(await contacts.found(call.tx, contact))
    await call.rails.feed.append(call.tx, [*before, event])


async def page(call: Call) -> Stays:
    """A contact's stays, the latest arrival first. Raises NotFound."""
    contact = await contacts.now_is(call.tx, call.id())
    return Stays([shown(row) for row in await call.tx.many(_sql.of, StayRow, contact=contact)])


async def remove(call: Call) -> None:
    """Delete a stay, and call off its messages. It is held first, as by whoever plans it. Raises NotFound."""
    contact = await contacts.now_is(call.tx, call.id())
    stay = await call.tx.value(_sql.hold, contact=contact, code=_code(call))
    if stay is None:
        raise NotFound
    events: list[Event] = []
    async with call.tx.seeing_all():  # whoever has the guest's conversation: nobody is to be written to
        for planned in await call.tx.many(_sql.sends_of, PlannedRow, id=stay):
            events += await messages.call_off(call.tx, planned.message_id)
    await call.tx.count(_sql.remove, id=stay)
    await audit.note(call, call.tx, "stay.deleted", contact, stayId=str(stay))
    await _tell(call, contact, events)


_ONE = "/api/contacts/{id}/stays/{code}"
routes = [
    Door(method="GET", path="/api/contacts/{id}/stays", handler=page, role=ATTENDANT, answer=Stays),
    Door(method="PUT", path=_ONE, handler=put, role=ATTENDANT, body=Put, answer=StayOut, slashes=True),
    Door(method="DELETE", path=_ONE, handler=remove, role=ATTENDANT, status=204, slashes=True),
]
