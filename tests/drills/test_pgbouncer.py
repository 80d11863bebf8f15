"""Everything through a real PgBouncer that has two connections of each role for all of us."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import psycopg
import pytest

from crm import app
from crm.core.config import Settings
from crm.core.db import Database
from ops.dev import processes, servers
from ops.dev.home import Home
from ops.fake_meta import app as fake_meta
from tests.own import ROOT_EMAIL, add_root, own_home, settings_of, working
from tests.scratch import Scratch
from tests.sockets import listening
from tests.system import PASSWORD, Guest, Hotel, System, calling, eventually, serving, unique_phone

PROGRAM = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin")
INI = Path(__file__).parents[2] / "ops" / "pgbouncer" / "pgbouncer.ini"
SERVERS, CLIENTS, ROUNDS = 2, 40, 25
GUESTS, MESSAGES = 6, 5
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="pgbouncer is missing: apt-get install pgbouncer")


class PgBouncer(servers.Server):
    """Debian's, with ops/pgbouncer/pgbouncer.ini; its places and the size of its pools are the test's."""

    name = "pgbouncer"
    pid_file = "pgbouncer.pid"

    def __init__(self, home: Home, folder: Path) -> None:
        super().__init__(folder, processes.free_port(), home.logs / "pgbouncer.log")
        assert home.postgres
        self.home, self.user = home, home.postgres.user
        folder.mkdir()
        kept = "SELECT rolname, rolpassword FROM pg_authid WHERE rolname IN ('crm_app', 'crm_system')"
        secrets = Scratch(home, "crm").run(kept, role="superuser")
        (folder / "userlist.txt").write_text("".join(f'"{name}" "{secret}"\n' for name, secret in secrets))
        own = {
            "crm": f"host=127.0.0.1 port={home.postgres.port} dbname=crm",
            "listen_addr": "127.0.0.1",
            "listen_port": f"{self.port}\nunix_socket_dir =",
            "auth_file": folder / "userlist.txt",
            "default_pool_size": SERVERS,
        }
        text = INI.read_text()
        for key, value in own.items():
            text, found = re.subn(rf"^{key} = .*$", f"{key} = {value}", text, flags=re.MULTILINE)
            assert found == 1, key
        (folder / "pgbouncer.ini").write_text(text)
        shutil.chown(folder, self.user)

    def command(self) -> list[str | Path]:
        return [PROGRAM or "", self.folder / "pgbouncer.ini"]

    def answers(self) -> bool:
        try:
            psycopg.connect(self.url("app")).close()
        except psycopg.OperationalError:
            return False
        return True

    def url(self, role: str) -> str:
        """The home's own, through this."""
        assert self.home.postgres
        return self.home.database_url(role).replace(f":{self.home.postgres.port}/", f":{self.port}/")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with own_home(tmp_path_factory.mktemp("bouncer") / "home") as home:
        yield home


@pytest.fixture(scope="module")
def bouncer(place: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PgBouncer]:
    server = PgBouncer(place, place.path / "pgbouncer")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
async def behind(place: Home, bouncer: PgBouncer) -> AsyncIterator[System]:
    """API and worker that reach Postgres through it alone."""
    async with serving(fake_meta()) as graph_url:
        direct = settings_of(place, graph_url, "ERROR")
        settings = msgspec.structs.replace(
            direct, database_url=bouncer.url("app"), database_system_url=bouncer.url("system"), pgbouncer=True
        )
        await add_root(settings)
        async with serving(app.build(settings)) as url, working(settings):
            system = System(url, graph_url, settings, place, calling())
            system.root = await system.sign_in(ROOT_EMAIL, PASSWORD)
            yield system


async def chat(guest: Guest) -> None:
    """A guest writes, and is answered, some times."""
    for number in range(MESSAGES):
        await guest.writes(f"Pergunta {number}")
        path = f"/api/conversations/{(await guest.conversation())['id']}/messages"
        answer = await guest.hotel.attendant.post(path, json={"content": f"Resposta {number}"})
        assert answer.status_code == 201, answer.text


async def told(guest: Guest) -> list[str]:
    """What both said, by word and number, once all answers have been read."""
    history = await guest.history()
    done = all(item["status"] in ("RECEIVED", "READ") for item in history)
    return sorted(item["content"] for item in history) if done else []


async def test_two_hotels_chat_live_and_nothing_is_lost_or_mixed(behind: System, place: Home) -> None:
    hotels: list[Hotel] = [await behind.hotel("Aurora"), await behind.hotel("Brisa")]
    guests = [Guest(hotel, unique_phone(), hotel.slug) for hotel in hotels for _ in range(GUESTS)]
    async with listening(hotels[0].attendant) as aurora, listening(hotels[1].attendant) as brisa:
        await asyncio.gather(*(chat(guest) for guest in guests))
        expected = [f"{word} {number}" for word in ("Pergunta", "Resposta") for number in range(MESSAGES)]
        for guest in guests:
            assert await eventually(lambda guest=guest: told(guest), 20) == expected
        for hotel, ear, other in ((hotels[0], aurora, hotels[1]), (hotels[1], brisa, hotels[0])):
            frames = str(await ear.heard())
            assert frames.count("'event': 'message:new'") == GUESTS * MESSAGES * 2
            assert hotel.slug in frames
            assert other.slug not in frames
    used = Scratch(place, "crm").run(
        "SELECT usename, count(*) FROM pg_stat_activity WHERE application_name = 'crm' GROUP BY usename",
        role="superuser",
    )
    assert {count <= SERVERS for _, count in used} == {True}


@pytest.fixture
async def database(behind: System) -> AsyncIterator[Database]:
    """Many connections of ours."""
    opened = await Database.open(behind.settings, 5, CLIENTS)
    yield opened
    await opened.close()


async def test_no_tenant_is_left_in_a_connection_that_others_get(behind: System, database: Database) -> None:
    hotels = [UUID((await behind.hotel(name)).id) for name in ("Cedro", "Duna")]
    seen: list[Any] = []

    async def inside(number: int) -> None:
        tenant = hotels[number % 2]
        for turn in range(ROUNDS):
            async with database.tenant(tenant) as tx:
                await asyncio.sleep(0)
                found = await tx.connection.fetch("SELECT DISTINCT tenant_id FROM users WHERE $1::int = $1", turn)
            seen.extend((tenant, row[0]) for row in found)

    async def outside() -> None:
        for turn in range(ROUNDS):
            async with database.system() as tx:
                setting = await tx.connection.fetchval("SELECT current_setting('app.tenant_id', TRUE)")
                seen.append((setting or None, None))
            async with database._app.connections.acquire() as connection, connection.transaction():
                seen.append((await connection.fetchval("SELECT count(*) FROM users WHERE $1::int = $1", turn), 0))

    await asyncio.gather(*(inside(number) for number in range(CLIENTS - 10)), *(outside() for _ in range(10)))
    assert len(seen) == CLIENTS * ROUNDS + 10 * ROUNDS
    assert [pair for pair in seen if pair[0] != pair[1]] == []


@pytest.mark.parametrize("role", ["app", "system"])
async def test_the_limits_of_a_role_hold_there(bouncer: PgBouncer, role: str) -> None:
    connection = await asyncpg.connect(bouncer.url(role), statement_cache_size=0)
    async with connection.transaction():
        names = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "plan_cache_mode"]
        found = [await connection.fetchval(f"SHOW {name}") for name in names]
    await connection.close()
    assert found == ["30s", "5s", "20s", "force_generic_plan"]


async def test_who_was_not_told_of_it_is_refused_at_once(behind: System) -> None:
    """Instead of losing its limits, or half of its statements."""
    settings: Settings = msgspec.structs.replace(behind.settings, pgbouncer=False)
    async with serving(app.build(settings)) as url, calling() as client:
        answer = await client.get(f"{url}/health/ready")
    assert (answer.status_code, answer.json()["checks"]["postgres"]) == (503, "failing")


def test_the_owner_is_not_let_through(bouncer: PgBouncer) -> None:
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(bouncer.url("owner"))
