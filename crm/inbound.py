"""The river in: Meta's signed POST is stored raw before the 200; a job turns raw events into messages."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from crm import changes, channels, contacts, dead_letters, envelope, media, messages
from crm.channels import RouteRow
from crm.core import crypto, http, metrics, payload, sql
from crm.core.errors import Forbidden, MalformedBody, Unauthenticated, Unavailable
from crm.core.feed import Event
from crm.core.http import PUBLIC, Call, Door
from crm.core.rails import Rails
from crm.core.tx import Tx
from crm.envelope import Element, Parts
from crm.intake import Post

log = logging.getLogger(__name__)
_sql = sql.load("inbound")
_channels = sql.load("channels")
T = TypeVar("T")

BODY_LIMIT = 3 * 1024 * 1024  # Meta: payload ≤ 3 MB
BATCH, BATCH_BYTES = 500, 512 * 1024  # raw events per turn of the drain, and bytes of one lane in it
_UNHOLDABLE = 100_000  # characters kept of a poisoned element that JSON cannot hold
_TENANTS = 4  # tenants worked at once: 2,009 messages/s against 1,168 one after another


class EventRow(msgspec.Struct, frozen=True):
    """A raw event as stored."""

    received_at: datetime
    id: UUID
    body: bytes
    signed_by: UUID | None


class Dead(msgspec.Struct, frozen=True):
    """An element that could not be worked, and why."""

    tenant: UUID
    element: Element
    error: Exception


async def handshake(call: Call) -> Response:
    """Meta proves the URL: answer its challenge when the token is the platform's or a channel's own."""
    query = call.request.query_params
    token = query.get("hub.verify_token", "")
    asked = query.get("hub.mode") == "subscribe" and "hub.challenge" in query
    if not (asked and token and await _is_verify_token(call.rails, token)):
        raise Forbidden("Verificação recusada.", "Verification refused.")
    return PlainTextResponse(query["hub.challenge"])


async def _is_verify_token(rails: Rails, token: str) -> bool:
    platform = rails.settings.whatsapp_webhook_verify_token
    if platform and crypto.same(token, platform):
        return True
    async with rails.db.system() as tx:
        return bool(await tx.value(_channels.knows_verify_token, token=token.replace("\x00", "")))


async def receive(call: Call) -> Response:
    """200 once the raw event is durable. Raises Unauthenticated, MalformedBody, PayloadTooLarge, Unavailable."""
    request = call.request
    signature = request.headers.get("x-hub-signature-256", "")
    if not signature:
        metrics.webhooks.labels("refused").inc()
        raise Unauthenticated("Falta a assinatura.", "The signature is missing.")
    body = await _counted(_read(request))
    signer = await _signer(call, body, signature)
    try:
        lane = envelope.lane(payload.read(body))
    except ValueError as error:
        raise MalformedBody from error
    await _counted(request.state.intake.store(Post(body, signer, lane)))
    metrics.webhooks.labels("stored").inc()
    return Response(status_code=200)


async def _counted(work: Awaitable[T]) -> T:
    """A webhook that Meta must send again is counted. Raises Unavailable."""
    try:
        return await work
    except Unavailable:
        metrics.webhooks.labels("failed").inc()
        raise


async def _read(request: Request) -> bytes:
    """The body, when there is room for it. Raises Unavailable, PayloadTooLarge, BodyTooSlow."""
    with request.state.intake.reading(request.headers.get("content-length", "")):
        return await http.read(request, BODY_LIMIT)


async def _signer(call: Call, body: bytes, signature: str) -> UUID | None:
    """None when the platform's secret signed it, else the tenant whose channel's secret did.

    The body only chooses which secrets are tried, it is not trusted by that: what a tenant's own secret
    signed reaches that tenant alone. Of a wrong signature the numbers that the body names are noted, for the
    go-live check; nothing else of it is kept or believed. Raises Unauthenticated.
    """
    rails = call.rails
    if crypto.signed(body, signature, rails.settings.whatsapp_app_secret):
        return None
    numbers, routes = await _routes_named(rails, body)
    for route in routes:
        if route.app_secret is None:
            continue
        try:
            secret = rails.box.open(route.app_secret, route.tenant_id, "channels.app_secret")
        except crypto.SealBroken:
            log.exception("a channel's app secret does not open", extra={"channelId": str(route.id)})
            continue
        if crypto.signed(body, signature, secret):
            return route.tenant_id
    metrics.webhooks.labels("refused").inc()
    call.request.state.refusals.note(route for route in routes if route.phone_number_id in numbers)
    raise Unauthenticated("Assinatura inválida.", "The signature is wrong.")


async def _routes_named(rails: Rails, body: bytes) -> tuple[set[str], list[RouteRow]]:
    """The phone number ids of a body nobody has vouched for yet, and the channels behind them and its accounts."""
    try:
        named = list(envelope.elements(payload.read(body)))
    except ValueError:
        return set(), []
    numbers = {item.number for item in named}
    async with rails.db.system() as tx:
        return numbers, await channels.routes_of(tx, numbers, {item.account for item in named})


async def drain(rails: Rails, go_on: Callable[[], bool] = lambda: True) -> int:
    """Work raw events until none waits, or `go_on` says no; how many were worked."""
    total = 0
    while go_on() and (worked := await work(rails)):
        total += worked
    return total


async def work(rails: Rails) -> int:
    """One turn: take a batch, sort it by tenant, apply each tenant's part.

    What is taken waits again when this transaction does not commit, so a worker killed here holds nothing back.
    What a tenant's part had committed by then is found again by its wamid and changes nothing.
    """
    async with rails.db.system() as tx:
        events = await tx.many(_sql.claim, EventRow, max=BATCH, bytes=BATCH_BYTES)
        if not events:
            return 0
        named = [(event, await _elements(tx, event)) for event in events]
        routes = await _routes(tx, [element for _, parts in named for element in parts])
        by_tenant, ignored = _sorted(named, routes)
        for dead in await _apply_all(rails, by_tenant):
            metrics.elements.labels("dead").inc()
            await _bury(tx, dead)
        if ignored:
            left = [event for event in events if event.id in ignored]
            await tx.none(
                _sql.ignored,
                times=[event.received_at for event in left],
                ids=[event.id for event in left],
                counts=[ignored[event.id] for event in left],
            )
    now = datetime.now(UTC)
    for event in events:
        metrics.lag.observe(max(0.0, (now - event.received_at).total_seconds()))
    return len(events)


class Routes:
    """Where elements lead: by the number they name, or, naming none, to each tenant of their account."""

    def __init__(self, rows: list[RouteRow]) -> None:
        self._numbers = {row.phone_number_id: row for row in rows}
        self._accounts: dict[str, dict[UUID, RouteRow]] = {}
        for row in sorted(rows, key=lambda row: row.id):
            self._accounts.setdefault(row.waba_id, {}).setdefault(row.tenant_id, row)

    def of(self, element: Element, signed_by: UUID | None) -> list[RouteRow]:
        """The channels an element is for, none when it is nobody's; what a tenant signed is for it alone."""
        named = self._numbers.get(element.number)
        if element.number:
            found = [named] if named and named.waba_id == element.account else []
        else:
            found = [*self._accounts.get(element.account, {}).values()] if element.kind == "change" else []
        return [row for row in found if signed_by in (None, row.tenant_id)]


async def _routes(tx: Tx, elements: list[Element]) -> Routes:
    numbers = {element.number for element in elements if element.kind != "other"}
    accounts = {element.account for element in elements if element.kind == "change" and not element.number}
    return Routes(await channels.routes_of(tx, numbers, accounts))


def _sorted(
    named: list[tuple[EventRow, list[Element]]], routes: Routes
) -> tuple[dict[UUID, Parts], dict[UUID, int]]:
    """Elements by tenant, and how many of each event are ignored: never a fallback to somebody's channel."""
    by_tenant: dict[UUID, Parts] = {}
    ignored: dict[UUID, int] = {}
    for event, elements in named:
        for element in elements:
            if element.kind == "other":
                metrics.elements.labels("other").inc()
                continue
            led = routes.of(element, event.signed_by)
            for route in led:
                by_tenant.setdefault(route.tenant_id, []).append((element, route.id))
            if not led:
                ignored[event.id] = ignored.get(event.id, 0) + 1
                metrics.elements.labels("ignored").inc()
    return by_tenant, ignored


async def _elements(tx: Tx, event: EventRow) -> list[Element]:
    """What the event holds; one that cannot be read at all is buried whole, and holds up nobody."""
    try:
        return list(envelope.elements(payload.read(event.body)))
    except Exception as error:
        item = {"eventId": str(event.id), "receivedAt": event.received_at.isoformat()}
        await dead_letters.bury(tx, event.signed_by, dead_letters.EVENT, str(event.id), item, _told(error))
        return []


async def _apply_all(rails: Rails, by_tenant: dict[UUID, Parts]) -> list[Dead]:
    """Every tenant's part, a few tenants at a time: one that waits for its locks holds up no other.

    All end before an outage is told, so that nothing goes on behind the claim's transaction. Raises Unavailable.
    """
    room = asyncio.Semaphore(_TENANTS)

    async def work(tenant: UUID, parts: Parts) -> list[Dead]:
        async with room:
            return await _apply(rails, tenant, parts)

    ended = await asyncio.gather(*(work(*item) for item in by_tenant.items()), return_exceptions=True)
    for end in ended:
        if isinstance(end, BaseException):
            raise end
    return [dead for end in ended if not isinstance(end, BaseException) for dead in end]


async def _apply(rails: Rails, tenant: UUID, parts: Parts) -> list[Dead]:
    """A tenant's part in one transaction; if anything in it is poisoned, one by one, naming the bad ones."""
    try:
        await _apply_together(rails, tenant, parts)
        return []
    except Unavailable:
        raise
    except Exception:  # whatever it is, it must not hold up the others for ever
        log.warning("a batch is poisoned: one by one", extra={"tenantId": str(tenant), "elements": len(parts)})
    bad: list[Dead] = []
    for element, channel in parts:
        try:
            await _apply_together(rails, tenant, [(element, channel)])
        except Unavailable:
            raise
        except Exception as error:
            bad.append(Dead(tenant, element, error))
    return bad


async def _apply_together(rails: Rails, tenant: UUID, parts: Parts) -> None:
    inbound = [envelope.inbound(element, channel) for element, channel in parts if element.kind == "message"]
    reports = [envelope.advance(element) for element, _ in parts if element.kind == "status"]
    changed = [envelope.change(element, channel) for element, channel in parts if element.kind == "change"]
    async with rails.db.tenant(tenant) as tx:
        # Locks are taken in one order: the tenant's door, media, messages, conversations, the feed's head.
        await contacts.hold(tx)
        inbound = await media.attach(tx, inbound)
        done = await changes.apply(tx, changed)
        risen = await messages.advance(tx, reports)
        risen += await messages.learn(tx, reports)
        done += await contacts.opt_out(tx, await messages.opted_out(tx, risen))
        arrived: list[Event] = await messages.receive(tx, inbound)
        heard = await channels.hear(tx, envelope.sounds(parts, inbound, reports))
        await rails.feed.append(tx, [*done, *arrived, *risen, *heard])
    metrics.elements.labels("status").inc(len(reports))
    told = sum(event.event == "message:new" for event in arrived)
    metrics.elements.labels("message").inc(told)
    metrics.elements.labels("silent or replay").inc(len(inbound) - told)


async def _bury(tx: Tx, dead: Dead) -> None:
    """Keep it whole; what not even a dead letter can hold, as a text: it must not hold up its lane for ever."""
    kind, about, item = envelope.letter(dead.element)
    try:
        async with tx.savepoint():
            await dead_letters.bury(tx, dead.tenant, kind, about, item, _told(dead.error))
    except Unavailable:
        raise
    except Exception as error:
        text = ascii(item)[:_UNHOLDABLE]
        await dead_letters.bury(tx, dead.tenant, kind, about, {"text": text}, _told(error))


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


routes = [
    Door(method="GET", path="/webhooks/whatsapp", handler=handshake, role=PUBLIC),
    Door(method="POST", path="/webhooks/whatsapp", handler=receive, role=PUBLIC),
]
