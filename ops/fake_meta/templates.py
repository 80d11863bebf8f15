"""Message templates of a WABA: list by cursors, create, edit, delete (Meta: §8)."""

import base64
import re
import time
from typing import Any

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from . import cards
from .errors import GraphError, invalid, required
from .state import account, object_body, of, owned
from .world import Template, World

CATEGORIES = {"UTILITY", "MARKETING", "AUTHENTICATION"}
FILTERS = ("status", "category", "language")


def shown(template: Template, fields: str | None) -> dict[str, Any]:
    """As Graph shows it; `id` always comes along."""
    quality = {"score": "UNKNOWN", "date": int(time.time())}
    whole = msgspec.to_builtins(template) | {"quality_score": quality, "rejected_reason": "NONE"}
    del whole["waba_id"]
    wanted = {"id", *fields.split(",")} if fields else whole
    return {name: value for name, value in whole.items() if name in wanted}


async def page(request: Request) -> Response:
    """GET /{waba-id}/message_templates; `next` is there while more follows (Meta: §8)."""
    waba, query = account(request), request.query_params
    found = [one for one in of(request).world.templates.values() if one.waba_id == waba.waba_id]
    found = [one for one in found if _wanted(one, query)]
    start, limit = _place(query.get("after")), _limit(query.get("limit"))
    data = found[start : start + limit]
    body: dict[str, Any] = {"data": [shown(one, query.get("fields")) for one in data]}
    if data:
        end = start + len(data)
        body["paging"] = {"cursors": {"before": _cursor(start), "after": _cursor(end)}}
        if end < len(found):
            body["paging"]["next"] = str(request.url.include_query_params(after=_cursor(end)))
    if "summary" in query:
        body["summary"] = _summary(len(found))
    return JSONResponse(body)


def _wanted(template: Template, query: QueryParams) -> bool:
    """Filters compare case-insensitively and take several values by comma (Meta: §8)."""
    for name in FILTERS:
        allowed = query.get(name, "").upper().split(",")
        if allowed != [""] and getattr(template, name).upper() not in allowed:
            return False
    everything = f"{template.name} {template.components}"
    return query.get("name", "") in template.name and query.get("name_or_content", "") in everything


def _limit(given: str | None) -> int:
    return min(int(given), 1000) if given and given.isdigit() and int(given) else 25


def _cursor(place: int) -> str:
    return base64.urlsafe_b64encode(f"t{place}".encode()).decode()


def _place(cursor: str | None) -> int:
    """Since v24 a bad cursor is 131059 (Meta: §5.2)."""
    if not cursor:
        return 0
    try:
        return int(base64.urlsafe_b64decode(cursor).decode().removeprefix("t"))
    except ValueError:
        raise GraphError(131059, "(#131059) Invalid cursor") from None


def _summary(count: int) -> dict[str, Any]:
    return {
        "total_count": count,
        "message_template_count": count,
        "message_template_limit": 250,
        "are_translations_complete": True,
    }


async def create(request: Request) -> Response:
    """POST /{waba-id}/message_templates: PENDING until somebody decides."""
    waba, world = account(request), of(request).world
    template = store(world, waba.waba_id, await object_body(request))
    return JSONResponse({"id": template.id, "status": template.status, "category": template.category})


def store(world: World, waba_id: str, body: dict[str, Any]) -> Template:
    """A checked new template; name and language are unique together (Meta: §8)."""
    name, language, category = (str(body.get(field, "")) for field in ("name", "language", "category"))
    if not re.fullmatch(r"[a-z0-9_]{1,512}", name):
        raise invalid("Param name must match ^[a-z0-9_]{1,512}$")
    if not language or category.upper() not in CATEGORIES:
        raise invalid(f"Param language is required, and category must be one of {sorted(CATEGORIES)}")
    if world.template(waba_id, name, language):
        raise GraphError(100, "(#100) Invalid parameter", subcode=2388024, details="Content already exists")
    template = Template(
        world.next_id(), waba_id, name, language.replace("-", "_"), category.upper(), _components(body)
    )
    if "promo" in name and template.category == "UTILITY":
        template.category = "MARKETING"  # Meta files it where it belongs, whatever was asked (Meta: §8)
    template.parameter_format = str(body.get("parameter_format", "POSITIONAL")).upper()
    world.templates[template.id] = template
    return template


def _components(body: dict[str, Any]) -> list[dict[str, Any]]:
    components = body.get("components")
    if not isinstance(components, list) or not all(isinstance(part, dict) for part in components):
        raise required("components")
    if not any(str(part.get("type")).upper() == "BODY" for part in components):
        raise invalid("A template needs a BODY component")
    try:
        cards.check_new(components, str(body.get("category", "MARKETING")))
    except (AttributeError, KeyError, TypeError):
        raise invalid("Param components has the wrong shape") from None
    return components


def mine(request: Request, template: Template) -> Template:
    """The template in the path, when the bearer may see it."""
    owned(request, template.id, of(request).world.numbers_of(template.waba_id))
    return template


async def edit(request: Request, template: Template) -> Response:
    """POST /{template-id}: all components are replaced and reviewed again (Meta: §8)."""
    body = await object_body(request)
    mine(request, template).components = _components(body)
    template.status = "PENDING"
    return JSONResponse({"success": True})


async def delete(request: Request) -> Response:
    """DELETE by name takes all languages, with `hsm_id` one (Meta: §8)."""
    waba, world, query = account(request), of(request).world, request.query_params
    named = (waba.waba_id, query.get("name"))
    found = [one.id for one in world.templates.values() if (one.waba_id, one.name) == named]
    doomed = [name for name in found if query.get("hsm_id", name) == name]
    if not doomed:
        raise GraphError(100, "(#100) Message template not found", status=404, subcode=2593002)
    for name in doomed:
        del world.templates[name]
    return JSONResponse({"success": True})
