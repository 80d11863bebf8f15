"""The API: the whole route table, the middleware and the lifespan on one page."""

import gc
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from crm import (
    audit,
    billing,
    channels,
    contacts,
    conversations,
    dead_letters,
    departments,
    inbound,
    jobs,
    media,
    messages,
    operations,
    privacy,
    queues,
    quick_replies,
    realtime,
    sessions,
    spreadsheets,
    stays,
    tags,
    templates,
    tenants,
    users,
    web,
    whose,
)
from crm.core import edge, openapi, rails
from crm.core.config import Settings
from crm.core.errors import Problem
from crm.core.http import Door, route
from crm.core.hub import Hub
from crm.intake import Intake
from crm.refusals import Refusals

log = logging.getLogger(__name__)

# Tried in this order for every request: what is asked most stands first.
doors: Sequence[Door] = [
    *inbound.routes,
    *messages.routes,
    *conversations.routes,
    *media.routes,
    *sessions.routes,
    *users.routes,
    *departments.routes,
    *quick_replies.routes,
    *tags.routes,
    *spreadsheets.routes,  # before contacts, whose /api/contacts/{id} would take their paths
    *contacts.routes,
    *whose.routes,
    *privacy.routes,
    *stays.routes,
    *channels.routes,
    *templates.routes,
    *billing.routes,
    *tenants.routes,
    *audit.routes,
    *dead_letters.routes,
    *jobs.routes,
    *operations.routes,
]


def build(settings: Settings) -> edge.Edge:
    """The application, ready for a server; it connects to nothing before its first request needs it."""
    document = msgspec.json.encode(openapi.document(list(doors)))

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[dict[str, Any]]:
        laid = await rails.lay(settings)
        hub = Hub(laid)
        hub.start()
        gc.collect()
        gc.freeze()  # what was imported is never garbage: a full collection then takes 0 instead of 9 ms
        gc.set_threshold(20_000, 20, 50)  # requests leave few cycles: look each 20,000 new objects, not each 700
        log.info("api started")
        refusals = Refusals(laid)
        yield {
            "rails": laid,
            "intake": Intake(laid),
            "refusals": refusals,
            "hub": hub,
            "openapi": document,
        }
        await refusals.stop()
        await hub.stop()
        await laid.close()
        log.info("api stopped")

    app = Starlette(
        routes=[*(route(door) for door in doors), *realtime.routes, *web.pages, *queues.mounts],
        lifespan=lifespan,
        exception_handlers={
            Problem: edge.on_problem,
            HTTPException: edge.on_http_exception,
            Exception: edge.on_fault,
        },
    )
    app.router.redirect_slashes = False
    if not settings.origins:
        return edge.Edge(app)
    # Around all of it: a browser hides from its page a 500 or a 503 that does not name the page's origin.
    return edge.Edge(app, partial(CORSMiddleware, **_cors(settings)))


def _cors(settings: Settings) -> dict[str, Any]:
    return {
        "allow_origins": settings.origins,
        "allow_methods": ["GET", "POST", "PUT", "PATCH", "DELETE"],
        "allow_headers": [
            "Authorization",
            "Content-Type",
            "X-Tenant-Slug",
            "Idempotency-Key",
            "X-Request-Id",
            "Range",
        ],
        # Content-Disposition: what a download is called; Content-Range: how long a file is, of which a part came
        "expose_headers": [
            "X-Request-Id",
            "Idempotency-Replayed",
            "Retry-After",
            "Content-Disposition",
            "Content-Range",
        ],
        "max_age": 600,
    }
