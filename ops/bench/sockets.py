"""A lean WebSocket reader: signs in by header, notes when each frame arrives, answers pings, sends nothing else."""

import asyncio
import base64
import os
import time
from collections.abc import Callable
from functools import partial
from typing import cast

from ops.bench.client import address

Heard = Callable[[bytes, float], None]

_TEXT, _CLOSE, _PING, _PONG = 0x1, 0x8, 0x9, 0xA


class Reader(asyncio.Protocol):
    """One socket; `heard` gets every text frame with the time at which its last byte came."""

    def __init__(self, token: str, heard: Heard) -> None:
        self._token, self._heard, self._got = token, heard, b""
        self._open = False
        self._transport: asyncio.Transport | None = None
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = ["GET /ws HTTP/1.1", "Host: 127.0.0.1", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", f"Authorization: Bearer {self._token}"]
        self._transport.write("\r\n".join([*lines, "", ""]).encode())

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(exc or ConnectionResetError("the socket was refused"))

    def data_received(self, data: bytes) -> None:
        at = time.perf_counter()
        self._got += data
        if not self._open:
            head, found, rest = self._got.partition(b"\r\n\r\n")
            if not found:
                return
            self._open, self._got = head.startswith(b"HTTP/1.1 101"), rest
        while self._open and (frame := self._next()):
            self._take(*frame, at)

    def _next(self) -> tuple[int, bytes] | None:
        """The next whole frame: its kind and what it says. A server's frames are never masked."""
        if len(self._got) < 2:
            return None
        length, start = self._got[1] & 0x7F, 2
        if length >= 126:
            size = 2 if length == 126 else 8
            start += size
            length = int.from_bytes(self._got[2:start], "big")
        if len(self._got) < start + length:
            return None
        kind, said = self._got[0] & 0x0F, self._got[start : start + length]
        self._got = self._got[start + length :]
        return kind, said

    def _take(self, kind: int, said: bytes, at: float) -> None:
        if kind == _PING and self._transport:
            # Masked with zeros, as a client must; pings are shorter than 126 bytes.
            self._transport.write(bytes([0x80 | _PONG, 0x80 | len(said), 0, 0, 0, 0]) + said)
        elif kind == _CLOSE and self._transport:
            self._transport.close()
        elif kind == _TEXT:
            if not self.ready.done():
                self.ready.set_result(None)  # the first frame of a socket says ready
            self._heard(said, at)

    def close(self) -> None:
        if self._transport:
            self._transport.abort()


async def listen(url: str, tokens: list[str], each: int, heard: Heard) -> list[Reader]:
    """Open `each` sockets for every token, ten at a time, and return when all are ready."""
    loop = asyncio.get_running_loop()
    readers: list[Reader] = []
    for token in tokens:
        for begin in range(0, each, 10):
            some = [
                await loop.create_connection(partial(Reader, token, heard), *address(url))
                for _ in range(min(10, each - begin))
            ]
            await asyncio.gather(*(reader.ready for _, reader in some))
            readers += [reader for _, reader in some]
    return readers
