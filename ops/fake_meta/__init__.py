"""A fake of Meta's WhatsApp Cloud API for tests and demos: Graph, signed webhooks, a phone to play with."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from . import control, errors, graph, phone
from .settings import Settings
from .state import Fake

__all__ = ["KEPT_SECONDS", "Settings", "app"]

KEPT_SECONDS = 75  # an idle connection: longer than httpx keeps it (5 s), else a request meets its closing


class FakeMeta(Starlette):
    """Starlette that forgives a trailing slash, as Graph does, and knows the connection a script may cut."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Uvicorn's `send` is a method of the request cycle, which holds the transport."""
        scope["path"] = scope.get("path", "").rstrip("/") or "/"
        scope["fake_meta.transport"] = getattr(getattr(send, "__self__", None), "transport", None)
        await super().__call__(scope, receive, send)


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    app.state.fake = Fake(app.state.settings)
    try:
        yield
    finally:
        await app.state.fake.courier.close()


def app(settings: Settings | None = None) -> Starlette:
    """One fake Meta, to be run by uvicorn (it needs real connections and the lifespan)."""
    meta = FakeMeta(
        routes=[*graph.routes, *control.routes, *phone.routes],
        exception_handlers={errors.GraphError: errors.handle},
        lifespan=_lifespan,
    )
    meta.state.settings = settings or Settings()
    return meta
