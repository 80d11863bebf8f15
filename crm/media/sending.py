"""Media going out: uploaded to Meta once for each channel and content, and named by Meta's id."""

import asyncio
import tempfile
from typing import IO
from uuid import UUID
from weakref import WeakValueDictionary

from crm import channels
from crm.channels import SenderRow
from crm.core import meta_media, sql
from crm.core.errors import NotFound, Unavailable
from crm.core.meta import MetaError
from crm.core.meta_errors import PERMANENT, TRANSIENT
from crm.core.rails import Rails
from crm.core.store import key_of
from crm.media import names
from crm.media.shapes import UploadRow

_sql = sql.load("media")
_uploading: WeakValueDictionary[tuple[UUID, bytes], asyncio.Lock] = WeakValueDictionary()


async def graph_id(rails: Rails, tenant: UUID, media: UUID, sender: SenderRow) -> str:
    """Meta's id of a file over a channel: known for 29 days, else uploaded now (Meta: media).

    Raises MetaError: permanent when there is no such file, transient when the store is away.
    """
    row = await _known(rails, tenant, media, sender)
    if row.graph_id is not None:
        return row.graph_id
    # A campaign begins in many lanes at once: the first uploads, the others wait for its id.
    lock = _uploading.setdefault((sender.id, row.sha256), asyncio.Lock())
    async with lock:
        row = await _known(rails, tenant, media, sender)
        return row.graph_id or await _upload(rails, tenant, sender, row)


async def upload_again(rails: Rails, tenant: UUID, media: UUID, channel: UUID) -> bool:
    """Whether an old upload of this file was forgotten, so that the next try makes a new one."""
    async with rails.db.tenant(tenant) as tx:
        return bool(await tx.count(_sql.upload_again, id=media, channel=channel))


async def _known(rails: Rails, tenant: UUID, media: UUID, sender: SenderRow) -> UploadRow:
    async with rails.db.tenant(tenant) as tx:
        row = await tx.maybe(_sql.uploadable, UploadRow, id=media, channel=sender.id)
    if row is None:
        raise MetaError(PERMANENT, None, "the file is not there")
    return row


async def _upload(rails: Rails, tenant: UUID, sender: SenderRow, row: UploadRow) -> str:
    token = channels.token(rails.box, tenant, sender)
    with tempfile.TemporaryFile() as file:
        await _copy(rails, tenant, row, file)
        new = meta_media.Upload(f"file{names.ending(row.mime_type)}", row.mime_type, file)
        found = await meta_media.upload(rails.graph, sender.phone_number_id, token, new)
    over = {"channel": sender.id, "number": sender.phone_number_id}
    async with rails.db.tenant(tenant) as tx:
        await tx.none(_sql.uploaded, **over, sha256=row.sha256, mime_type=row.mime_type, graph_id=found)
    return found


async def _copy(rails: Rails, tenant: UUID, row: UploadRow, file: IO[bytes]) -> None:
    """The file out of the store. Raises MetaError."""
    try:
        async for piece in await rails.store.read(key_of(tenant, row.sha256), 0, row.size):
            await asyncio.to_thread(file.write, piece)
    except NotFound as error:
        raise MetaError(PERMANENT, None, "the file is not in the store") from error
    except Unavailable as error:
        raise MetaError(TRANSIENT, None, "the store is away") from error
