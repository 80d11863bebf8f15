"""What customers see of reading and typing (Meta: read marks): jobs of the worker, lost without harm."""

import logging
from typing import Any
from uuid import UUID

import msgspec

from crm import channels
from crm.core import sql
from crm.core.meta import MetaError
from crm.core.rails import Rails

log = logging.getLogger(__name__)
_sql = sql.load("read_marks")
_REMEMBERED = 24 * 3600  # seconds for which the same message is not marked again


class ReadMarkRow(msgspec.Struct, frozen=True):
    """The newest message of a customer, and the number it came over."""

    wamid: str
    phone_number_id: str
    access_token: bytes


async def read(rails: Rails, tenant: UUID, conversation: UUID) -> None:
    """The customer sees that all is read, once for each newest message."""
    row = await _newest(rails, tenant, conversation, typing=False)
    key = f"crm:read:{conversation}"
    if row is None or await rails.redis.get(key) == row.wamid.encode():
        return
    if await _tell(rails, tenant, row):
        await rails.redis.set(key, row.wamid, ex=_REMEMBERED)


async def typing(rails: Rails, tenant: UUID, conversation: UUID) -> None:
    """The customer sees for 25 seconds that somebody types; Meta marks as read with it."""
    row = await _newest(rails, tenant, conversation, typing=True)
    if row is not None:
        await _tell(rails, tenant, row, typing_indicator={"type": "text"})


async def _newest(rails: Rails, tenant: UUID, conversation: UUID, typing: bool) -> ReadMarkRow | None:
    async with rails.db.tenant(tenant) as tx:
        return await tx.maybe(_sql.newest, ReadMarkRow, conversation=conversation, typing=typing)


async def _tell(rails: Rails, tenant: UUID, row: ReadMarkRow, **more: Any) -> bool:
    """Whether Meta took it: what it refuses harms nobody, and sends go on by themselves."""
    body = {"messaging_product": "whatsapp", "status": "read", "message_id": row.wamid, **more}
    try:
        token = channels.opened(rails.box, tenant, row.access_token)
        await rails.graph.ask("POST", f"{row.phone_number_id}/messages", token, body)
    except MetaError as error:
        log.info("a mark was not taken", extra={"why": str(error)})
        return False
    return True
