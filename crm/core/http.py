"""Doors: one line says method, path, role, body and answer; this page decodes, authorises, calls and encodes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from crm.core import access, body, idempotency, log, metrics
from crm.core.access import ATTENDANT, SUPER_ADMIN, TENANT_ADMIN, Who
from crm.core.db import Transaction
from crm.core.errors import (
    BodyTooSlow,
    Forbidden,
    NotFound,
    PayloadTooLarge,
    TenantSuspended,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
)
from crm.core.rails import Rails
from crm.core.tx import Tx

BODY_SECONDS = 15  # a body that drips holds its room among those inside no longer
BODY_LIMIT = 1024 * 1024  # bytes of a JSON body; Meta's webhook has its own
SIGNED_IN: Final = "SIGNED_IN"
PUBLIC: Final = "PUBLIC"
_MAY = {
    ATTENDANT: {ATTENDANT, TENANT_ADMIN, SUPER_ADMIN},
    TENANT_ADMIN: {TENANT_ADMIN, SUPER_ADMIN},
    SUPER_ADMIN: {SUPER_ADMIN},
    SIGNED_IN: {ATTENDANT, TENANT_ADMIN, SUPER_ADMIN},
}
_encode = msgspec.json.Encoder().encode


class Call:
    """One request, decoded and authorised, as a handler gets it."""

    __slots__ = ("_tx", "_who", "body", "prepared", "query", "rails", "request")

    def __init__(self, request: Request, rails: Rails, who: Who | None, tx: Tx | None) -> None:
        self.request, self.rails, self._who, self._tx = request, rails, who, tx
        self.body: Any = None
        self.query: Any = None
        self.prepared: Any = None

    @property
    def tx(self) -> Tx:
        """The request's transaction; not for doors that open their own."""
        if self._tx is None:
            raise RuntimeError("this door opens its own transactions")
        return self._tx

    @property
    def who(self) -> Who:
        """The caller; not for public doors."""
        if self._who is None:
            raise RuntimeError("this door is public")
        return self._who

    @property
    def author(self) -> UUID | None:
        """Who is named for what is done: nobody of the hotel when a super admin visits it."""
        return None if self.who.visiting else self.who.user

    @property
    def place(self) -> UUID:
        """The tenant the caller acts in; without one a super admin is at home in the platform."""
        return self.who.tenant or self.who.home

    def opened(self) -> Transaction:
        """A transaction of the caller's there, beside the door's own or for doors that open theirs."""
        return self.rails.db.tenant(self.place, self.who.caller)

    def id(self, name: str = "id") -> UUID:
        """A UUID of the path. Raises NotFound: what is not one names nothing."""
        try:
            return UUID(self.request.path_params[name])
        except ValueError as error:
            raise NotFound from error

    @property
    def ip(self) -> str:
        """The client's address, as far as trusted proxies tell."""
        return access.address(self.request, self.rails.settings.trusted_proxies)

    @property
    def request_id(self) -> str:
        """What X-Request-Id says in the answer."""
        return str(self.request.scope["request_id"])


Handler = Callable[[Call], Awaitable[Any]]


class Raw(msgspec.Struct, frozen=True):
    """An answer that is no JSON of ours: its media types."""

    types: tuple[str, ...]


class Door(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a slice's `routes`. Without a role it could not be written."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    handler: Handler
    role: Literal["SUPER_ADMIN", "TENANT_ADMIN", "ATTENDANT", "SIGNED_IN", "PUBLIC"]
    body: type[msgspec.Struct] | None = None
    query: type[msgspec.Struct] | None = None
    reads: type[msgspec.Struct] | None = None  # what the handler reads of the query itself, for the OpenAPI page
    headers: type[msgspec.Struct] | None = None  # the same of the headers
    raw: bool = False  # takes JSON that the handler reads itself, as it came
    answer: Any = None
    status: int = 200
    also: tuple[tuple[int, Any], ...] = ()  # what it answers with other statuses, beside problems
    before: Handler | None = None  # slow work done before the transaction opens; its result is call.prepared
    form: bool = False  # takes multipart/form-data with a `file`, which the handler reads as it comes
    bare: str | None = None  # or the file alone, a body of this type
    own_tx: bool = False  # the handler opens its transactions itself (slow work between them)
    keyed: bool = False  # and looks at Idempotency-Key itself
    alone: bool = False  # only reads, by queries that mostly go alone: no transaction until one of them needs it
    replica: bool = False  # only reads, and may show what was so a few seconds ago: a replica may answer
    slashes: bool = False  # what the path ends in is somebody else's code, not an id of ours: it may have slashes

    @property
    def once(self) -> bool:
        """Takes Idempotency-Key: repeated, it is answered and not done again (contract, section 1)."""
        return self.method == "POST" and self.role != PUBLIC and (self.keyed or not self.own_tx)


def route(door: Door) -> Route:
    """The door as Starlette's route."""

    async def endpoint(request: Request) -> Response:
        rails: Rails = request.state.rails
        who = None if door.role == PUBLIC else await _authorised(door, request, rails)
        if who is not None:
            log.bind(tenantId=who.tenant, userId=who.user)
        raw = await read(request, BODY_LIMIT) if door.body else b""
        call = Call(request, rails, who, None)
        call.query = body.params(_query(request), door.query) if door.query else None
        if door.body:
            _check_type(request)
            call.body = body.decode(raw, door.body)
        key = idempotency.key(request.headers, call.body) if door.once else None
        if door.before and (repeated := await _prepared(door, call, key, raw)):
            return repeated
        if who is None or door.own_tx:
            return _response(door, await door.handler(call))
        if door.replica and rails.db.replica and (answer := await _by_replica(door, call)):
            return answer
        async with _opened(door, rails, who) as tx:
            call._tx = tx
            return await _in_transaction(door, call, key, raw)

    path = f"{door.path[:-1]}:path}}" if door.slashes else door.path
    return Route(path, endpoint, methods=[door.method], name=f"{door.method} {door.path}")


def _query(request: Request) -> dict[str, str]:
    """The query string without empty filters; `tenant` names one before login and changes nothing after it."""
    given = request.query_params.items()
    return {name: value for name, value in given if name != "tenant" and (value or name in ("page", "limit"))}


async def _authorised(door: Door, request: Request, rails: Rails) -> Who:
    who = await access.who(request, rails)
    if who.role not in _MAY[door.role]:
        raise Forbidden
    if who.tenant is None and door.role in (ATTENDANT, TENANT_ADMIN):
        raise Forbidden(
            "Diga em X-Tenant-Slug em qual hotel quer agir.", "Say in X-Tenant-Slug which tenant to act in."
        )
    if who.visiting:
        ip = access.address(request, rails.settings.trusted_proxies)
        await access.note_visit(rails, who, f"{request.method} {request.url.path}", ip, request.scope["request_id"])
    return who


def _opened(door: Door, rails: Rails, who: Who) -> Any:
    """The transaction this door's role works in."""
    if door.role == SUPER_ADMIN:
        return rails.db.system(who.home, who.caller)
    place = who.home if door.role == SIGNED_IN else who.tenant
    return rails.db.tenant(place or who.home, who.caller, door.alone)


async def _by_replica(door: Door, call: Call) -> Response | None:
    """The replica's answer, if it is fresh and well. Who may come in is asked of the primary first."""
    transaction = call.rails.db.on_replica(call.place, call.who.caller, door.alone)
    if transaction is not None:
        async with _opened(door, call.rails, call.who):
            pass
        try:
            async with transaction as tx:
                call._tx = tx
                answer = _response(door, await door.handler(call))
            metrics.replica_reads.labels("replica").inc()
            return answer
        except (Unavailable, Unauthenticated, TenantSuspended):  # away, or it knows less than the primary just said
            call.rails.db.doubt_replica()
    metrics.replica_reads.labels("primary").inc()
    return None


async def _prepared(door: Door, call: Call, key: str | None, raw: bytes) -> Response | None:
    """Let the slow work be done, unless its request is a repetition: then the first answer.

    A transaction of its own asks first whether the caller may still come in: a token outlives its session by up
    to 15 minutes, and whoever holds one must not burn a core.
    """
    assert door.before is not None
    if door.role != PUBLIC:
        async with _opened(door, call.rails, call.who) as tx:
            known = None if key is None else await idempotency.answered(tx, _attempt(call, key, raw))
        if known is not None:
            return _again(*known)
    call.prepared = await door.before(call)
    return None


async def _in_transaction(door: Door, call: Call, key: str | None, raw: bytes) -> Response:
    async def work() -> Response:
        return _response(door, await door.handler(call))

    return await work() if key is None else await once(call, call.tx, key, raw, work)


def _attempt(call: Call, key: str, what: bytes) -> idempotency.Attempt:
    asked = f"{call.request.method} {call.request.url.path}".encode() + what
    return idempotency.Attempt(call.who.user, key, asked, call.rails.box, idempotency.alias(call.body, key))


def _again(status: int, answer: bytes) -> Response:
    return json_response(answer, status, {"Idempotency-Replayed": "true"})


async def once(call: Call, tx: Tx, key: str, what: bytes, work: Callable[[], Awaitable[Response]]) -> Response:
    """Do it in `tx` under the client's key; a repetition (of `what`) gets the first answer. Raises Conflict."""
    attempt = _attempt(call, key, what)
    known = await idempotency.begin(tx, attempt)
    if known is not None:
        return _again(*known)
    response = await work()
    await idempotency.finish(tx, attempt, response.status_code, bytes(response.body))
    return response


def _response(door: Door, answer: Any) -> Response:
    if isinstance(answer, Response):
        return answer
    if door.status == 204:
        return Response(status_code=204)
    return json_response(_encode(answer), door.status)


def json_response(content: bytes, status: int, headers: dict[str, str] | None = None) -> Response:
    """An answer that is JSON already."""
    return Response(content, status, headers, "application/json")


def _check_type(request: Request) -> None:
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise UnsupportedMediaType


async def read(request: Request, limit: int) -> bytes:
    """The body, refused as soon as it is known to be longer than `limit` bytes, or when it drips.

    Raises PayloadTooLarge, BodyTooSlow.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise PayloadTooLarge
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > limit:
                    raise PayloadTooLarge
                parts.append(part)
    except TimeoutError as error:
        raise BodyTooSlow from error
    return b"".join(parts)
