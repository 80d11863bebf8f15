"""`python -m crm health`: what a container is asked every few seconds, and what it says of what is wrong."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import msgspec
import pytest

from crm import health, worker
from crm.core.config import Settings
from ops.dev.processes import free_port
from tests.system import System, eventually


def asked(*words: str, **env: str) -> "subprocess.CompletedProcess[str]":
    """The command, as a container's health check runs it."""
    command = [sys.executable, "-m", "crm", "health", *words]
    return subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, timeout=20)


@pytest.fixture
def page() -> Iterator[tuple[int, list[tuple[int, str]]]]:
    """A server that gives the one answer that is put there."""
    answers: list[tuple[int, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, text = answers[-1]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port, answers
    server.shutdown()
    server.server_close()
    thread.join()


async def test_an_api_that_answers_is_well(system: System) -> None:
    port = system.url.rpartition(":")[2]
    done = await asyncio.to_thread(asked, PORT=port, HOST="0.0.0.0")
    assert (done.returncode, done.stdout) == (0, "the API answers\n")


async def test_a_worker_that_goes_on_is_well_until_it_stops(settings: Settings, system: System) -> None:
    port, stop = free_port(), asyncio.Event()
    running = asyncio.create_task(worker.run(msgspec.structs.replace(settings, worker_metrics_port=port), stop))

    async def well() -> bool:
        done = await asyncio.to_thread(asked, "worker", WORKER_METRICS_PORT=str(port))
        return (done.returncode, done.stdout) == (0, "the worker works\n")

    await eventually(well)
    stop.set()
    await running
    assert not await well()


def test_a_loop_that_hangs_is_told_by_how_long(
    page: tuple[int, list[tuple[int, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, answers = page
    monkeypatch.setenv("WORKER_METRICS_PORT", str(port))
    answers.append((200, f"crm_worker_turn_seconds {health.STUCK_SECONDS - 1}\n"))
    assert health.ask("worker") == "the worker works"
    answers.append((200, f"crm_worker_turn_seconds {health.STUCK_SECONDS + 1}\n"))
    with pytest.raises(health.Unwell, match="has not gone on for 121 seconds"):
        health.ask("worker")


@pytest.mark.parametrize("words", [[], ["worker"]])
def test_nobody_there_is_unwell(words: list[str]) -> None:
    port = str(free_port())
    done = asked(*words, PORT=port, WORKER_METRICS_PORT=port)
    assert done.returncode == 1
    assert f"port {port} does not answer" in done.stderr


def test_another_answer_than_200_is_unwell(
    page: tuple[int, list[tuple[int, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, answers = page
    monkeypatch.setenv("PORT", str(port))
    answers.append((503, ""))
    with pytest.raises(health.Unwell, match="/health answers 503"):
        health.ask("api")


def test_one_that_takes_the_connection_and_says_nothing_is_unwell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("PORT", str(silent.getsockname()[1]))
        began = time.monotonic()
        with pytest.raises(health.Unwell):
            health.ask("api")
        assert time.monotonic() - began < 3


def test_a_worker_without_a_page_says_what_to_set() -> None:
    done = asked("worker", WORKER_METRICS_PORT="")
    assert done.returncode == 1
    assert "set WORKER_METRICS_PORT" in done.stderr


def test_it_starts_without_the_system() -> None:
    """In a container it costs a start of Python every few seconds."""
    code = "import sys; import crm.__main__, crm.health; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "crm.health" in loaded
    assert not {"asyncpg", "cryptography", "starlette", "msgspec", "saq"} & {*loaded}


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("DATABASE_OWNER_URL", ["migrate"]),
        ("CRM_ADMIN_PASSWORD", ["create-admin", "--email", "a@b.example", "--name", "A"]),
    ],
)
def test_what_stands_outside_the_settings_is_read_from_files_too(
    name: str, command: list[str], tmp_path: Path
) -> None:
    """The file's own fault is told; without the file's variable it would be a missing value."""
    env = {key: value for key, value in os.environ.items() if key != name}
    env[f"{name}_FILE"] = str(tmp_path / "none")
    done = subprocess.run(
        [sys.executable, "-m", "crm", *command], env=env, capture_output=True, text=True, timeout=20
    )
    told = f"{name}_FILE: cannot read the file it names (No such file or directory)\n"
    assert (done.returncode, done.stderr) == (1, told)
