"""Numbers and WABAs: what they are, who is subscribed, where webhooks go instead (Meta: §11)."""

import secrets
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from . import media, templates
from .courier import Courier
from .errors import GraphError, bad_token, invalid, unknown_object
from .state import Fake, account, number, object_body, of
from .world import APP, Account, Number

USUAL = "verified_name,code_verification_status,display_phone_number,quality_rating,platform_type,throughput"


def facts(fake: Fake, one: Number) -> dict[str, Any]:
    """A number's fields; `display_phone_number` is formatted here, digits in webhooks (Meta: §1.1)."""
    display = one.display_phone_number
    return {
        "id": one.phone_number_id,
        "display_phone_number": display if display.startswith("+") else f"+{display}",
        "verified_name": one.verified_name,
        "status": one.status,
        "quality_rating": one.quality_rating,
        "name_status": one.name_status,
        "platform_type": "CLOUD_API",
        "code_verification_status": "VERIFIED",
        "throughput": {"level": "STANDARD"},
        "whatsapp_business_manager_messaging_limit": "TIER_2K",
        "health_status": {"can_send_message": "AVAILABLE"},
        "webhook_configuration": _webhooks(fake, one),
    }


def _webhooks(fake: Fake, one: Number) -> dict[str, str]:
    layers = {
        "phone_number": one.override_callback_uri,
        "whatsapp_business_account": fake.world.accounts[one.waba_id].override_callback_uri,
        "application": one.webhook_url,
    }
    return {layer: url for layer, url in layers.items() if url}


def _picked(whole: dict[str, Any], fields: str | None) -> dict[str, Any]:
    wanted = {"id", *(fields or USUAL).split(",")}
    return {name: value for name, value in whole.items() if name in wanted}


async def show(request: Request) -> Response:
    """GET /{id}: a number, a media, a template or a WABA."""
    fake, name, fields = of(request), request.path_params["node"], request.query_params.get("fields")
    if stored := fake.world.media.get(name):
        return media.show(request, stored)
    if template := fake.world.templates.get(name):
        return JSONResponse(templates.shown(templates.mine(request, template), fields))
    if name in fake.world.accounts:
        return JSONResponse({"id": account(request).waba_id, "name": "Hotel", "currency": "BRL"})
    return JSONResponse(_picked(facts(fake, number(request)), fields))


async def token(request: Request) -> Response:
    """GET /debug_token: what a number's token is worth; a token may be asked about with itself (Meta: §11)."""
    asked = request.query_params.get("input_token", "")
    known = next((one for one in of(request).world.numbers.values() if one.access_token == asked), None)
    if request.headers.get("Authorization") != f"Bearer {asked}" or known is None:
        raise bad_token()
    data = {
        "app_id": known.token_app,
        "type": "SYSTEM_USER",
        "is_valid": True,
        "expires_at": known.token_expires_at,
        "scopes": known.token_scopes,
    }
    return JSONResponse({"data": data})


async def change(request: Request) -> Response:
    """POST /{id}: edit a template, or set and clear a number's override (Meta: §11)."""
    fake, name = of(request), request.path_params["node"]
    if template := fake.world.templates.get(name):
        return await templates.edit(request, template)
    one = number(request)
    wanted = (await object_body(request)).get("webhook_configuration")
    if not isinstance(wanted, dict):
        raise invalid("Param webhook_configuration is required")
    one.override_callback_uri = await _override(fake.courier, wanted)
    return JSONResponse({"success": True})


async def remove(request: Request) -> Response:
    """DELETE /{media-id}; nothing else is deleted by its bare id."""
    name = request.path_params["node"]
    stored = of(request).world.media.get(name)
    if stored is None:
        raise unknown_object(request.method, name)
    return media.delete(request, stored)


async def numbers(request: Request) -> Response:
    """GET /{waba-id}/phone_numbers."""
    fake, fields = of(request), request.query_params.get("fields")
    found = fake.world.numbers_of(account(request).waba_id)
    return JSONResponse({"data": [_picked(facts(fake, one), fields) for one in found]})


async def subscriptions(request: Request) -> Response:
    """GET, POST and DELETE /{waba-id}/subscribed_apps; a POST without override clears one (Meta: §11)."""
    waba = account(request)
    if request.method == "GET":
        return JSONResponse({"data": [_subscription(waba)] if waba.subscribed else []})
    override = None
    if request.method == "POST" and await request.body():
        override = await _override(of(request).courier, await object_body(request))
    waba.override_callback_uri = override
    waba.subscribed = request.method == "POST"
    return JSONResponse({"success": True})


def _subscription(waba: Account) -> dict[str, Any]:
    app = {"id": APP, "link": f"https://www.facebook.com/games/?app_id={APP}", "name": "CRM"}
    override = {"override_callback_uri": waba.override_callback_uri} if waba.override_callback_uri else {}
    return {"whatsapp_business_api_data": app, **override}


async def _override(courier: Courier, wanted: dict[str, Any]) -> str | None:
    """The new override, after Meta's handshake with it; an empty address removes it (Meta: §1.2, §11)."""
    url = str(wanted.get("override_callback_uri") or "")
    if not url:
        return None
    if len(url) > 200:
        raise invalid("Param override_callback_uri must be at most 200 characters")
    if not await handshake(courier, url, str(wanted.get("verify_token", ""))):
        title = "(#2200) Callback verification failed: the challenge was not echoed with HTTP 200"
        raise GraphError(2200, title)
    return url


async def handshake(courier: Courier, url: str, verify_token: str) -> bool:
    """GET with a challenge that must come back exactly, with 200 (Meta: §1.2)."""
    challenge = str(secrets.randbelow(10**10))
    query = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": verify_token}
    status, text = await courier.ask(url, query)
    return status == 200 and text == challenge
