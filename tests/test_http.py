"""What every answer carries: ids, security headers, problems in the reader's language, and CORS."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec
import pytest
from starlette.applications import Starlette

from crm.core import edge, rails
from crm.core.access import TENANT_ADMIN
from crm.core.config import Settings
from crm.core.errors import Problem
from crm.core.http import Call, Door, route
from tests.system import PASSWORD, Hotel, System, calling, serving
from tests.visitors import login, pointers, proxied, told, visitor

_ALWAYS = {"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Cache-Control": "no-store"}
_HSTS = "max-age=63072000; includeSubDomains"
_ANSWERS = [
    ("GET", "/health", 200),
    ("GET", "/docs", 200),
    ("GET", "/openapi.json", 200),
    ("GET", "/metrics", 200),
    ("GET", "/nowhere", 404),
    ("DELETE", "/health", 405),
    ("GET", "/api/users", 401),
    ("POST", "/auth/login", 400),
    ("POST", "/webhooks/whatsapp", 401),
    ("GET", "/webhooks/whatsapp", 403),
]


@pytest.mark.parametrize(("method", "path", "status"), _ANSWERS)
async def test_every_answer_carries_the_security_headers_and_hsts_only_behind_tls(
    system: System, method: str, path: str, status: int
) -> None:
    async with system.client() as client:
        plain = await client.request(method, path)
        behind_tls = await client.request(method, path, headers={"X-Forwarded-Proto": "https"})
    for answer in (plain, behind_tls):
        assert answer.status_code == status
        assert {name: answer.headers.get(name) for name in _ALWAYS} == _ALWAYS
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "Server" not in answer.headers
    assert "Strict-Transport-Security" not in plain.headers
    assert behind_tls.headers["Strict-Transport-Security"] == _HSTS


@pytest.mark.parametrize("given", ["a", "01a2-0B.c_d", "x" * 64])
async def test_a_sane_request_id_is_kept(system: System, given: str) -> None:
    async with system.client(**{"X-Request-Id": given}) as client:
        answer = await client.get("/nowhere")
    assert (answer.headers["X-Request-Id"], answer.json()["requestId"]) == (given, given)


@pytest.mark.parametrize("given", [b"", b"x" * 65, b"a b", b"a;b", b"<script>", b'"', b"\xe9", b"a,b"])
async def test_any_other_request_id_is_replaced(system: System, given: bytes) -> None:
    async with system.client() as client:
        answer = await client.get("/nowhere", headers=[(b"X-Request-Id", given)])
    made = answer.headers["X-Request-Id"]
    assert re.fullmatch(r"[0-9a-f]{32}", made)
    assert answer.json()["requestId"] == made


async def test_a_problem_has_the_contracts_shape(alice: httpx.AsyncClient) -> None:
    answer = await alice.patch("/api/tenant", json={"locale": "fr", "x": 1})
    body = answer.json()
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert body.keys() == {"type", "title", "status", "code", "detail", "requestId", "errors"}
    assert (body["status"], body["code"], body["type"]) == (
        422,
        "validation_failed",
        "/docs#validation_failed",
    )
    assert all(error.keys() == {"pointer", "message"} and error["message"] for error in body["errors"])


async def test_a_401_asks_for_a_bearer_and_a_405_names_the_methods(system: System) -> None:
    async with system.client() as client:
        assert (await client.get("/auth/me")).headers["WWW-Authenticate"] == "Bearer"
        answer = await client.put("/auth/login", json={})
    assert (answer.json()["code"], answer.headers["Allow"]) == ("method_not_allowed", "POST")


_PT, _EN = "Não encontrado.", "Not found."


@pytest.mark.parametrize(
    ("accepted", "sentence"),
    [
        (None, _PT),
        (b"pt-BR,pt;q=0.9,en;q=0.8", _PT),
        (b"en-US,en;q=0.9", _EN),
        (b"EN", _EN),
        (b"pt;q=0.1, en;q=0.2", _EN),
        (b"en;q=0.5, pt-BR;q=0.9", _PT),
        (b"fr, de;q=0.9", _PT),
        (b"fr, en;q=0.1", _EN),
        (b"*", _PT),
        (b"en;q=0", _PT),
        (b"en;q=abc", _EN),
        (b";;,q=;=,\xff\xfe,en-" + b"x" * 4000, _EN),
        (b",,,;q=9" * 500, _PT),
    ],
)
async def test_people_read_portuguese_unless_they_prefer_english(
    system: System, accepted: bytes | None, sentence: str
) -> None:
    headers = [] if accepted is None else [(b"Accept-Language", accepted)]
    async with system.client() as client:
        answer = await client.get("/nowhere", headers=headers)
    assert (answer.status_code, answer.json()["detail"]) == (404, sentence)


async def test_the_sentences_at_the_fields_follow_the_language_too(alice: httpx.AsyncClient) -> None:
    said = {}
    for language in ("pt-BR", "en"):
        answer = await alice.patch("/api/tenant", json={"name": "", "x": 1}, headers={"Accept-Language": language})
        said[language] = {error["pointer"]: error["message"] for error in answer.json()["errors"]}
    assert said["en"] == {"/name": "Expected `str` of length >= 1", "/x": "unknown field `x`"}
    assert said["pt-BR"] == {"/name": "precisa de pelo menos 1 caracteres ou itens", "/x": "campo desconhecido `x`"}


async def test_a_fault_of_ours_tells_nothing_but_its_request_id(system: System, settings: Settings) -> None:
    empty = settings.database_url.removesuffix("/crm") + "/postgres"  # it has none of our tables
    browsed = {"frontend_url": "https://app.example", "database_url": empty}
    async with proxied(settings, **browsed) as url, visitor(url, Origin="https://app.example") as client:
        answer = await login(client, "ghost@platform.example", "x")
    body = answer.json()
    assert (answer.status_code, body["code"], body["status"]) == (500, "internal", 500)
    assert body.keys() == {"type", "title", "status", "code", "detail", "requestId"}
    assert body["requestId"] == answer.headers["X-Request-Id"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert (
        answer.headers["Access-Control-Allow-Origin"] == "https://app.example"
    )  # else a page is told of no answer
    assert not re.search(r"users|SELECT|asyncpg|/work|\.py|Traceback", answer.text)


async def test_a_path_id_that_is_no_uuid_names_nothing(alice: httpx.AsyncClient) -> None:
    for bad in ("1", "a%00b", "01890000-0000-7000-8000-00000000000", "x" * 5000, "%F0%9F%8F%A8"):
        answer = await alice.get(f"/api/channels/{bad}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_a_body_must_be_declared_as_json_or_not_at_all(alice: httpx.AsyncClient) -> None:
    for kind, status in (("text/plain", 415), ("application/jsonp", 415), ("application/json; charset=utf-8", 200)):
        answer = await alice.patch("/api/tenant", content=b"{}", headers={"Content-Type": kind})
        assert answer.status_code == status


@pytest.fixture(scope="module")
async def browsed(system: System, settings: Settings) -> Any:
    """The API with two frontends."""
    async with proxied(settings, frontend_url="https://app.example/, http://localhost:5173") as url:
        yield url


@pytest.mark.parametrize("origin", ["https://app.example", "http://localhost:5173"])
async def test_the_frontends_may_call_and_read_even_errors(browsed: str, origin: str) -> None:
    asks = {
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "authorization, range, x-tenant-slug",
    }
    async with visitor(browsed, Origin=origin) as client:
        preflight = await client.options("/api/tenant", headers=asks)
        refused = await client.get("/api/tenant")
    assert (preflight.status_code, refused.status_code) == (200, 401)
    assert "PATCH" in preflight.headers["Access-Control-Allow-Methods"]
    for answer in (preflight, refused):
        assert answer.headers["Access-Control-Allow-Origin"] == origin
        assert "Access-Control-Allow-Credentials" not in answer.headers
    exposed = refused.headers["Access-Control-Expose-Headers"]
    read = ("X-Request-Id", "Retry-After", "Idempotency-Replayed", "Content-Disposition", "Content-Range")
    assert all(name in exposed for name in read)


@pytest.mark.parametrize(
    "origin",
    ["https://app.example.evil.net", "http://app.example", "https://evil.net", "null", "https://app.example:444"],
)
async def test_no_other_origin_may(browsed: str, origin: str) -> None:
    async with visitor(browsed, Origin=origin) as client:
        preflight = await client.options("/api/tenant", headers={"Access-Control-Request-Method": "GET"})
        answer = await client.get("/health")
    assert "Access-Control-Allow-Origin" not in preflight.headers
    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_without_frontends_no_origin_may(system: System, hotel_a: Hotel) -> None:
    answer = await hotel_a.admin.get("/auth/me", headers={"Origin": "https://app.example"})
    assert answer.status_code == 200
    assert "Access-Control-Allow-Origin" not in answer.headers


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    """The body of the slow door."""

    name: str


@asynccontextmanager
async def slow_door(settings: Settings, worked: list[str]) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a door of the test's own, whose slow work is written into `worked`."""

    async def work(call: Call) -> str:
        worked.append(call.body.name)
        return f"{call.body.name}, prepared"

    async def answer(call: Call) -> str:
        return str(call.prepared)

    door = Door(
        method="POST",
        path="/slow",
        handler=answer,
        role=TENANT_ADMIN,
        body=Asked,
        before=work,
        status=201,
    )

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[dict[str, Any]]:
        laid = await rails.lay(settings)
        yield {"rails": laid}
        await laid.close()

    app = Starlette(routes=[route(door)], lifespan=lifespan, exception_handlers={Problem: edge.on_problem})
    async with serving(edge.Edge(app)) as url, calling(base_url=url) as client:
        yield client


async def test_slow_work_is_done_only_for_who_may_and_asks_rightly(
    system: System, settings: Settings, hotel_a: Hotel
) -> None:
    left = await system.sign_in(hotel_a.logins["admin"], PASSWORD, hotel_a.slug)
    assert (await left.post("/auth/logout")).status_code == 204
    admin, worked = {"Authorization": hotel_a.admin.headers["Authorization"]}, list[str]()
    async with slow_door(settings, worked) as client:

        async def ask(headers: dict[str, str], **body: Any) -> httpx.Response:
            return await client.post("/slow", json={"name": "bolo", **body}, headers=headers)

        assert told(await ask({})) == (401, "unauthenticated")
        assert told(await ask({"Authorization": left.headers["Authorization"]})) == (401, "unauthenticated")
        assert told(await ask({"Authorization": hotel_a.attendant.headers["Authorization"]})) == (403, "forbidden")
        assert pointers(await ask(admin, x=1)) == {"/x"}
        assert pointers(await ask({**admin, "Idempotency-Key": "x" * 201})) == {"/Idempotency-Key"}
        assert worked == []
        assert (await ask(admin)).json() == "bolo, prepared"
    assert worked == ["bolo"]
