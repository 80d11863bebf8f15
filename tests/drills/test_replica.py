"""A streaming replica made by pg_basebackup: searches are read there while it is well, else from the primary."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import msgspec
import psycopg
import pytest

from crm import app
from crm.core.config import Settings
from ops.dev import postgres, processes
from ops.dev.home import Home
from ops.fake_meta import app as fake_meta
from tests.own import ROOT_EMAIL, add_root, away, own_home, settings_of, working
from tests.system import PASSWORD, Guest, Hotel, System, calling, eventually, serving, unique_phone

LAG = 3  # seconds


class Replica(postgres.Postgres):
    """Follows the home's Postgres."""

    def __init__(self, home: Home) -> None:
        assert home.postgres
        primary = home.postgres
        super().__init__(home.path / "replica", processes.free_port(), home.logs / "replica.log", primary.password)
        self.follows = f"postgresql://postgres:{primary.password}@127.0.0.1:{primary.port}/postgres"

    def _create(self) -> None:
        copy = [postgres.PROGRAMS / "pg_basebackup", "-D", self.folder, "-R", "-X", "stream", "-c", "fast"]
        subprocess.run([*copy, "-d", self.follows], check=True)
        for path in (self.folder, *self.folder.rglob("*")):
            shutil.chown(path, self.user)

    def answers(self) -> bool:
        """Its pid file says "standby"."""
        try:
            self.run("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def run(self, query: str) -> Any:
        """One statement as the superuser."""
        url = f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/postgres"
        with psycopg.connect(url, autocommit=True) as connection:
            return connection.execute(query).fetchone()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with own_home(tmp_path_factory.mktemp("replica") / "home") as home:
        yield home


@pytest.fixture(scope="module")
def replica(place: Home) -> Iterator[Replica]:
    server = Replica(place)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
async def system(place: Home, replica: Replica) -> AsyncIterator[System]:
    """API and worker that know of the replica."""
    assert place.postgres
    url = place.database_url("app").replace(f":{place.postgres.port}/", f":{replica.port}/")
    async with serving(fake_meta()) as graph_url:
        direct = settings_of(place, graph_url, "ERROR")
        settings: Settings = msgspec.structs.replace(direct, database_replica_url=url, database_replica_lag=LAG)
        await add_root(settings)
        async with serving(app.build(settings)) as url, working(settings):
            made = System(url, graph_url, settings, place, calling())
            made.root = await made.sign_in(ROOT_EMAIL, PASSWORD)
            yield made


@pytest.fixture(scope="module")
async def hotel(system: System) -> Hotel:
    return await system.hotel("Cedro")


async def found(client: httpx.AsyncClient, word: str) -> int:
    """How many messages have this word."""
    answer = await client.get("/api/messages/search", params={"q": word})
    assert answer.status_code == 200, answer.text
    return len(answer.json()["data"])


async def by(system: System, who: str) -> float:
    """How many searches were answered by the replica, or by the primary."""
    async with calling() as client:
        page = (await client.get(f"{system.url}/metrics")).text
    lines = [line for line in page.splitlines() if line.startswith(f'crm_replica_reads_total{{by="{who}"}}')]
    return float(lines[0].split()[1]) if lines else 0.0


async def asked(system: System, hotel: Hotel, who: str) -> bool:
    """Whether a search was answered by this one just now."""
    before = await by(system, who)
    await found(hotel.attendant, "nada")
    return await by(system, who) > before


async def test_a_search_is_read_from_the_replica(system: System, hotel: Hotel, replica: Replica) -> None:
    await Guest(hotel, unique_phone()).writes("Quero uma rede na varanda")
    await eventually(lambda: asked(system, hotel, "replica"))
    await eventually(lambda: found(hotel.attendant, "rede"))
    assert await by(system, "replica") >= 1


async def test_one_that_lags_too_far_is_asked_no_more(system: System, hotel: Hotel, replica: Replica) -> None:
    await eventually(lambda: asked(system, hotel, "replica"))
    replica.run("SELECT pg_wal_replay_pause()")
    await asyncio.sleep(0.1)
    await Guest(hotel, unique_phone()).writes("Tem bicicletas?")
    assert await found(hotel.attendant, "bicicletas") == 0  # still within its bound: it is the replica that answers
    assert await eventually(lambda: found(hotel.attendant, "bicicletas"), LAG + 3) == 1  # beyond it: the primary
    assert await asked(system, hotel, "primary")
    replica.run("SELECT pg_wal_replay_resume()")
    await eventually(lambda: asked(system, hotel, "replica"))
    assert await found(hotel.attendant, "bicicletas") == 1


async def test_a_session_that_ended_is_refused_at_once_although_the_replica_does_not_know(
    system: System, hotel: Hotel, replica: Replica
) -> None:
    other = await system.sign_in(hotel.logins["attendant"], PASSWORD, hotel.slug)
    await eventually(lambda: asked(system, hotel, "replica"))
    replica.run("SELECT pg_wal_replay_pause()")
    await other.post("/auth/logout")
    answer = await other.get("/api/messages/search", params={"q": "rede"})
    replica.run("SELECT pg_wal_replay_resume()")
    assert answer.status_code == 401


async def test_somebody_who_signed_in_just_now_may_search(system: System, hotel: Hotel, replica: Replica) -> None:
    await eventually(lambda: asked(system, hotel, "replica"))
    replica.run("SELECT pg_wal_replay_pause()")
    new = await system.sign_in(hotel.logins["attendant"], PASSWORD, hotel.slug)
    assert await found(new, "rede") == 1
    replica.run("SELECT pg_wal_replay_resume()")


async def test_no_search_fails_while_the_replica_is_away(system: System, hotel: Hotel, replica: Replica) -> None:
    await eventually(lambda: asked(system, hotel, "replica"))
    with away(replica):
        for _ in range(20):
            assert await found(hotel.attendant, "rede") == 1
        assert await asked(system, hotel, "primary")
    assert await eventually(lambda: asked(system, hotel, "replica"), 20)
