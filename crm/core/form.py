"""A file, in a multipart form or alone: spooled to the disk as it comes, refused when too large or too slow."""

import asyncio
from collections.abc import AsyncGenerator
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from crm.core.errors import (
    BodyTooSlow,
    MalformedBody,
    PayloadTooLarge,
    UnsupportedMediaType,
    ValidationFailed,
    invalid,
)

SILENT_SECONDS, UPLOAD_SECONDS = 15, 600  # an upload that stands still; one that drips
_IN_MEMORY = 1024 * 1024  # bytes; a larger file goes on the disk, as the parser of forms has it
_AROUND = 64 * 1024  # bytes of a form beyond its file: boundaries, headers


async def file_of(request: Request, largest: int, alone: str | None = None) -> UploadFile:
    """The form's `file`, of at most `largest` bytes, on disk beyond a megabyte. The caller closes it.

    A body of the type `alone` is the file itself.
    Raises MalformedBody, ValidationFailed, PayloadTooLarge, UnsupportedMediaType, BodyTooSlow.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if alone and kind == alone:
        return await _alone(request, largest)
    if kind != "multipart/form-data":
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
    raise _empty()


async def _alone(request: Request, largest: int) -> UploadFile:
    spooled = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 (the caller closes it)
    file = UploadFile(cast(BinaryIO, spooled), size=0)
    try:
        async with asyncio.timeout(UPLOAD_SECONDS):
            async for piece in _coming(request, largest):
                await file.write(piece)
        if not file.size:
            raise _empty()
        await file.seek(0)
    except TimeoutError as error:
        await file.close()
        raise BodyTooSlow from error
    except BaseException:
        await file.close()
        raise
    return file


def _empty() -> ValidationFailed:
    return invalid("/file", "envie um arquivo que não seja vazio", "send a file that is not empty")


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
