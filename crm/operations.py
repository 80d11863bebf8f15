"""Doors for operators: is it up, is it ready, what are the numbers, what does the API offer."""

import ipaddress
from contextlib import suppress
from functools import cache
from typing import Any

import msgspec
from redis.exceptions import RedisError
from starlette.responses import HTMLResponse, Response

from crm.core import crypto, metrics, sql
from crm.core.errors import Forbidden, Problem
from crm.core.http import PUBLIC, Call, Door
from crm.core.migrate import newest
from crm.core.rails import Rails

_sql = sql.load("operations")


class Health(msgspec.Struct, frozen=True):
    """The process answers."""

    status: str


class Ready(msgspec.Struct, frozen=True):
    """Whether requests can be served, check by check: `ok` or `failing`."""

    status: str
    checks: dict[str, str]


class WaitingRow(msgspec.Struct, frozen=True):
    """How much waits, and for how many seconds the oldest has."""

    rows: int
    oldest: float


async def health(_call: Call) -> Health:
    """The process is up; nothing else is asked, so that an outage elsewhere restarts nobody."""
    return Health("ok")


async def ready(call: Call) -> Response:
    """Postgres answers with the schema this version needs, and Redis answers; else 503."""
    checks = await _checks(call.rails)
    good = all(state == "ok" for state in checks.values())
    body = msgspec.json.encode(Ready("ready" if good else "not_ready", checks))
    headers = None if good else {"Retry-After": "2"}
    return Response(body, 200 if good else 503, headers, "application/json")


async def _checks(rails: Rails) -> dict[str, str]:
    checks = {"postgres": "failing", "redis": "failing", "migrations": "failing"}
    with suppress(Problem):
        async with rails.db.system() as tx:
            applied = await tx.value(_sql.newest_migration)
        checks["postgres"] = "ok"
        if applied == newest():
            checks["migrations"] = "ok"
    with suppress(RedisError, OSError):
        await rails.redis.execute_command("PING")  # type: ignore[no-untyped-call]
        checks["redis"] = "ok"
    return checks


async def numbers(call: Call) -> Response:
    """Prometheus' page: with METRICS_TOKEN as bearer, or from a private address."""
    token = call.rails.settings.metrics_token
    given = call.request.headers.get("authorization", "").removeprefix("Bearer ")
    if not (token and crypto.same(given, token)) and not _is_private(call.ip):
        raise Forbidden
    with suppress(Problem):  # the process' own numbers are worth most while Postgres is away
        await _gauge(call.rails)
    return Response(metrics.page(), media_type=metrics.CONTENT_TYPE)


def _is_private(ip: str) -> bool:
    try:
        return ipaddress.ip_address(ip).is_private
    except ValueError:
        return False


async def _gauge(rails: Rails) -> None:
    queues = (("webhook_events", sql.load("inbound").waiting), ("sends", sql.load("messages").waiting))
    async with rails.db.system() as tx:
        for what, query in queues:
            row = await tx.one(query, WaitingRow)
            metrics.waiting.labels(what).set(row.rows)
            metrics.oldest.labels(what).set(row.oldest)


async def openapi(call: Call) -> Response:
    """The OpenAPI document of this very process."""
    return Response(call.request.state.openapi, media_type="application/json")


async def docs(call: Call) -> Response:
    """The same, for people: one page, no scripts, nothing loaded from elsewhere."""
    page = _page(call.request.state.openapi)
    csp = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    return HTMLResponse(page, headers={"Content-Security-Policy": csp})


@cache
def _page(document: bytes) -> str:
    spec = msgspec.json.decode(document)
    rows = [
        f"<h2><b>{method.upper()}</b> {path}</h2><p>{_escape(door['summary'])} <i>{door['description']}</i></p>"
        + _shapes(door)
        for path, doors in spec["paths"].items()
        for method, door in doors.items()
    ]
    style = (
        "body{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
        "h2{font-size:1rem;margin:1.5rem 0 0;font-family:ui-monospace,monospace}"
        "b{display:inline-block;min-width:4rem}p{margin:0 0 0 4rem}i{color:#666}code{background:#f3f3f3}"
        "@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}code{background:#222}i{color:#999}}"
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>API</title><style>{style}</style>'
        f'<h1>{spec["info"]["title"]}</h1><p style="margin:0">{_escape(spec["info"]["description"])} '
        f'Machine-readable: <a href="/openapi.json">/openapi.json</a></p>{"".join(rows)}'
    )


def _shapes(door: dict[str, Any]) -> str:
    query = ", ".join(param["name"] for param in door["parameters"] if param["in"] == "query")
    names = [f"query: <code>{_escape(query)}</code>"] if query else []
    body = door.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if "$ref" in body:
        names.append(f"body: <code>{body['$ref'].rpartition('/')[2]}</code>")
    return f"<p>{' · '.join(names)}</p>" if names else ""


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


routes = [
    Door(method="GET", path="/health", handler=health, role=PUBLIC, answer=Health),
    Door(method="GET", path="/health/ready", handler=ready, role=PUBLIC, answer=Ready),
    Door(method="GET", path="/metrics", handler=numbers, role=PUBLIC),
    Door(method="GET", path="/openapi.json", handler=openapi, role=PUBLIC),
    Door(method="GET", path="/docs", handler=docs, role=PUBLIC),
]
