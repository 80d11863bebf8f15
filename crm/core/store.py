"""Where the bytes of media lie: a folder (file:///…) or a bucket (s3://…), by MEDIA_URL."""

from collections.abc import AsyncIterator
from contextlib import contextmanager
from datetime import timedelta
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, S3Store

from crm.core.errors import NotFound, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obstore import GetResult

_PIECE = 256 * 1024  # bytes handed on at a time when reading
_PART = 5 * 1024 * 1024  # the least S3 takes for a part of an upload; two of them are in memory at most


def key_of(tenant: UUID, sha256: bytes) -> str:
    """Where a tenant's bytes lie in the store: by their hash, so that the same ones lie there once."""
    return f"{tenant}/{sha256.hex()}"


class Store:
    """Bytes by key. A key is written whole or not at all, and what stands under it never changes.

    S3's endpoint, region and login are the AWS_* variables that every S3 client reads.
    """

    def __init__(self, url: str) -> None:
        self._store = opened(url)

    async def put(self, key: str, file: IO[bytes] | bytes) -> None:
        """Keep a file from its beginning, however large, or some bytes. Raises Unavailable."""
        if not isinstance(file, bytes):
            file.seek(0)
        with _told():
            await obstore.put_async(self._store, key, file, chunk_size=_PART, max_concurrency=2)

    async def size(self, key: str) -> int:
        """How many bytes stand under the key. Raises NotFound, Unavailable."""
        with _told():
            return int((await obstore.head_async(self._store, key))["size"])

    async def has(self, key: str) -> bool:
        """Whether something stands under the key. Raises Unavailable."""
        try:
            await self.size(key)
        except NotFound:
            return False
        return True

    async def delete(self, key: str) -> None:
        """Take what stands under the key away. Raises Unavailable; NotFound perhaps: a bucket does not tell."""
        with _told():
            await obstore.delete_async(self._store, key)

    async def read(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes from `start` up to `end`, in small pieces. Raises NotFound, Unavailable: before the first."""
        with _told():
            found = await obstore.get_async(self._store, key, options={"range": (start, end)})
        return _pieces(found)


async def _pieces(found: "GetResult") -> AsyncIterator[bytes]:
    with _told():
        async for piece in found.stream(min_chunk_size=_PIECE):
            yield bytes(piece)


@contextmanager
def _told() -> "Iterator[None]":
    """The store's errors as ours."""
    try:
        yield
    except (NotFoundError, FileNotFoundError) as error:
        raise NotFound from error
    except (BaseError, OSError) as error:
        raise Unavailable from error


def opened(url: str, variable: str = "MEDIA_URL") -> Any:
    """The folder or bucket. Raises SystemExit naming the variable."""
    parts = urlsplit(url)
    try:
        if parts.scheme == "file":
            return LocalStore(unquote(parts.path), mkdir=True)
        plain = {"client_options": {"allow_http": True, "timeout": "60s", "connect_timeout": "5s"}}
        retries: Any = {"max_retries": 3, "retry_timeout": timedelta(seconds=30)}
        return S3Store(parts.netloc, prefix=parts.path.strip("/") or None, retry_config=retries, **plain)  # type: ignore[arg-type]
    except (BaseError, OSError, ValueError) as error:
        raise SystemExit(f"{variable}: cannot open {url} ({type(error).__name__})") from error
