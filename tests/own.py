"""A system of a module's own, whose servers its tests may stop: the suite's system is left in peace."""

import asyncio
import fcntl
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import msgspec

from crm import app, worker
from crm.core import config, crypto, db, migrate, sql
from crm.core.config import Settings
from ops.dev import processes
from ops.dev.home import Home
from ops.dev.servers import Server
from ops.fake_meta import app as fake_meta
from tests.scratch import Scratch
from tests.system import PASSWORD, System, calling, serving

ROOT_EMAIL = "root@platform.example"
FINISHED = "finished"  # a database of each home with every migration, which others are made like; nobody uses it


@contextmanager
def own_home(path: Path) -> Iterator[Home]:
    """Postgres and Redis of their own, migrated."""
    with running(copied(path)) as home:
        yield home


def copied(path: Path) -> Home:
    """A migrated home in a folder of the test's: a copy of one that is made once a run."""
    run = Path(os.environ["PYTEST_DEBUG_TEMPROOT"])
    with (run / "home.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (run / "home").exists():
            _make(run / "home.new").rename(run / "home")
    path.mkdir(exist_ok=True)
    subprocess.run(["cp", "-a", f"{run}/home/.", path], check=True)
    return Home(path, {})


def _make(path: Path) -> Path:
    """A home that has run and stopped: a server's folder, its roles and the migrations cost three seconds."""
    with running(Home(path, {})) as home:
        migrate.apply(home.database_url("owner"))
        server = Scratch(home, "postgres")
        server.run(f"CREATE DATABASE {FINISHED} OWNER crm_owner TEMPLATE crm", role="superuser")
    home.save("state.json", {name: fact for name, fact in home.state.items() if name != "ports"})
    return path


@contextmanager
def running(home: Home) -> Iterator[Home]:
    """Its servers, up."""
    try:
        home.start()
        yield home
    finally:
        home.stop()


@asynccontextmanager
async def own_system(path: Path) -> AsyncIterator[System]:
    """Servers, API, worker and fake Meta that only the caller uses."""
    with own_home(path) as home:
        async with serving(fake_meta()) as graph_url:
            settings = settings_of(home, graph_url, "ERROR")
            await add_root(settings)
            async with serving(app.build(settings)) as url, working(settings):
                system = System(url, graph_url, settings, home, calling())
                system.root = await system.sign_in(ROOT_EMAIL, PASSWORD)
                yield system


def settings_of(home: Home, graph_url: str, level: str) -> Settings:
    """As the environment gives them, but with passwords that are quick to check: 1 ms instead of 70."""
    loaded = config.load({**home.environ(), "WHATSAPP_GRAPH_URL": graph_url, "LOG_LEVEL": level})
    return msgspec.structs.replace(loaded, bcrypt_rounds=4)


async def add_root(settings: Settings, email: str = ROOT_EMAIL) -> None:
    """The super admin, or another: of one person's sessions the oldest beyond twenty end."""
    database = await db.Database.open(settings, 10, 2)
    async with database.tenant(db.PLATFORM) as tx:
        hashed = crypto.password_hash(PASSWORD, settings.bcrypt_rounds)
        await tx.count(sql.load("operations").add_super_admin, email=email, name="Root", hash=hashed)
    await database.close()


@asynccontextmanager
async def working(settings: Settings) -> AsyncIterator[None]:
    """A worker."""
    stop = asyncio.Event()
    work = asyncio.create_task(worker.run(settings, stop))
    yield
    stop.set()
    await work


@contextmanager
def away(server: Server) -> Iterator[None]:
    """A server that is stopped for a while; it comes back on the same port."""
    server.stop()
    try:
        yield
    finally:
        if server.process is None:
            server.start()


@contextmanager
def program(home: Home, command: str, **env: str) -> Iterator[Path]:
    """`python -m crm COMMAND` on the home's servers, as in production; the file its output goes to."""
    log = home.logs / f"{command}.log"
    complete = {**os.environ, **home.environ(), **env}
    child = processes.start([sys.executable, "-m", "crm", command], log, complete)
    try:
        yield log
    finally:
        processes.stop([child])
