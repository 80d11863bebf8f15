"""Graph's media calls (Meta: media): ask for an id's URL, download it, upload a file."""

import asyncio
import base64
import binascii
import time
from collections.abc import AsyncIterator
from typing import IO, Any
from urllib.parse import quote

import httpx
import msgspec

from crm.core import metrics
from crm.core.meta import Graph, MetaError, answered
from crm.core.meta_errors import PERMANENT, TRANSIENT, Refusal, rule

DOWNLOAD_SECONDS, UPLOAD_SECONDS = 240, 240  # a whole file, whatever drips: 100 MB at 3.3 Mbit/s
_HOSTS = ("graph.facebook.com",)
_DOMAINS = (".fbsbx.com", ".fbcdn.net")
_PIECE = 256 * 1024
_GONE = (301, 302, 303, 307, 308, 401, 403, 404, 410)


class Gone(Exception):
    """The URL leads nowhere (any more): it lives five minutes. Meta is asked for another."""


class ForeignHost(Exception):
    """The URL is not one of Meta's: it gets no token of ours."""


class TooLarge(Exception):
    """More bytes than anybody may send."""


class Named(msgspec.Struct, frozen=True):
    """What Meta says of a media id: where its bytes are for five minutes, and their SHA-256."""

    url: str
    sha256: bytes | None


def digest(text: Any) -> bytes | None:
    """A SHA-256 as Meta writes it: base64 in webhooks and answers, hex in a history; None when it is none."""
    if not isinstance(text, str):
        return None
    try:
        raw = bytes.fromhex(text) if len(text) == 64 else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return None
    return raw if len(raw) == 32 else None


async def named(graph: Graph, access_token: str, media_id: str) -> Named:
    """Ask where an inbound media's bytes are. Raises MetaError."""
    answer = await graph.ask("GET", quote(media_id, safe=""), access_token)
    url = answer.get("url")
    if not isinstance(url, str):
        raise MetaError(TRANSIENT, None, "Meta named no URL")
    return Named(url, digest(answer.get("sha256")))


def allowed(graph: Graph, url: str) -> bool:
    """Whether a URL may be given the bearer: it is external input (Meta: media). Ours may be plain in tests."""
    try:
        target = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    own = graph.http.base_url
    if (target.scheme, target.host, target.port) == (own.scheme, own.host, own.port):
        return True
    known = target.host in _HOSTS or target.host.endswith(_DOMAINS)
    return known and target.scheme == "https" and target.port is None and not target.userinfo


async def download(graph: Graph, url: str, access_token: str, file: IO[bytes], limit: int) -> None:
    """Stream a URL into a file, at most `limit` bytes; redirects are not followed.

    Raises Gone, ForeignHost, TooLarge, MetaError (transient when the connection ended, or it took too long).
    """
    if not allowed(graph, url):
        raise ForeignHost(url)
    await asyncio.to_thread(_empty, file)
    try:
        with metrics.graph.labels("download").time():
            async with asyncio.timeout(DOWNLOAD_SECONDS):
                await _download(graph, url, access_token, file, limit)
    except (TimeoutError, httpx.RequestError) as error:
        raise MetaError(TRANSIENT, None, "the download ended before the file did") from error


def _empty(file: IO[bytes]) -> None:
    file.seek(0)
    file.truncate()


async def _download(graph: Graph, url: str, access_token: str, file: IO[bytes], limit: int) -> None:
    headers = {"Authorization": f"Bearer {access_token}", "Accept-Encoding": "identity"}
    async with graph.http.stream("GET", url, headers=headers, follow_redirects=False) as response:
        if response.status_code in _GONE:
            raise Gone(response.status_code)
        if response.status_code != 200:
            raise MetaError(rule(Refusal(response.status_code)), None, f"HTTP {response.status_code}")
        declared = response.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > limit:
            raise TooLarge
        size = 0
        async for piece in response.aiter_bytes(_PIECE):
            size += len(piece)
            if size > limit:
                raise TooLarge
            await asyncio.to_thread(file.write, piece)


class Upload(msgspec.Struct, frozen=True):
    """A file to upload, with the type that Meta judges it by, parameters included."""

    filename: str
    mime_type: str
    file: IO[bytes]


async def upload(graph: Graph, phone_number_id: str, access_token: str, new: Upload) -> str:
    """Meta's id of a file, good for 30 days over this number. Raises MetaError: repeating it does no harm."""
    new.file.seek(0)
    started = time.perf_counter()
    try:
        async with asyncio.timeout(UPLOAD_SECONDS):
            response = await graph.http.post(
                f"{quote(phone_number_id, safe='')}/media",
                data={"messaging_product": "whatsapp", "type": new.mime_type},
                files={"file": (new.filename, new.file, new.mime_type)},
                headers={"Authorization": f"Bearer {access_token}"},
            )
    except (TimeoutError, httpx.RequestError) as error:
        raise MetaError(TRANSIENT, None, "the upload ended before Meta answered") from error
    finally:
        metrics.graph.labels("media").observe(time.perf_counter() - started)
    media_id = answered(response).get("id")
    if not isinstance(media_id, str | int):
        raise MetaError(PERMANENT, None, "Meta took the file and named no id")
    return str(media_id)


class Sample(msgspec.Struct, frozen=True):
    """An example file of a template, to be uploaded in one go."""

    mime_type: str
    size: int
    pieces: AsyncIterator[bytes]


async def sample(graph: Graph, app: str, access_token: str, new: Sample) -> str:
    """Meta's handle of an example file, by its resumable upload. Raises MetaError: repeating it does no harm."""
    query: dict[str, str | int] = {"file_length": new.size, "file_type": new.mime_type}
    session = (await graph.ask("POST", f"{quote(app, safe='')}/uploads", access_token, **query)).get("id")
    headers = {"Authorization": f"OAuth {access_token}", "file_offset": "0", "Content-Length": str(new.size)}
    try:
        async with asyncio.timeout(UPLOAD_SECONDS):
            # Not a path to join: the session's id has a colon, and would pass for an address of its own.
            url = f"{graph.http.base_url}{session}"
            response = await graph.http.post(url, content=new.pieces, headers=headers)
    except (TimeoutError, httpx.RequestError) as error:
        raise MetaError(TRANSIENT, None, "the upload ended before Meta answered") from error
    handle = answered(response).get("h")
    if not isinstance(handle, str):
        raise MetaError(PERMANENT, None, "Meta took the example and gave no handle")
    return handle
