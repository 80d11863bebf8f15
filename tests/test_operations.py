"""The operators' doors: health, readiness, numbers, and the API's own description."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from openapi_spec_validator import validate

from crm import app
from crm.core import errors
from crm.core.config import Settings
from crm.core.errors import Problem
from tests.system import System
from tests.visitors import proxied, visitor

_TOKEN = "metrics-token-of-the-tests"
_DOORS = ["/health", "/health/ready", "/metrics", "/openapi.json", "/docs"]
_ERRORS = Path(__file__).parents[1] / "docs" / "errors.md"


@pytest.fixture(scope="module")
async def url(system: System, settings: Settings) -> Any:
    """The API behind a trusted proxy, with a metrics token."""
    async with proxied(settings, metrics_token=_TOKEN) as url:
        yield url


@pytest.fixture
async def client(system: System) -> Any:
    """Somebody on the same machine."""
    async with system.client() as client:
        yield client


async def test_health_says_only_that_the_process_is_up(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_ready_tells_check_by_check(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health/ready")
    checks = {"postgres": "ok", "redis": "ok", "migrations": "ok"}
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "checks": checks})


@pytest.mark.parametrize("away", ["postgres", "redis"])
async def test_without_postgres_or_redis_the_process_is_up_and_not_ready(settings: Settings, away: str) -> None:
    nowhere = {
        "database_url": "postgresql://x@127.0.0.1:1/x",
        "database_system_url": "postgresql://x@127.0.0.1:1/x",
    }
    changes = nowhere if away == "postgres" else {"redis_url": "redis://127.0.0.1:1/0"}
    async with proxied(settings, **changes) as url, visitor(url) as client:
        answer = await client.get("/health/ready")
        assert (await client.get("/health")).status_code == 200
    body = answer.json()
    assert (answer.status_code, body["status"], body["checks"][away]) == (503, "not_ready", "failing")
    assert body["checks"]["redis" if away == "postgres" else "postgres"] == "ok"
    assert int(answer.headers["Retry-After"]) >= 1


async def test_a_database_of_another_version_is_not_ready(settings: Settings) -> None:
    empty = settings.database_system_url.removesuffix("/crm") + "/postgres"
    async with proxied(settings, database_system_url=empty) as url, visitor(url) as client:
        answer = await client.get("/health/ready")
    assert (answer.status_code, answer.json()["checks"]["migrations"]) == (503, "failing")


async def test_metrics_count_requests_by_route_and_what_waits(
    client: httpx.AsyncClient, alice: httpx.AsyncClient
) -> None:
    await alice.get("/api/users")
    answer = await client.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    route = 'crm_http_request_seconds_count{method="GET",route="/api/users",status="200"}'
    assert float(re.search(re.escape(route) + r" (\S+)", answer.text)[1]) >= 1
    assert {"webhook_events", "sends"} <= set(re.findall(r'crm_waiting\{what="(\w+)"\}', answer.text))
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-7", answer.text)


@pytest.mark.parametrize("address", ["10.1.2.3", "192.168.0.9", "172.16.5.5", "::1", "fd00::1"])
async def test_metrics_are_shown_to_private_addresses(url: str, address: str) -> None:
    async with visitor(url, **{"X-Forwarded-For": address}) as client:
        assert (await client.get("/metrics")).status_code == 200


@pytest.mark.parametrize("address", ["81.2.69.160", "2a00:1450:4001::1", "10.1.2.3, 81.2.69.160", "unknown"])
async def test_metrics_are_shown_to_the_world_with_the_token_only(url: str, address: str) -> None:
    async with visitor(url, **{"X-Forwarded-For": address}) as client:
        given = [None, "Bearer wrong", "Bearer", "Bearer é".encode(), f"Bearer {_TOKEN}x", f"Bearer {_TOKEN}"]
        headers = [{} if one is None else {"Authorization": one} for one in given]
        answers = [await client.get("/metrics", headers=one) for one in headers]
    assert [answer.status_code for answer in answers] == [403] * 5 + [200]
    assert "crm_" not in answers[0].text


async def test_a_proxy_that_is_not_trusted_does_not_lend_its_private_address(client: httpx.AsyncClient) -> None:
    answer = await client.get("/metrics", headers={"X-Forwarded-For": "81.2.69.160"})
    assert answer.status_code == 403


async def test_without_a_metrics_token_no_token_opens_them(proxied_url: str) -> None:
    async with visitor(proxied_url) as client:
        answers = [
            await client.get("/metrics", headers={"Authorization": one}) for one in ("Bearer", "", "Bearer x")
        ]
    assert [answer.status_code for answer in answers] == [403] * 3


async def test_the_openapi_document_is_valid_and_lists_exactly_the_doors(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    validate(document)
    listed = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert listed == {(door.method, door.path) for door in app.doors}


async def test_every_operation_says_who_may_what_goes_in_and_what_comes_out(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    operations = {}
    for door in app.doors:
        operation = document["paths"][door.path][door.method.lower()]
        operations[operation["operationId"]] = operation
        assert ("security" in operation) == (door.role != "PUBLIC")
        assert ("requestBody" in operation) == (door.body is not None or door.form or door.raw)
        assert {str(door.status), "default"} <= operation["responses"].keys()
        assert operation["summary"]
    assert len(operations) == len(app.doors)


async def test_the_page_for_people_lists_every_door_and_loads_nothing(client: httpx.AsyncClient) -> None:
    answer = await client.get("/docs")
    assert answer.headers["Content-Type"].startswith("text/html")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert all(door.path in answer.text for door in app.doors)
    assert not re.search(r"<script|<link|<img|<iframe|\bon\w+=|javascript:|@import|url\(", answer.text)
    assert re.findall(r'(?:src|href)="([^"]*)"', answer.text) == ["/openapi.json"]


@pytest.mark.parametrize("path", _DOORS)
async def test_no_door_of_an_operator_holds_a_secret(
    client: httpx.AsyncClient, settings: Settings, path: str
) -> None:
    text = (await client.get(path)).text
    urls = (settings.database_url, settings.database_system_url, settings.database_owner_url)
    passwords = [re.search(r":([^:@/]+)@", one)[1] for one in urls]
    names = (
        "jwt_secret",
        "jwt_refresh_secret",
        "encryption_keys",
        "whatsapp_app_secret",
        "whatsapp_webhook_verify_token",
    )
    secrets = [getattr(settings, name) for name in names] + passwords
    assert all(len(secret) > 8 for secret in secrets)
    assert not [secret for secret in secrets if secret in text]


def _problems() -> dict[str, int]:
    return {kind.code: kind.status for kind in errors.tree()}


def test_the_page_of_errors_lists_exactly_the_codes_there_are() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (.+?) \| (.+?) \|$", _ERRORS.read_text(), re.M)
    assert {code: int(status) for code, status, _, _ in rows} == _problems()
    assert len(rows) == len(_problems())


async def test_the_type_of_a_problem_leads_to_a_place_of_the_page(client: httpx.AsyncClient) -> None:
    page = (await client.get("/docs")).text
    assert {code for code in _problems() if f'id="{code}"' not in page} == set()
    assert (await client.get("/nowhere")).json()["type"] == "/docs#not_found"


def test_the_tree_in_the_errors_docstring_names_every_class() -> None:
    kinds = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Problem)}
    assert kinds - set(re.findall(r"[A-Z]\w+", errors.__doc__ or "")) == set()
