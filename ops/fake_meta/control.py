"""The control doors under /_fake/, for tests and `ops/up`; README.md beside this file describes each."""

import json
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from . import accounts, arrivals, media, templates
from .errors import invalid, unknown_object
from .script import Rule
from .state import Fake, object_body, of
from .world import Account, Number

Form = TypeVar("Form", bound=msgspec.Struct)


class Registration(msgspec.Struct, rename="camel"):
    """The one field that names the number; the others are checked by Number itself."""

    phone_number_id: str


class Script(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """Rules, for one number or for all."""

    rules: list[Rule]
    phone_number_id: str | None = None


class Raw(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A webhook body of the test's own making; it is signed, posted once and never retried."""

    body: msgspec.Raw
    phone_number_id: str | None = None
    url: str | None = None
    secret: str | None = None


class Handshake(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """Verify a callback as Meta's dashboard does."""

    phone_number_id: str
    url: str | None = None
    verify_token: str | None = None


async def form(request: Request, kind: type[Form]) -> Form:
    """The decoded body; a wrong field is named in a 400."""
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise invalid(str(error)) from None


def answer(value: Any) -> Response:
    """Any of our Structs as JSON."""
    return Response(msgspec.json.encode(value), media_type="application/json")


async def register(request: Request) -> Response:
    """Add a number, or change the given fields of a known one."""
    fake, name = of(request), (await form(request, Registration)).phone_number_id
    known = fake.world.numbers.get(name)
    start = msgspec.to_builtins(known) if known else _defaults(fake)
    try:
        number = msgspec.convert(start | await request.json(), Number)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from None
    fake.world.numbers[name] = number
    fake.world.accounts.setdefault(number.waba_id, Account(number.waba_id))
    return answer(number)


def _defaults(fake: Fake) -> dict[str, Any]:
    settings = fake.settings
    return {
        "appSecret": settings.app_secret,
        "verifyToken": settings.verify_token,
        "window": settings.window,
        "statusDelaysMs": settings.status_delays_ms,
    }


async def registered(request: Request) -> Response:
    """All numbers."""
    return answer(list(of(request).world.numbers.values()))


async def inbound(request: Request) -> Response:
    """A customer writes; answered when the first delivery attempt has ended."""
    wanted = await form(request, arrivals.Inbound)
    if not (wanted.sender or wanted.bsuid):
        raise invalid("from or bsuid is required")
    return answer(await arrivals.arrive(of(request), wanted, str(request.base_url)))


async def webhook(request: Request) -> Response:
    """Sign and post a raw body."""
    fake, raw = of(request), await form(request, Raw)
    number = _known(fake, raw.phone_number_id) if raw.phone_number_id else None
    url = raw.url or (number.webhook_url if number else None)
    if url is None:
        raise invalid("url, or a phoneNumberId that has a webhookUrl, is required")
    secret = raw.secret or (number or fake.settings).app_secret
    body = json.loads(bytes(raw.body))
    return answer(await fake.courier.deliver(url, secret, body, raw.phone_number_id, retry=False))


def _known(fake: Fake, name: str) -> Number:
    if name not in fake.world.numbers:
        raise unknown_object("POST", name)
    return fake.world.numbers[name]


async def handshake(request: Request) -> Response:
    """Meta's GET with a challenge, to the number's own URL or another."""
    fake, wanted = of(request), await form(request, Handshake)
    number = _known(fake, wanted.phone_number_id)
    token = wanted.verify_token or number.verify_token
    url = wanted.url or number.webhook_url or ""
    return answer({"ok": await accounts.handshake(fake.courier, url, token)})


async def store_media(request: Request) -> Response:
    """Bytes (the body) that a customer's message can then name by id."""
    fake, query = of(request), request.query_params
    number = _known(fake, query.get("phoneNumberId", ""))
    mime = request.headers.get("Content-Type", "application/octet-stream")
    stored = media.keep(fake, number.phone_number_id, mime, await request.body(), query.get("filename"))
    return JSONResponse({"id": stored.id})


async def store_template(request: Request) -> Response:
    """A template that Meta has already decided on: `status` is APPROVED unless given."""
    body = await object_body(request)
    template = templates.store(of(request).world, str(body.get("wabaId")), body)
    template.status = str(body.get("status", "APPROVED"))
    return JSONResponse(templates.shown(template, None))


def _of_number(request: Request, rows: Any) -> Response:
    wanted = request.query_params.get("phoneNumberId")
    return answer([row for row in rows if wanted in (None, row.phone_number_id)])


async def sent(request: Request) -> Response:
    """Accepted message requests, in order."""
    return _of_number(request, of(request).world.sent)


async def reads(request: Request) -> Response:
    """Accepted read marks, in order."""
    return _of_number(request, of(request).world.reads)


async def deliveries(request: Request) -> Response:
    """Every webhook posted: last status, ms, attempts, and whether a retry is waiting."""
    return _of_number(request, of(request).courier.log)


async def script(request: Request) -> Response:
    """POST appends rules, DELETE forgets them all."""
    fake = of(request)
    if request.method == "DELETE":
        fake.rules.clear()
    else:
        wanted = await form(request, Script)
        fake.rules.add(wanted.rules, wanted.phone_number_id)
    return Response(status_code=204)


async def reset(request: Request) -> Response:
    """Forget everything, numbers too, and stop every delivery under way."""
    await of(request).clear()
    return Response(status_code=204)


DOORS: list[BaseRoute] = [
    Route("/numbers", register, methods=["POST"]),
    Route("/numbers", registered, methods=["GET"]),
    Route("/inbound", inbound, methods=["POST"]),
    Route("/webhook", webhook, methods=["POST"]),
    Route("/handshake", handshake, methods=["POST"]),
    Route("/media", store_media, methods=["POST"]),
    Route("/templates", store_template, methods=["POST"]),
    Route("/sent", sent, methods=["GET"]),
    Route("/reads", reads, methods=["GET"]),
    Route("/webhooks", deliveries, methods=["GET"]),
    Route("/script", script, methods=["POST", "DELETE"]),
    Route("/reset", reset, methods=["POST"]),
]
routes: list[BaseRoute] = [Mount("/_fake", routes=DOORS)]
