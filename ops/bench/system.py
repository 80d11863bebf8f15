"""One version of the system under test: an API and a worker as real processes, on the benchmark's home."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from ops.bench import client, meter
from ops.bench.meter import Meter
from ops.bench.seed import PASSWORD
from ops.dev import processes
from ops.dev.home import Home
from ops.dev.servers import ServerError

HERE = Path(__file__).parents[2]
_START_SECONDS = 30.0


class System:
    """`code` is the folder whose crm/ runs; `with System(...)` starts it and stops it."""

    def __init__(self, home: Home, code: Path = HERE) -> None:
        self.home, self.code = home, code
        self.url = f"http://127.0.0.1:{home.port('api')}"
        self._running: dict[str, processes.Child] = {}

    def __enter__(self) -> "System":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> float:
        """Start the API, then the worker; the seconds from the API's spawn to its first 200."""
        started = time.monotonic()
        self._launch("api")
        while not _answers(self.url):
            if time.monotonic() - started > _START_SECONDS or self._running["api"].poll() is not None:
                raise ServerError(f"the API does not start. {processes.end_of(self.home.logs / 'bench-api.log')}")
            time.sleep(0.002)
        seconds = time.monotonic() - started
        self._launch("worker")
        return seconds

    def stop(self) -> None:
        processes.stop(list(self._running.values()), signal.SIGTERM)
        self._running.clear()

    def _launch(self, name: str) -> None:
        """In the folder of its code: `python -m` imports from where it stands."""
        command: list[str | Path] = ["env", "-C", self.code, sys.executable, "-m", "crm", name]
        self._running[name] = processes.start(command, self.home.logs / f"bench-{name}.log", self._environ())

    def _environ(self) -> dict[str, str]:
        """Ours alone. Logins come from as many addresses as there are people: the limits are per address."""
        given = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "HOME", "TMPDIR")}
        own = {"HOST": "127.0.0.1", "PORT": self.url.rpartition(":")[2], "TRUSTED_PROXIES": "127.0.0.1"}
        return {**given, **self.home.environ(), **own, "WHATSAPP_GRAPH_URL": "http://127.0.0.1:9"}

    @property
    def pids(self) -> dict[str, int]:
        """The first process of each group."""
        servers = {"postgres": self.home.postgres, "redis": self.home.redis}
        found = {name: server.pid for name, server in servers.items() if server and server.pid}
        return {name: child.pid for name, child in self._running.items()} | found

    def meter(self) -> Meter:
        return Meter(self.pids)

    def memory(self) -> dict[str, tuple[float, float]]:
        """RSS and PSS of API and worker, MB."""
        return {name: meter.memory(child.pid) for name, child in self._running.items()}

    async def sign_in(self, tenant: int, number: int = 1) -> str:
        """An access token (15 minutes) of an attendant of a seeded tenant."""
        line = await client.connect(self.url)
        answer = await line.ask(login(tenant, number))
        line.close()
        if answer.status != 200:
            raise ServerError(f"nobody can sign in: {answer.status} {answer.body[:300]!r}")
        return str(answer.json()["accessToken"])


def login(tenant: int, number: int = 1) -> bytes:
    """The request by which an attendant signs in, from an address of their own."""
    slug = f"bench-{tenant}"
    email = f"attendant{number}@{slug}.example"
    headers = {"X-Tenant-Slug": slug, "X-Forwarded-For": f"10.0.{tenant}.{number}"}
    return client.post_json("/auth/login", {"email": email, "password": PASSWORD}, headers)


def _answers(url: str) -> bool:
    """Whether GET /health says 200; by a plain socket, so that the wait costs next to nothing."""
    try:
        with socket.create_connection(client.address(url), timeout=1) as line:
            line.sendall(client.request("GET", "/health"))
            return line.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def schema(code: Path) -> dict[str, bytes]:
    """A version's migrations: two versions can share a database only when these are the same."""
    return {path.name: path.read_bytes() for path in (code / "migrations").glob("*.sql")}


def checkout(revision: str, folder: Path) -> None:
    """Put another version into `folder`."""
    _git("worktree", "add", "--detach", "--quiet", str(folder), revision)


def remove(folder: Path) -> None:
    """Forget that version."""
    _git("worktree", "remove", "--force", str(folder))


def _git(*words: str) -> None:
    subprocess.run(["git", "-C", HERE, *words], check=True)
