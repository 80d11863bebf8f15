"""The outermost layer: request ids, security headers, metrics, and errors as problem+json (RFC 9457)."""

import asyncio
import logging
import re
import time
from collections.abc import Callable
from contextlib import suppress
from uuid import uuid4

import msgspec
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crm.core import log, metrics
from crm.core.errors import Internal, MethodNotAllowed, NotFound, Problem, Unavailable

_log = logging.getLogger("crm.http")
_SANE_ID = re.compile(r"^[A-Za-z0-9._-]{1,64}$")
_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=63072000; includeSubDomains",
    "cache-control": "no-store",
}


AT_ONCE = 500  # requests inside at a time: a slow Postgres must not fill the memory with those that wait for it
LONG = 64 * 1024  # a shorter body has come whole with its head
LINGER_SECONDS, LINGER_BYTES = 2.0, 16 * 1024 * 1024  # what is still read of a body that is answered already
_ALWAYS = ("/health", "/metrics")


class Edge:
    """Pure ASGI middleware around everything. HSTS goes out only when the client came over TLS.

    `around` goes around the app and around the answer that there is no room, both alike.
    `leaving`: the process is about to stop. What comes is served, and each answer closes its connection.
    """

    def __init__(self, app: ASGIApp, around: Callable[[ASGIApp], ASGIApp] = lambda app: app) -> None:
        self.app, self._full = around(app), around(_no_room)
        self.leaving = False
        self._inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; sockets get their id only."""
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        scope["request_id"] = given if _SANE_ID.match(given) else uuid4().hex
        token = log.bind(requestId=scope["request_id"])
        try:
            if scope["type"] == "http":
                await self._http(scope, receive, send, headers)
            else:
                await self.app(scope, receive, send)
        finally:
            log.context.reset(token)

    async def _http(self, scope: Scope, receive: Receive, send: Send, headers: Headers) -> None:
        start, status, scope["leaving"] = time.perf_counter(), 500, self.leaving
        body = _Body(receive, headers) if _is_long(headers) else None

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                dress(MutableHeaders(scope=message), scope, headers)
                if (body and not await body.ended()) or self.leaving:
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        self._inside += 1
        try:
            if self._inside > AT_ONCE and not scope["path"].startswith(_ALWAYS):
                metrics.turned_away.inc()
                await self._full(scope, receive, answer)
            else:
                await self.app(scope, body or receive, answer)
        finally:
            self._inside -= 1
            _count(scope, status, time.perf_counter() - start)


async def _no_room(scope: Scope, receive: Receive, send: Send) -> None:
    answer = await on_problem(Request(scope), Unavailable())
    await answer(scope, receive, send)


class _Body:
    """A long body as it is read, which may be answered before its end: uvicorn would read on for ever."""

    __slots__ = ("_receive", "_waits", "_whole")

    def __init__(self, receive: Receive, headers: Headers) -> None:
        self._receive, self._whole, self._waits = receive, False, "expect" in headers

    async def __call__(self) -> Message:
        message = await self._receive()
        self._whole = not message.get("more_body", False)
        return message

    async def ended(self) -> bool:
        """Whether it has come to its end, or does so in a moment: who is cut off while writing reads no answer.

        Who waits for "100 Continue" has not begun to write.
        """
        size = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while not self._whole and not self._waits and size < LINGER_BYTES:
                    size += len((await self()).get("body", b""))
        return self._whole


def _is_long(headers: Headers) -> bool:
    length = headers.get("content-length", "")
    return "transfer-encoding" in headers or (length.isdecimal() and int(length) > LONG)


def dress(headers: MutableHeaders, scope: Scope, asked: Headers) -> None:
    """Put on an answer what every one carries; `asked` are the request's headers."""
    secure = scope["scheme"] in ("https", "wss") or asked.get("x-forwarded-proto") == "https"
    headers["x-request-id"] = scope["request_id"]
    for name, value in _HEADERS.items():
        if name not in headers and (secure or not name.startswith("strict")):
            headers[name] = value


def _count(scope: Scope, status: int, seconds: float) -> None:
    """Count by the route's pattern, never by the path: ids would make a series each."""
    route = getattr(scope.get("route"), "path", "-")
    metrics.requests.labels(scope["method"], route, str(status)).observe(seconds)
    if status >= 500 or _log.isEnabledFor(logging.DEBUG):
        extra = {"status": status, "route": route, "method": scope["method"], "ms": round(seconds * 1000, 1)}
        _log.log(logging.WARNING if status >= 500 else logging.DEBUG, "answered", extra=extra)


async def on_problem(request: HTTPConnection, problem: Exception) -> Response:
    """An error of our tree as its answer."""
    assert isinstance(problem, Problem)
    english = prefers_english(request.headers.get("accept-language", ""))
    text = {
        "type": f"/docs#{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "code": problem.code,
        "detail": problem.en if english else problem.pt,
        **problem.more,
        "requestId": request.scope["request_id"],
    }
    if problem.errors:
        text["errors"] = [
            {"pointer": error.pointer, "message": error.en if english else error.pt} for error in problem.errors
        ]
    return Response(
        msgspec.json.encode(text), problem.status, problem.headers, media_type="application/problem+json"
    )


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Starlette's own refusals: no such path, no such method."""
    assert isinstance(error, HTTPException)
    problem: Problem = MethodNotAllowed() if error.status_code == 405 else NotFound()
    problem.headers.update(error.headers or {})
    if error.status_code == 405:  # Starlette names the methods of the first route of this path only
        here = [door for door in request.app.routes if door.path_regex.match(request.url.path)]
        problem.headers["Allow"] = ", ".join(sorted({method for door in here for method in door.methods}))
    return await on_problem(request, problem)


async def on_fault(request: Request, _fault: Exception) -> Response:
    """A fault of ours: the server logs it with its request id, the client learns only the id."""
    answer = await on_problem(request, Internal())
    answer.headers["connection"] = "close"  # the server ends it, and the client is told before it asks again
    return answer


def prefers_english(header: str) -> bool:
    """pt-BR unless English stands before Portuguese among what is accepted (RFC 9110)."""
    weighed = []
    for place, item in enumerate(header.lower().split(",")):
        language, _, rest = item.strip().partition(";")
        quality = re.search(r"q=([01](?:\.\d+)?)", rest)
        weighed.append((-float(quality[1]) if quality else -1.0, place, language[:2]))
    for weight, _, language in sorted(weighed):
        if weight and language in ("pt", "en"):
            return language == "en"
    return False
