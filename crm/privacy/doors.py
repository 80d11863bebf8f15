"""The doors of privacy: a person's data as a file, and a person erased."""

import msgspec
from starlette.responses import Response, StreamingResponse

from crm import audit
from crm.core.access import TENANT_ADMIN
from crm.core.http import Call, Door, Raw
from crm.privacy import erasing, telling
from crm.privacy.shapes import Receipt


async def tell(call: Call) -> Response:
    """Everything known of a person, as a zip. Raises NotFound."""
    contact = call.id()
    async with call.opened() as tx:
        await erasing.family(tx, contact)
        await audit.note(call, tx, "contact.told", contact)
    file = await telling.packed(call, contact)
    headers = {
        "Content-Disposition": 'attachment; filename="dados-pessoais.zip"',
        "Content-Length": str(telling.size_of(file)),
        "Cache-Control": "no-store",
    }
    return StreamingResponse(telling.pieces(file), headers=headers, media_type="application/zip")


async def erase(call: Call) -> Receipt:
    """Erase a person for good; again, the first receipt. Raises NotFound."""
    receipt, events = await erasing.erase(call.tx, call.id())
    if events:
        await audit.note(call, call.tx, "contact.erased", call.id(), **msgspec.to_builtins(receipt))
    await call.rails.feed.append(call.tx, events)
    return receipt


routes = [
    Door(
        method="GET",
        path="/api/contacts/{id}/personal-data",
        handler=tell,
        role=TENANT_ADMIN,
        answer=Raw(("application/zip",)),
        own_tx=True,
    ),
    Door(method="POST", path="/api/contacts/{id}/erase", handler=erase, role=TENANT_ADMIN, answer=Receipt),
]
