"""A person at a WebSocket, as a browser is one: says frames, hears frames, learns why it was closed."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.system import eventually

Frame = dict[str, Any]


class Ear:
    """One open socket."""

    def __init__(self, connection: ClientConnection) -> None:
        self.socket = connection
        self.ready: Frame = {}

    async def say(self, event: str, data: Any = None) -> None:
        await self.socket.send(json.dumps({"event": event, "data": data}))

    async def frame(self, seconds: float = 5.0) -> Frame:
        """The next frame, whatever it is."""
        async with asyncio.timeout(seconds):
            return json.loads(await self.socket.recv())

    async def hear(self, event: str, seconds: float = 5.0) -> Frame:
        """The next frame of this event; others are passed over."""
        async with asyncio.timeout(seconds):
            while (frame := await self.frame(seconds))["event"] != event:
                pass
            return frame

    async def heard(self, last: str = "pong") -> list[Frame]:
        """All that came up to now: a ping is the fence."""
        await self.say("ping")
        frames: list[Frame] = []
        while (frame := await self.frame())["event"] != last:
            frames.append(frame)
        return frames

    async def kept(self, count: int, seconds: float = 10.0) -> list[Frame]:
        """The next `count` frames that carry a seq."""
        frames: list[Frame] = []
        async with asyncio.timeout(seconds):
            while len(frames) < count:
                frame = await self.frame(seconds)
                frames += [frame] if "seq" in frame else []
        return frames

    async def closed(self, seconds: float = 5.0) -> int | None:
        """The code it is closed with."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    await self.socket.recv()
        except ConnectionClosed:
            return self.socket.close_code


@asynccontextmanager
async def at_socket(url: str, token: str | None = None, query: str = "", **options: Any) -> AsyncIterator[Ear]:
    """A connection; with a token, its first frame signs in."""
    address = f"{url.rstrip('/').replace('http', 'ws', 1)}/ws{query}"
    quiet: dict[str, Any] = {"proxy": None, "compression": None, "close_timeout": 2, "max_size": None, **options}
    async with connect(address, **quiet) as connection:
        ear = Ear(connection)
        if token is not None:
            await ear.say("auth", {"token": token})
        yield ear


@asynccontextmanager
async def listening(client: httpx.AsyncClient, url: str | None = None) -> AsyncIterator[Ear]:
    """Somebody signed in, past `ready`; at another API process when its url is given."""
    async with at_socket(url or str(client.base_url), token_of(client)) as ear:
        ear.ready = (await ear.hear("ready"))["data"]
        yield ear


@asynccontextmanager
async def narrow(client: httpx.AsyncClient, url: str | None = None) -> AsyncIterator[Ear]:
    """Somebody signed in over a thin line: little waits between the server and them."""
    where = urlsplit(url or str(client.base_url))
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.connect((where.hostname, where.port))
    line.setblocking(False)
    async with at_socket(where.geturl(), token_of(client), sock=line, max_queue=1, ping_interval=None) as ear:
        await ear.hear("ready")
        yield ear


def token_of(client: httpx.AsyncClient) -> str:
    """The access token a client carries."""
    return client.headers["Authorization"].removeprefix("Bearer ")


def short_lived(client: httpx.AsyncClient, secret: str, seconds: float) -> str:
    """The client's token, signed anew to end in `seconds` (before now when negative)."""
    claims = jwt.decode(token_of(client), options={"verify_signature": False})
    ends = int(time.time() + seconds)
    return jwt.encode({**claims, "exp": ends}, secret, algorithm="HS256")


async def heard_by(ear: Ear, event: str, words: str) -> Frame:
    """The next frame of this event in which the words stand."""
    return await eventually(lambda: _if_in(ear, event, words))


async def _if_in(ear: Ear, event: str, words: str) -> Frame | None:
    frame = await ear.hear(event, 15)
    return frame if words in json.dumps(frame, ensure_ascii=False) else None
