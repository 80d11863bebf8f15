"""A lean HTTP/1.1 client: keep-alive, one request at a time a connection. httpx would measure itself."""

import asyncio
import json
from typing import Any, NamedTuple, cast


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Connection(asyncio.Protocol):
    """One keep-alive connection. Every answer of ours carries Content-Length, and nothing else is understood."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Answer] | None = None
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is of no class of asyncio's

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_exception(exc or ConnectionResetError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        self._got = self._got + data if self._got else data
        end = self._got.find(b"\r\n\r\n")
        if end < 0:
            return
        body = end + 4 + _length(self._got[:end].lower())
        if len(self._got) >= body and self._waiter and not self._waiter.done():
            answer, self._got = Answer(int(self._got[9:12]), self._got[end + 4 : body]), b""
            self._waiter.set_result(answer)

    async def ask(self, request: bytes) -> Answer:
        """Send a whole request and wait for its answer. Raises OSError."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("closed")
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiter

    def close(self) -> None:
        if self._transport:
            self._transport.close()


def _length(head: bytes) -> int:
    place = head.find(b"content-length:")
    return int(head[place + 15 :].split(b"\r\n", 1)[0]) if place >= 0 else 0


def address(url: str) -> tuple[str, int]:
    """Host and port of a base URL."""
    host, _, port = url.rpartition("//")[2].partition(":")
    return host, int(port)


async def connect(url: str) -> Connection:
    """A connection to a base URL."""
    _, connection = await asyncio.get_running_loop().create_connection(Connection, *address(url))
    return connection


def request(method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> bytes:
    """A whole request as bytes."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def get(path: str, token: str) -> bytes:
    """A GET by somebody signed in."""
    return request("GET", path, {"Authorization": f"Bearer {token}"})


def post_json(path: str, content: dict[str, Any], headers: dict[str, str] | None = None) -> bytes:
    """A POST of a JSON body."""
    body = json.dumps(content).encode()
    return request("POST", path, {"Content-Type": "application/json", **(headers or {})}, body)
