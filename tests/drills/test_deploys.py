"""ops/deploy and ops/rollback as they stand, with the real nginx and two real APIs, under load: nobody feels it."""

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ops.dev import processes
from ops.fake_meta import app as fake_meta
from tests.drills import door as doors
from tests.drills.crowd import under_load
from tests.drills.door import DOMAIN, PROGRAM, Door
from tests.own import ROOT_EMAIL, add_root, own_home, settings_of
from tests.system import PASSWORD, Hotel, System, calling, serving

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="nginx is missing: apt-get install nginx")
ROOT = Path(__file__).parents[2]
COLOURS = ("backend", "backend-green")


@dataclass
class Host:
    """A host that ops/install has set up, with processes for containers."""

    folder: Path
    door: Door
    system: System

    def add(self, version: str) -> Path:
        """The code of a version, to be changed by the test."""
        folder = self.folder / "versions" / version
        for part in ("crm", "sql", "migrations"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        return folder

    async def ops(self, name: str, *words: str) -> tuple[int, str]:
        """An operator's command: how it ends, and what it says."""
        env = {
            **os.environ,
            **{name: f"{sys.executable} {Path(__file__).with_name('engine.py')}" for name in ("COMPOSE", "DOCKER")},
            "READY_SECONDS": "4",
            "DRAIN_SECONDS": "1",
        }
        command = [self.folder / "ops" / name, *words]
        ended = await asyncio.to_thread(  # nginx opens /dev/stdout, which may be no socket of uvloop's
            subprocess.run, command, env=env, cwd=self.folder, timeout=60,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        return ended.returncode, ended.stdout

    async def good(self, name: str, *words: str) -> str:
        code, told = await self.ops(name, *words)
        assert code == 0, told
        return told

    @property
    def colour(self) -> str:
        return (self.folder / "state/colour/upstream.conf").read_text().split()[1].partition(":")[0]

    @property
    def version(self) -> str:
        return (self.folder / "state/version").read_text().strip()

    @property
    def running(self) -> set[str]:
        return set(json.loads((self.folder / "running.json").read_text()))


@pytest.fixture(scope="module")
async def host(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Host]:
    folder = tmp_path_factory.mktemp("host")
    with own_home(folder / "home") as home:
        async with serving(fake_meta()) as graph_url:
            settings = settings_of(home, graph_url, "WARNING")
            await add_root(settings)
            ports = {colour: processes.free_port() for colour in COLOURS}
            with doors.opened(f"http://127.0.0.1:{ports['backend']}") as door:
                given = {**home.environ(), "DATABASE_OWNER_URL": home.database_url("owner"), "HOST": "127.0.0.1"}
                told = {
                    "ports": ports,
                    "environ": {**given, "WHATSAPP_GRAPH_URL": graph_url, "TRUSTED_PROXIES": "127.0.0.1"},
                    "nginx": PROGRAM,
                    "conf": str(door.folder / "nginx" / "nginx.conf"),
                    "colour": str(door.colour / "upstream.conf"),
                }
                (folder / "engine.json").write_text(json.dumps(told))
                system = System(f"http://127.0.0.1:{ports['backend']}", graph_url, settings, home, calling())
                host = Host(folder, door, system)
                await installed(host)
                yield host
                for pid in json.loads((folder / "running.json").read_text()).values():
                    os.kill(pid, 9)


async def installed(host: Host) -> None:
    """As ops/install leaves it: version 1 runs in the colour `backend`."""
    shutil.copytree(ROOT / "ops" / "setup", host.folder / "ops" / "setup")
    for name in ("compose", "deploy", "rollback", "stack"):
        shutil.copy(ROOT / "ops" / name, host.folder / "ops" / name)
    (host.folder / "state/colour").mkdir(parents=True)
    (host.folder / "state/colour/upstream.conf").write_text("server backend:3001 max_fails=0;\n")
    (host.folder / "state/version").write_text("1\n")
    (host.folder / ".env.production").write_text(f"DOMAIN={DOMAIN}\nHTTPS_PORT={host.door.tls}\nVERSION=1\n")
    host.add("1")
    engine = [sys.executable, Path(__file__).with_name("engine.py"), "up", "-d", "backend", "worker"]
    await asyncio.to_thread(subprocess.run, engine, cwd=host.folder, check=True)
    host.system.root = await host.system.sign_in(ROOT_EMAIL, PASSWORD)


@pytest.fixture(scope="module")
async def hotel(host: Host) -> Hotel:
    return await host.system.hotel("Deploy")


async def test_a_new_version_comes_and_nobody_feels_it(host: Host, hotel: Hotel) -> None:
    host.add("2")
    async with under_load(host.door, hotel) as load:
        told = await host.good("deploy", "2")
    assert "2 runs; back again with ops/rollback" in told
    assert (host.colour, host.version, host.running) == ("backend-green", "2", {"backend-green", "worker"})
    assert load.failed == []
    assert set(load.answers) == {200}
    assert len(load.answers) > 100
    assert load.closings == [1012]  # the page came back by itself
    assert sorted(load.heard) == sorted(load.written)  # each once, and none missed


async def test_a_version_that_runs_is_not_deployed_again(host: Host) -> None:
    assert "runs already" in await host.good("deploy", host.version)


async def test_a_version_that_does_not_start_changes_nothing(host: Host, hotel: Hotel) -> None:
    (host.add("broken") / "crm" / "app.py").write_text("raise SystemExit('no')\n")
    before = (host.colour, host.version, host.running)
    async with under_load(host.door, hotel) as load:
        code, told = await host.ops("deploy", "broken")
    assert (code, "broken does not start" in told) == (1, True)
    assert (host.colour, host.version, host.running) == before
    assert (load.failed, set(load.answers), load.closings) == ([], {200}, [])


async def test_a_version_that_is_not_ready_gets_nobody(host: Host) -> None:
    """It starts, but lacks what it needs: here a migration that it does not bring."""
    schema = host.add("unready") / "crm" / "core" / "schema.py"
    schema.write_text(schema.read_text().replace("    return max(", "    return '9999' or max("))
    before = (host.colour, host.version, host.running)
    code, told = await host.ops("deploy", "unready")
    assert (code, "unready is not ready" in told, '"migrations":"failing"' in told) == (1, True, True)
    assert (host.colour, host.version, host.running) == before


async def test_back_again_is_as_quiet(host: Host, hotel: Hotel) -> None:
    async with under_load(host.door, hotel) as load:
        await host.good("rollback")
    assert (host.colour, host.version) == ("backend", "1")
    assert (load.failed, set(load.answers), load.closings) == ([], {200}, [1012])
    assert sorted(load.heard) == sorted(load.written)
    code, told = await host.ops("rollback")
    assert (code, "no version to go back to" in told) == (1, True)


async def test_what_closes_the_way_back_comes_last_and_is_told(host: Host) -> None:
    """`*_post_*` waits until the version before is gone; then that one may not come back."""
    migrations = host.add("3") / "migrations"
    (migrations / "9998_post_drill.sql").write_text("COMMENT ON TABLE tenants IS 'Closed behind version 3.';\n")
    (migrations / "9998_post_drill.rollback.sql").write_text("SELECT 1;\n")
    digest = hashlib.sha256((migrations / "9998_post_drill.sql").read_bytes()).hexdigest()
    with (migrations / "checksums.txt").open("a") as file:
        file.write(f"{digest}  9998_post_drill.sql\n")
    told = await host.good("deploy", "3")
    assert told.index("stopping backend") < told.index("applied 9998_post_drill")
    code, told = await host.ops("rollback")
    assert (code, "9998_post_drill closed the way back" in told) == (1, True)
    assert (host.version, host.colour) == ("3", "backend-green")
