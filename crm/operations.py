"""Doors for operators: is it up, is it ready, what are the numbers, what does the API offer."""

import ipaddress
from contextlib import suppress
from typing import Any, Literal

import asyncpg
import msgspec
from redis.exceptions import RedisError
from starlette.responses import HTMLResponse, Response

from crm import gauges
from crm.core import crypto, metrics, reference, schema, sql
from crm.core.errors import Forbidden, Problem
from crm.core.http import PUBLIC, Call, Door, Raw
from crm.core.rails import Rails

_sql = sql.load("operations")


Check = Literal["ok", "failing"]
Standing = Literal["ready", "not_ready", "leaving"]


class Health(msgspec.Struct, frozen=True):
    """The process answers."""

    status: Literal["ok"]


class Ready(msgspec.Struct, frozen=True):
    """Whether requests can be served, check by check: `ok` or `failing`."""

    status: Standing
    checks: dict[str, Check]


async def health(_call: Call) -> Health:
    """The process is up; nothing else is asked, so that an outage elsewhere restarts nobody."""
    return Health("ok")


async def ready(call: Call) -> Response:
    """Postgres answers with the schema this version needs, Redis answers, and no stop was asked for; else 503."""
    checks = await _checks(call.rails)
    good = all(state == "ok" for state in checks.values()) and not call.request.scope["leaving"]
    status: Standing = "leaving" if call.request.scope["leaving"] else "ready" if good else "not_ready"
    body = msgspec.json.encode(Ready(status, checks))
    headers = None if good else {"Retry-After": "2"}
    return Response(body, 200 if good else 503, headers, "application/json")


async def _checks(rails: Rails) -> dict[str, Check]:
    checks: dict[str, Check] = {"postgres": "failing", "redis": "failing", "migrations": "failing"}
    # Without our schema the question itself fails.
    with suppress(Problem, asyncpg.PostgresError):
        async with rails.db.system(alone=True) as tx:
            applied = await tx.value(_sql.newest_migration)
        checks["postgres"] = "ok"
        if (applied or "") >= schema.newest():  # newer: the next version is being deployed
            checks["migrations"] = "ok"
    with suppress(RedisError, OSError):
        await rails.redis.execute_command("PING")  # type: ignore[no-untyped-call]
        checks["redis"] = "ok"
    return checks


async def numbers(call: Call) -> Response:
    """Prometheus' page: with METRICS_TOKEN as bearer, or from a private address."""
    token = call.rails.settings.metrics_token
    given = call.request.headers.get("authorization", "").removeprefix("Bearer ")
    if not (token and crypto.same(given, token)) and not _comes_from_inside(call):
        raise Forbidden
    gauges.around(call.rails)
    with suppress(Problem):  # the process' own numbers are worth most while Postgres is away
        await gauges.rows(call.rails)
    return Response(metrics.page(), media_type=metrics.CONTENT_TYPE)


def _comes_from_inside(call: Call) -> bool:
    """From a private address, and not through a proxy we do not trust: its own address would be private too."""
    peer = call.request.client.host if call.request.client else ""
    if "x-forwarded-for" in call.request.headers and call.ip == peer:
        return False
    try:
        return ipaddress.ip_address(call.ip).is_private
    except ValueError:
        return False


async def openapi(call: Call) -> Response:
    """The OpenAPI document of this very process."""
    return Response(call.request.state.openapi, media_type="application/json")


async def docs(call: Call) -> Response:
    """The same, for people: one page, no scripts, nothing loaded from elsewhere."""
    page = reference.page(call.request.state.openapi)
    csp = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    return HTMLResponse(page, headers={"Content-Security-Policy": csp})


routes = [
    Door(method="GET", path="/health", handler=health, role=PUBLIC, answer=Health),
    Door(method="GET", path="/health/ready", handler=ready, role=PUBLIC, answer=Ready, also=((503, Ready),)),
    Door(method="GET", path="/metrics", handler=numbers, role=PUBLIC, answer=Raw(("text/plain",))),
    Door(method="GET", path="/openapi.json", handler=openapi, role=PUBLIC, answer=dict[str, Any]),
    Door(method="GET", path="/docs", handler=docs, role=PUBLIC, answer=Raw(("text/html",))),
]
