"""Starts the system once for the whole suite, and introduces its people.

Alice (admin) and Bruno (attendant) work at hotel A, Carla (attendant) at hotel B; Root is the super admin.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import asyncpg
import httpx
import pytest

from crm import app, worker
from crm.core import rails
from crm.core.config import Settings
from crm.core.rails import Rails
from ops.dev.home import Home
from ops.fake_meta import app as fake_meta
from tests import scratch
from tests.own import FINISHED, ROOT_EMAIL, add_root, own_home, own_system, settings_of
from tests.scratch import Scratch
from tests.system import PASSWORD, Guest, Hotel, System, calling, serving, unique_phone
from tests.visitors import fresh, proxied, visitor


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """Postgres and Redis of this run alone, migrated."""
    with own_home(tmp_path_factory.mktemp("home")) as home:
        yield home


@pytest.fixture
def migrated(home: Home) -> Iterator[Scratch]:
    """A database with every migration."""
    with scratch.database(home, FINISHED) as made:
        yield made


@pytest.fixture(scope="session")
async def graph_url() -> AsyncIterator[str]:
    """The fake Meta."""
    async with serving(fake_meta()) as url:
        yield url


@pytest.fixture(scope="session")
def settings(home: Home, graph_url: str) -> Settings:
    """What the API and the worker of the suite run with."""
    return settings_of(home, graph_url, "WARNING")


@pytest.fixture(scope="session")
async def system(home: Home, settings: Settings, graph_url: str) -> AsyncIterator[System]:
    """API and worker, running, with a super admin."""
    await add_root(settings)
    stop = asyncio.Event()
    async with serving(app.build(settings)) as url:
        work = asyncio.create_task(worker.run(settings, stop))
        system = System(url, graph_url, settings, home, calling())
        system.root = await system.sign_in(ROOT_EMAIL, PASSWORD)
        yield system
        stop.set()
        await work


@pytest.fixture(scope="module")
def brisk() -> Iterator[None]:
    """The sweep five times a second, for a module that waits for it: in all of them it costs more than it saves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker, "SWEEP_SECONDS", 0.2)
        yield


@pytest.fixture
async def laid(settings: Settings) -> AsyncIterator[Rails]:
    """Connections of a worker of the test's own."""
    laid = await rails.lay(settings, rails.JOB_SECONDS)
    yield laid
    await laid.close()


@pytest.fixture(scope="module")
async def own(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    """A system of the module's own, whose Postgres and Redis may die."""
    async with own_system(tmp_path_factory.mktemp("own")) as system:
        yield system


@pytest.fixture(scope="module")
async def second(own: System) -> AsyncIterator[str]:
    """Another API process on the same servers."""
    async with serving(app.build(own.settings)) as url:
        yield url


@pytest.fixture(scope="session")
async def hotel_a(system: System) -> Hotel:
    """Alice's and Bruno's."""
    return await system.hotel("Aurora")


@pytest.fixture(scope="session")
async def hotel_b(system: System) -> Hotel:
    """Carla's."""
    return await system.hotel("Brisa")


@pytest.fixture(scope="session")
def root(system: System) -> httpx.AsyncClient:
    return system.root


@pytest.fixture(scope="session")
def alice(hotel_a: Hotel) -> httpx.AsyncClient:
    return hotel_a.admin


@pytest.fixture(scope="session")
def bruno(hotel_a: Hotel) -> httpx.AsyncClient:
    return hotel_a.attendant


@pytest.fixture(scope="session")
def carla(hotel_b: Hotel) -> httpx.AsyncClient:
    return hotel_b.attendant


@pytest.fixture
def guest(hotel_a: Hotel) -> Guest:
    """A customer of hotel A whom nobody knows yet."""
    return Guest(hotel_a, unique_phone())


@pytest.fixture(scope="session")
async def proxied_url(system: System, settings: Settings) -> AsyncIterator[str]:
    """The API again, behind a proxy it trusts and below a base domain: visitors have addresses of their own."""
    async with proxied(settings, base_domains="crm.example") as url:
        yield url


@pytest.fixture
async def stranger(proxied_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody not signed in, at an address that nobody came from yet."""
    async with visitor(proxied_url) as client:
        yield client


@pytest.fixture
async def eva(hotel_a: Hotel) -> dict[str, Any]:
    """A new attendant of hotel A, whose sessions no other test uses."""
    new = {"name": "Eva", "email": f"{fresh('eva')}@aurora.example", "role": "ATTENDANT", "password": PASSWORD}
    made = await hotel_a.admin.post("/api/users", json=new)
    return dict(made.json()["user"])


Sql = Callable[..., Awaitable[list[asyncpg.Record]]]


async def _run(pool: "asyncpg.Pool[asyncpg.Record]", query: str, *args: object, tenant: str | None = None) -> Any:
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT set_config('app.tenant_id', $1, TRUE)", tenant or "")
        return await connection.fetch(query, *args)


@pytest.fixture(scope="session")
async def as_app(home: Home) -> AsyncIterator[Sql]:
    """Straight SQL as the app's role: `await as_app(query, *args, tenant=id)`."""
    async with asyncpg.create_pool(home.database_url("app"), min_size=0) as pool:
        yield partial(_run, pool)


@pytest.fixture(scope="session")
async def as_system(home: Home) -> AsyncIterator[Sql]:
    """Straight SQL as the system's role."""
    async with asyncpg.create_pool(home.database_url("system"), min_size=0) as pool:
        yield partial(_run, pool)


@pytest.fixture(scope="session")
async def as_owner(home: Home) -> AsyncIterator[Sql]:
    """Straight SQL as the owner, who sees every tenant."""
    async with asyncpg.create_pool(home.database_url("owner"), min_size=0) as pool:
        yield partial(_run, pool)
