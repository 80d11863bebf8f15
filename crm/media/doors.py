"""The doors of media: upload a file, see one, its small picture, and ask for a failed one again."""

from functools import partial
from typing import Any
from uuid import UUID, uuid4

import msgspec
from starlette.datastructures import UploadFile
from starlette.responses import Response

from crm import audit
from crm.core import form, http, idempotency, sql
from crm.core.access import ATTENDANT, TENANT_ADMIN
from crm.core.errors import Conflict, MediaNotReady, NotFound, PayloadTooLarge, UnsupportedMediaType
from crm.core.http import Call, Door, Raw
from crm.core.store import key_of
from crm.media import fetching, gate, keeping, names, sniffing
from crm.media.look import Look, look
from crm.media.serving import Asked, File, served
from crm.media.shapes import LARGEST, MediaOut, MediaRow, kind_of, limit_of, thumbnail_key_of

_sql = sql.load("media")


async def upload(call: Call) -> Response:
    """Keep a file to send.

    Raises MalformedBody, ValidationFailed, PayloadTooLarge, UnsupportedMediaType, RateLimited.
    """
    async with call.opened():  # a token outlives its session: who may not come in uploads nothing
        pass
    with gate.taken(call.place):
        file = await form.file_of(call.request, LARGEST)
        try:
            seen = await call.rails.look(partial(look, file.file))
            _check(seen)
            return await _kept(call, seen, file)
        finally:
            await file.close()


async def _kept(call: Call, seen: Look, file: UploadFile) -> Response:
    """The same bytes under the same name and key are the same file."""
    filename, key = names.clean(file.filename), idempotency.key(call.request.headers, None)
    put = uuid4()
    async with keeping.kept(call.rails, call.place, put, seen, file.file), call.opened() as tx:

        async def made() -> Response:
            media = await tx.value(_sql.keep, filename=filename, **fetching.facts(seen))
            await keeping.named(tx, put, seen.sha256)
            answer = MediaOut(media, seen.sniffed.mime_type, seen.size)
            return http.json_response(msgspec.json.encode(answer), 201)

        what = seen.sha256 + (filename or "").encode()
        return await made() if key is None else await http.once(call, tx, key, what, made)


def _check(seen: Look) -> None:
    """Type and size as Meta takes them, by the bytes. Raises UnsupportedMediaType, PayloadTooLarge."""
    mime = seen.sniffed.mime_type
    kind = kind_of(mime)
    if kind is None:
        raise UnsupportedMediaType(f"O WhatsApp não aceita {mime}.", f"WhatsApp does not take {mime}.")
    if mime == sniffing.OPUS and seen.sniffed.channels != 1:
        raise UnsupportedMediaType("O WhatsApp só aceita Opus mono.", "WhatsApp takes mono Opus only.")
    limit = limit_of(kind, seen.sniffed.animated)
    if seen.size > limit:
        most = f"{limit // 1024} KB" if limit < 1024 * 1024 else f"{limit // (1024 * 1024)} MB"
        raise PayloadTooLarge(f"Para este tipo o limite é {most}.", f"The limit for this type is {most}.")


async def get(call: Call) -> Response:
    """The bytes. Raises NotFound, MediaNotReady."""
    row = await _ready(call)
    if row.sha256 is None:
        raise NotFound
    file = File(row.mime_type, row.filename, row.size or 0, row.sha256.hex())
    return await served(call.request, file, partial(call.rails.store.read, key_of(call.place, row.sha256)))


async def thumbnail(call: Call) -> Response:
    """A small picture, as webp. Raises NotFound (there is none), MediaNotReady."""
    row = await _ready(call)
    if not row.has_thumbnail or row.sha256 is None:
        raise NotFound
    key = thumbnail_key_of(call.place, row.sha256)
    size = await call.rails.store.size(key)
    file = File("image/webp", None, size, f"{row.sha256.hex()}-small")
    return await served(call.request, file, partial(call.rails.store.read, key))


async def _ready(call: Call) -> MediaRow:
    async with call.opened() as tx:
        row = await tx.maybe(_sql.get, MediaRow, id=call.id())
    if row is None or row.state == "DELETED":
        raise NotFound
    if row.state != "READY":
        raise MediaNotReady(state=row.state)
    return row


async def retry(call: Call) -> dict[str, Any]:
    """Ask Meta for failed media once more; as the message shows it. Raises NotFound, Conflict (not FAILED)."""
    media = call.id()
    shown = await call.tx.value(_sql.again, id=media)
    if shown is None:
        row = await call.tx.maybe(_sql.get, MediaRow, id=media)
        if row is None:
            raise NotFound
        raise Conflict("Esta mídia não falhou.", "This media has not failed.", state=row.state)
    await fetching.announce(call.rails, call.tx, media)
    return dict(shown)


async def delete(call: Call) -> None:
    """Delete a file for good, then take it off the messages that carry it; again does no harm. Raises NotFound."""
    media = call.id()
    async with call.opened() as tx:
        if await tx.maybe(_sql.get, MediaRow, id=media) is None:
            raise NotFound
        await keeping.end(tx, [media])
        await audit.note(call, tx, "media.deleted", media)
    while await _blanked(call, media):
        pass


async def _blanked(call: Call, media: UUID) -> bool:
    """Take it off the next messages, and tell of them; whether there may be more."""
    async with call.opened() as tx:
        events = await keeping.blanked(tx, [media])
        await call.rails.feed.append(tx, events)
    return len(events) == keeping.AT_ONCE


_BYTES = Raw(("*/*",))
_file = partial(
    Door,
    method="GET",
    role=ATTENDANT,
    headers=Asked,
    answer=_BYTES,
    also=((206, _BYTES), (304, None)),
    own_tx=True,
)
routes = [
    Door(
        method="POST",
        path="/api/media",
        handler=upload,
        role=ATTENDANT,
        form=True,
        own_tx=True,
        keyed=True,
        answer=MediaOut,
        status=201,
    ),
    _file(path="/api/media/{id}", handler=get),
    _file(path="/api/media/{id}/thumbnail", handler=thumbnail),
    Door(
        method="DELETE",
        path="/api/media/{id}",
        handler=delete,
        role=TENANT_ADMIN,
        status=204,
        own_tx=True,
    ),
    Door(method="POST", path="/api/media/{id}/retry", handler=retry, role=ATTENDANT, answer=dict[str, Any]),
]
