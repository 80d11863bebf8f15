"""The file of a multipart form: spooled to the disk as it comes, refused as soon as it is too large or too slow."""

import asyncio
from collections.abc import AsyncGenerator

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from crm.core.errors import BodyTooSlow, MalformedBody, PayloadTooLarge, UnsupportedMediaType, invalid

SILENT_SECONDS, UPLOAD_SECONDS = 15, 600  # an upload that stands still; one that drips
_AROUND = 64 * 1024  # bytes of a form beyond its file: boundaries, headers


async def file_of(request: Request, largest: int) -> UploadFile:
    """The form's `file`, of at most `largest` bytes, on disk beyond a megabyte. The caller closes it.

    Raises MalformedBody, ValidationFailed, PayloadTooLarge, UnsupportedMediaType, BodyTooSlow.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise UnsupportedMediaType("Envie um formulário multipart/form-data.", "Send a multipart/form-data form.")
    coming = _coming(request, largest + _AROUND)
    parser = MultiPartParser(request.headers, coming, max_files=1, max_fields=4)
    try:
        async with asyncio.timeout(UPLOAD_SECONDS):
            form = await parser.parse()
    except MultiPartException as error:
        raise MalformedBody("O formulário não pode ser lido.", "The form cannot be read.") from error
    except TimeoutError as error:
        raise BodyTooSlow from error
    found = form.get("file")
    if isinstance(found, UploadFile) and found.size:
        return found
    await form.close()
    raise invalid("/file", "envie um arquivo que não seja vazio", "send a file that is not empty")


async def _coming(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    """The body as it comes, refused as soon as it is longer than `limit` bytes or stands still."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise PayloadTooLarge
    size, stream = 0, request.stream()
    while True:
        async with asyncio.timeout(SILENT_SECONDS):
            piece = await anext(stream, None)
        if piece is None:
            return
        size += len(piece)
        if size > limit:
            raise PayloadTooLarge
        yield piece
