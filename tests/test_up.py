"""`ops/up` for real: it ends at `ready`, keeps dev.json true, starts again what dies, and leaves nothing behind."""

import asyncio
import json
import os
import signal
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil
import pytest

from crm.core import config
from ops.dev import processes
from tests.system import calling, eventually

UP = Path(__file__).parents[1] / "ops" / "up"
OURS = {field.upper() for field in config.Settings.__struct_fields__} | {"REDIS_HOST", "CRM_HOME"}


class Up:
    """A running `ops/up --no-demo` and what it printed."""

    def __init__(self, process: Process, home: Path, port: int) -> None:
        self.process, self.home, self.port = process, home, port
        self.printed: list[str] = []

    async def read_until(self, word: str, seconds: float = 60) -> str:
        """The line that begins with this word."""
        assert self.process.stdout
        async with asyncio.timeout(seconds):
            while raw := await self.process.stdout.readline():
                self.printed.append(raw.decode().rstrip())
                if self.printed[-1].startswith(word):
                    return self.printed[-1]
        raise AssertionError("ended without it:\n" + "\n".join(self.printed))

    @property
    def facts(self) -> dict[str, Any]:
        return json.loads((self.home / "dev.json").read_text())

    @property
    def pids(self) -> set[int]:
        """It and all that it started."""
        me = psutil.Process(self.process.pid)
        return {me.pid, *(child.pid for child in me.children(recursive=True))}


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def begin(home: Path, port: int) -> Process:
    env = {name: value for name, value in os.environ.items() if name not in OURS}
    env |= {"CRM_HOME": str(home), "PORT": str(port)}
    return await asyncio.create_subprocess_exec(
        UP, "--no-demo", stdout=PIPE, stderr=STDOUT, env=env, start_new_session=True
    )


@pytest.fixture(scope="module")
async def up(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Up]:
    """Started on an empty home; the last test of this file stops it."""
    home, port = tmp_path_factory.mktemp("up"), processes.free_port()
    up = Up(await begin(home, port), home, port)
    try:
        await up.read_until("ready")
        yield up
    finally:
        if up.process.returncode is None:
            os.killpg(up.process.pid, signal.SIGINT)
            await asyncio.wait_for(up.process.wait(), 20)


async def test_it_ends_at_ready_and_the_system_is(up: Up) -> None:
    url = f"http://127.0.0.1:{up.port}"
    assert up.printed[-1] == f"ready {url}"
    async with calling(base_url=url) as client:
        ready = (await client.get("/health/ready")).json()
    assert ready == {"status": "ready", "checks": dict.fromkeys(("postgres", "redis", "migrations"), "ok")}


async def test_dev_json_names_all_that_a_program_needs_and_only_its_owner_reads_it(up: Up) -> None:
    facts = up.facts
    assert {"url", "databaseUrl", "ownerDatabaseUrl", "redisUrl", "superAdmin", "graphUrl", "pids"} <= set(facts)
    assert facts["url"] == f"http://127.0.0.1:{up.port}"
    assert {"api", "worker", "postgres", "redis"} <= set(facts["pids"])
    pids = [facts["pids"][name] for name in ("api", "worker", "postgres", "redis")]
    assert len(set(pids)) == 4
    assert set(pids) <= up.pids
    assert (up.home / "dev.json").stat().st_mode & 0o077 == 0


async def test_the_logins_and_addresses_of_dev_json_work(up: Up) -> None:
    facts = up.facts
    async with calling(base_url=facts["url"]) as client:
        answer = await client.post("/auth/login", json=facts["superAdmin"])
    assert answer.json()["user"]["role"] == "SUPER_ADMIN"
    for name, role in (("databaseUrl", "crm_app"), ("ownerDatabaseUrl", "crm_owner")):
        connection = await asyncpg.connect(facts[name])
        assert await connection.fetchval("SELECT current_user") == role
        await connection.close()


async def test_a_second_copy_on_the_same_home_or_port_is_refused(up: Up) -> None:
    for home in (up.home, up.home.parent / "other-home"):
        process = await begin(home, up.port)
        said, _ = await asyncio.wait_for(process.communicate(), 20)
        assert process.returncode == 1
        assert b"already runs" in said or f"Port {up.port} is taken".encode() in said
        assert b"Traceback" not in said


async def test_a_home_that_cannot_be_is_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    process = await begin(tmp_path / "file" / "home", processes.free_port())
    said, _ = await asyncio.wait_for(process.communicate(), 20)
    assert (process.returncode, b"Traceback" in said, b"Not a directory" in said) == (1, False, True)


@pytest.mark.parametrize("name", ["PYTHONSAFEPATH", "PYTHONPATH", "PYTHONHOME"])
async def test_what_the_environment_tells_python_for_other_work_is_no_matter(name: str, tmp_path: Path) -> None:
    (tmp_path / "psutil.py").write_text("raise ImportError('another one')")
    env = {**os.environ, name: str(tmp_path)}
    process = await asyncio.create_subprocess_exec(UP, "--help", stdout=PIPE, stderr=STDOUT, env=env)
    said, _ = await process.communicate()
    assert (process.returncode, b"usage: ops/up" in said) == (0, True)


@pytest.mark.parametrize("name", ["api", "worker", "redis"])
async def test_what_is_killed_is_started_again_and_dev_json_stays_true(up: Up, name: str) -> None:
    killed = up.facts["pids"][name]
    os.kill(killed, signal.SIGKILL)

    async def another() -> bool:
        pid = up.facts["pids"][name]
        return pid not in (None, killed) and is_running(pid) and pid in up.pids

    await eventually(another)
    async with calling(base_url=up.facts["url"]) as client:
        await eventually(lambda: _is_ready(client))


async def _is_ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/health/ready")).status_code == 200
    except httpx.TransportError:
        return False


async def test_ctrl_c_leaves_no_process_behind(up: Up) -> None:
    pids, begun = up.pids, time.monotonic()
    assert len(pids) > 4
    os.killpg(up.process.pid, signal.SIGINT)
    said, _ = await asyncio.wait_for(up.process.communicate(), 20)
    assert (up.process.returncode, b"Traceback" in said) == (0, False)
    assert [pid for pid in pids if is_running(pid)] == []
    assert not (up.home / "dev.json").exists()
    assert time.monotonic() - begun < 10
