"""How a file is served: whole or in part (RFC 9110), never sniffed, never run by a browser."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from crm.core.errors import RangeNotSatisfiable
from crm.media import names, sniffing
from crm.media.shapes import KINDS

# What a browser may show in place: no script can be in it. SVG, HTML, XML and PDF are always downloads.
INLINE = {mime for kind in ("image", "video", "audio", "sticker") for mime in KINDS[kind][0]} | {"image/gif"}
_ACTIVE = re.compile(r"html|xml|script|svg")
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")

Read = Callable[[int, int], Awaitable[AsyncIterator[bytes]]]


class Asked(msgspec.Struct, frozen=True):
    """What a client may say of the part it wants, and of what it has (RFC 9110)."""

    part: str | msgspec.UnsetType = msgspec.field(default=msgspec.UNSET, name="Range")
    same: str | msgspec.UnsetType = msgspec.field(default=msgspec.UNSET, name="If-Range")
    known: str | msgspec.UnsetType = msgspec.field(default=msgspec.UNSET, name="If-None-Match")


class File(msgspec.Struct, frozen=True):
    """A file to serve; `tag` names its content and never changes."""

    mime_type: str
    filename: str | None
    size: int
    tag: str


async def served(request: Request, file: File, read: Read) -> Response:
    """200, 206 of a range, or 304 when the client has it. Raises RangeNotSatisfiable, NotFound, Unavailable."""
    etag = f'"{file.tag}"'
    headers = _headers(file, etag)
    if _has(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    part = _part(request, file.size, etag)
    if part is None:
        raise RangeNotSatisfiable(file.size)
    start, end = part
    status = 200
    if end - start < file.size:
        status, headers["Content-Range"] = 206, f"bytes {start}-{end - 1}/{file.size}"
    headers["Content-Length"] = str(end - start)
    if request.method == "HEAD" or start == end:
        return Response(status_code=status, headers=headers)
    return StreamingResponse(await read(start, end), status, headers)


def _headers(file: File, etag: str) -> dict[str, str]:
    inline = file.mime_type in INLINE
    active = bool(_ACTIVE.search(file.mime_type.partition(";")[0]))
    return {
        "Content-Type": sniffing.UNKNOWN if active else file.mime_type,
        "Content-Disposition": names.disposition(file.filename, file.mime_type, inline),
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "ETag": etag,
        "Accept-Ranges": "bytes",
        # A browser may keep it, and asks each time whether the caller still may see it: the answer is a 304.
        "Cache-Control": "private, no-cache",
    }


def _has(asked: str, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in asked.split(",")]
    return etag in tags or tags == ["*"]


def _part(request: Request, size: int, etag: str) -> tuple[int, int] | None:
    """From where up to where; None when the range lies outside. What is no single range means the whole."""
    wanted = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    if not wanted or wanted[0] == "bytes=-" or request.headers.get("if-range", etag) != etag:
        return 0, size
    first, last = wanted[1], wanted[2]
    if not first:  # the last so many bytes
        return (max(0, size - int(last)), size) if int(last) and size else None
    start, end = int(first), min(int(last) + 1 if last else size, size)
    if last and int(last) < int(first):
        return 0, size  # RFC 9110: an invalid range is ignored
    return (start, end) if start < size else None
