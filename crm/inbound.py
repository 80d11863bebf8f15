"""The river in: Meta's signed POST is stored raw before the 200; the drain (drain.py) makes messages of it."""

import logging
from collections.abc import Awaitable
from typing import Literal, TypeVar
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from crm import channels, envelope
from crm.channels import RouteRow
from crm.core import crypto, http, metrics, payload, sql
from crm.core.errors import Forbidden, MalformedBody, Unauthenticated, Unavailable
from crm.core.http import PUBLIC, Call, Door, Raw
from crm.core.rails import Rails
from crm.intake import Post

log = logging.getLogger(__name__)
_channels = sql.load("channels")
T = TypeVar("T")

BODY_LIMIT = 3 * 1024 * 1024  # Meta: payload ≤ 3 MB


class Handshake(msgspec.Struct, frozen=True):
    """What Meta asks with."""

    mode: Literal["subscribe"] = msgspec.field(name="hub.mode")
    verify_token: str = msgspec.field(name="hub.verify_token")
    challenge: str = msgspec.field(name="hub.challenge")


class Signed(msgspec.Struct, frozen=True):
    """Meta's word for its body: `sha256=` and the HMAC of its bytes."""

    signature: str = msgspec.field(name="X-Hub-Signature-256")


async def handshake(call: Call) -> Response:
    """Meta proves the URL: answer its challenge when the token is the platform's or a channel's own."""
    query = call.request.query_params
    token = query.get("hub.verify_token", "")
    asked = query.get("hub.mode") == "subscribe" and "hub.challenge" in query
    if not (asked and token and await _is_verify_token(call.rails, token)):
        raise Forbidden("Verificação recusada.", "Verification refused.")
    return PlainTextResponse(query["hub.challenge"])


async def _is_verify_token(rails: Rails, token: str) -> bool:
    if crypto.same(token, rails.settings.whatsapp_webhook_verify_token):
        return True
    async with rails.db.system(alone=True) as tx:
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
    async with rails.db.system(alone=True) as tx:
        return numbers, await channels.routes_of(tx, numbers, {item.account for item in named})


routes = [
    Door(
        method="GET",
        path="/webhooks/whatsapp",
        handler=handshake,
        role=PUBLIC,
        reads=Handshake,
        answer=Raw(("text/plain",)),
    ),
    Door(method="POST", path="/webhooks/whatsapp", handler=receive, role=PUBLIC, headers=Signed, raw=True),
]
