"""The page on which a person plays a hotel's customer, and the live feed that it watches."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from . import identities
from .chats import Event, Key
from .errors import invalid, unknown_object
from .state import Fake, of
from .world import Customer

PAGE = Path(__file__).parent / "page"
PULSE = 15.0
"""Seconds of silence after which the feed says that it is alive."""


async def index(request: Request) -> Response:
    """The page itself; ?number=, ?as= and ?name= are read by its script."""
    return FileResponse(PAGE / "index.html")


async def home(request: Request) -> Response:
    """Whoever opens the bare address wants the phone."""
    return RedirectResponse("/phone")


async def picture(request: Request) -> Response:
    """Media as the phone shows it: the customer needs no bearer for what was sent to her."""
    name = request.path_params["media_id"]
    media = of(request).world.media.get(name)
    if media is None:
        raise unknown_object("GET", name)
    return Response(media.data, media_type=media.mime_type)


async def feed(request: Request) -> Response:
    """Server-sent events of one chat: `chat` with all bubbles first, then each change.

    `as` is a phone in any spelling, or a BSUID: somebody whose phone Meta withholds (Meta: §5.1).
    """
    fake, query = of(request), request.query_params
    name, person = query.get("number", ""), query.get("as", "")
    number = fake.world.numbers.get(name)
    if number is None:
        raise unknown_object("GET", name)
    known_by = (None, person) if identities.BSUID.fullmatch(person) else (person, None)
    if not identities.digits(person):
        raise invalid("Param as is not a valid phone number")
    me = fake.world.customer(number, *known_by)
    key = (name, me.key)
    stream = _events(fake, key, me)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def _events(fake: Fake, key: Key, me: Customer) -> AsyncIterator[bytes]:
    with fake.chats.watch(key) as queue:
        yield _line(Event("chat", {"me": me, "bubbles": list(fake.chats.bubbles[key].values())}))
        event = None
        while event is None or event.name != "bye":
            try:
                event = await asyncio.wait_for(queue.get(), PULSE)
                yield _line(event)
            except TimeoutError:
                yield b": alive\n\n"


def _line(event: Event) -> bytes:
    return b"event: " + event.name.encode() + b"\ndata: " + msgspec.json.encode(event.data) + b"\n\n"


routes: list[BaseRoute] = [
    Route("/", home),
    Route("/phone", index),
    Route("/phone/feed", feed),
    Route("/phone/media/{media_id}", picture),
    Mount("/phone/page", StaticFiles(directory=PAGE)),
]
