"""Graph's doors on one page, and the stagehand that lets a test's script act around each of them."""

import asyncio
import functools
import json
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from . import accounts, media, messages, templates
from .errors import GraphError, reply
from .script import Call, Fault
from .state import of

Handler = Callable[[Request], Awaitable[Response]]


def scripted(handler: Handler) -> Handler:
    """Let the script act around a Graph door; the handler finds its action in `request.state`."""

    @functools.wraps(handler)
    async def run(request: Request) -> Response:
        action = request.state.action = of(request).rules.take(await _call(request))
        if action.hang or action.cut == "before":
            return await _vanish(request, close=not action.hang)
        answer = _refusal(action.error) if action.error else await handler(request)
        await asyncio.sleep(action.delay_ms / 1000)
        return await _vanish(request, close=True) if action.cut == "after" else answer

    return run


async def _call(request: Request) -> Call:
    call = Call(request.url.path)
    if request.method == "POST" and call.path.endswith("/messages"):
        try:
            body = json.loads(await request.body())
            call.to = str(body.get("to") or body.get("recipient"))
            call.type = "read" if body.get("status") == "read" else str(body.get("type", "text"))
        except (ValueError, AttributeError):
            call.type = "malformed"
    return call


def _refusal(fault: Fault) -> Response:
    if fault.code is not None:
        return reply(fault.graph_error(), fault.headers)
    page = f"<html><body><h1>{fault.status}</h1>{fault.message}</body></html>"
    return Response(page, fault.status, fault.headers, "text/html")


async def _vanish(request: Request, *, close: bool) -> Response:
    """Close the connection without a byte of answer, or keep silent until the caller gives up."""
    if close:
        request.scope["fake_meta.transport"].close()
    while (await request.receive())["type"] != "http.disconnect":
        pass
    return Response(status_code=499)


async def _nowhere(request: Request) -> Response:
    raise GraphError(2500, f"Unknown path components: /{request.path_params['rest']}")


def _door(path: str, handler: Handler, *methods: str) -> Route:
    return Route(path, scripted(handler), methods=list(methods))


DOORS: list[BaseRoute] = [
    _door("/{node}/messages", messages.post, "POST"),
    _door("/{node}/media", media.upload, "POST"),
    _door("/{node}/uploads", media.begin_sample, "POST"),
    _door("/upload:{session}", media.take_sample, "POST"),
    _door("/{node}/message_templates", templates.page, "GET"),
    _door("/{node}/message_templates", templates.create, "POST"),
    _door("/{node}/message_templates", templates.delete, "DELETE"),
    _door("/{node}/phone_numbers", accounts.numbers, "GET"),
    _door("/{node}/subscribed_apps", accounts.subscriptions, "GET", "POST", "DELETE"),
    _door("/debug_token", accounts.token, "GET"),
    _door("/{node}", accounts.show, "GET"),
    _door("/{node}", accounts.change, "POST"),
    _door("/{node}", accounts.remove, "DELETE"),
    Route("/{rest:path}", _nowhere, methods=["GET", "POST", "DELETE"]),
]
routes: list[BaseRoute] = [
    Mount("/v{version:float}", routes=DOORS),
    _door("/whatsapp_business/attachments", media.download, "GET"),
]
