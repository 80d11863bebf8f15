"""Clients with addresses of their own: a second API, behind a proxy it trusts, believes their X-Forwarded-For."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec

from crm import app
from crm.core.config import Settings
from tests.system import PASSWORD, calling, serving

_numbers = itertools.count(1)


@asynccontextmanager
async def proxied(settings: Settings, **changes: Any) -> AsyncIterator[str]:
    """The API again, on the same database, with 127.0.0.1 as its trusted proxy; its base URL."""
    changed = msgspec.structs.replace(settings, **{"trusted_proxies": "127.0.0.1", **changes})
    async with serving(app.build(changed)) as url:
        yield url


def fresh(word: str) -> str:
    """A name that nothing else of the run has."""
    return f"{word}-{next(_numbers)}x"  # x: no search for it finds a longer number of the same word


def public_address() -> str:
    """An address of the internet that nobody came from yet."""
    number = next(_numbers)
    return f"81.2.{number // 250}.{number % 250 + 1}"


def visitor(url: str, **headers: str) -> httpx.AsyncClient:
    """Somebody at an address of their own."""
    return calling(base_url=url, headers={"X-Forwarded-For": public_address(), **headers}, timeout=20)


async def login(
    client: httpx.AsyncClient, email: str, password: str = PASSWORD, slug: str | None = None, **headers: str
) -> httpx.Response:
    """Try to sign in; the whole answer."""
    if slug:
        headers["X-Tenant-Slug"] = slug
    return await client.post("/auth/login", json={"email": email, "password": password}, headers=headers)


def bearer(token: str) -> dict[str, str]:
    """The header that carries a token."""
    return {"Authorization": f"Bearer {token}"}


async def enter(client: httpx.AsyncClient, email: str, slug: str, password: str = PASSWORD) -> dict[str, Any]:
    """Sign in; the tokens and what comes with them."""
    answer = await login(client, email, password, slug)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def me(client: httpx.AsyncClient, token: str) -> httpx.Response:
    """Ask who the token is."""
    return await client.get("/auth/me", headers=bearer(token))


async def refresh(client: httpx.AsyncClient, token: str) -> httpx.Response:
    """Ask for new tokens."""
    return await client.post("/auth/refresh", json={"refreshToken": token})


def told(answer: httpx.Response) -> tuple[int, Any]:
    """An answer's status and, of a problem, its code."""
    return answer.status_code, answer.json().get("code")


def pointers(answer: httpx.Response) -> set[str]:
    """Which fields a 422 names."""
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed"), answer.text
    return {error["pointer"] for error in answer.json()["errors"]}
