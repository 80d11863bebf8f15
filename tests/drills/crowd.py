"""People at an installation's door while something is done to it: what they ask, hear, and miss."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
from websockets.exceptions import ConnectionClosed

from tests.drills.door import DOMAIN, Door
from tests.sockets import Ear, at_socket, token_of
from tests.system import Guest, Hotel, signature, unique_phone


@dataclass
class Load:
    """What went on during a deploy."""

    answers: list[int] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    seqs: set[int] = field(default_factory=set)
    closings: list[int | None] = field(default_factory=list)
    listens: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def all_heard(self) -> bool:
        return set(self.written) <= set(self.heard)


@asynccontextmanager
async def under_load(door: Door, hotel: Hotel) -> AsyncIterator[Load]:
    """New connections, kept ones, guests who write, and an attendant at a socket, until the end of the block."""
    load, ends, last = Load(), asyncio.Event(), asyncio.Event()

    async def again_and_again(work: Callable[[], Awaitable[None]], pause: float) -> None:
        while not ends.is_set():
            try:
                await work()
            except (httpx.TransportError, AssertionError) as error:
                load.failed.append(repr(error))
            await asyncio.sleep(pause)

    listener = asyncio.create_task(listens(door, hotel, load, last))
    await asyncio.wait_for(load.listens.wait(), 15)  # what is written before that is heard by nobody
    tasks = [
        asyncio.create_task(again_and_again(lambda: visits(door, load), 0.02)),
        asyncio.create_task(again_and_again(lambda: lists(door, hotel, load, ends), 0)),
        asyncio.create_task(again_and_again(lambda: writes(door, hotel, load), 0.05)),
    ]
    await asyncio.sleep(0.5)
    yield load
    await asyncio.sleep(1)
    ends.set()
    await asyncio.wait_for(asyncio.gather(*tasks), 15)
    last.set()  # nothing more is written: who listens goes when all of it was heard
    await asyncio.wait_for(listener, 15)


async def visits(door: Door, load: Load) -> None:
    async with door.visitor("127.0.0.2") as client:
        load.answers.append((await client.get("/health")).status_code)


async def lists(door: Door, hotel: Hotel, load: Load, ends: asyncio.Event) -> None:
    """One kept connection. nginx ends idle ones as it reloads: as browsers do, a GET is then asked once more."""
    headers = {"Authorization": f"Bearer {token_of(hotel.attendant)}"}
    async with door.visitor("127.0.0.3", headers=headers) as client:
        while not ends.is_set():
            try:
                answer = await client.get("/api/conversations")
            except (httpx.RemoteProtocolError, httpx.ReadError):
                answer = await client.get("/api/conversations")
            load.answers.append(answer.status_code)
            await asyncio.sleep(0.01)


async def writes(door: Door, hotel: Hotel, load: Load) -> None:
    """A guest's webhook, signed, on a connection of its own, as Meta sends it."""
    guest = Guest(hotel, unique_phone())
    node = guest.message(text=f"Mensagem {len(load.written)}")
    raw = json.dumps(guest.body(node)).encode()
    signed = signature(raw, hotel.secret)
    async with door.visitor("127.0.0.4") as client:
        answer = await client.post("/webhooks/whatsapp", content=raw, headers=signed)
    load.answers.append(answer.status_code)
    load.written.append(node["id"])


async def listens(door: Door, hotel: Hotel, load: Load, ends: asyncio.Event) -> None:
    """An attendant's page: closed by a stop, it comes back and asks for what it missed."""
    seq = 0
    while not (ends.is_set() and load.all_heard):
        options = {"ssl": door.trust(), "server_hostname": DOMAIN, "host": "127.0.0.1", "port": door.tls}
        async with at_socket(f"https://{DOMAIN}", token_of(hotel.attendant), **options) as ear:
            ready = await ear.hear("ready")
            if seq:
                await ear.say("resume", {"since": seq})
            seq = seq or ready["data"]["seq"]
            load.listens.set()
            seq = await hears(ear, load, ends, seq)


async def hears(ear: Ear, load: Load, ends: asyncio.Event, seq: int) -> int:
    while not (ends.is_set() and load.all_heard):
        try:
            frame = await ear.frame(0.5)
        except TimeoutError:
            continue
        except ConnectionClosed:
            load.closings.append(await ear.closed())
            return seq
        seq = max(seq, frame.get("seq") or 0)
        # What happens between signing in and the replay comes twice, under one seq: a page tells them by it.
        if frame["event"] == "message:new" and frame["seq"] not in load.seqs:
            load.seqs.add(frame["seq"])
            load.heard.append(frame["data"]["message"]["wamid"])
    return seq
