"""The system under torture: servers and processes of its own, each of which may be taken away and comes back."""

import os
import signal
import sys
import time
from pathlib import Path

import httpx

from crm.core import migrate
from ops.dev import processes
from ops.dev.home import Home
from ops.dev.servers import Server, ServerError

ROOT_EMAIL, ROOT_PASSWORD = "root@platform.example", "torture-root-1"
_START_SECONDS = 30.0
_HERE = Path(__file__).parents[2]


class Rig:
    """Two APIs and two workers. Called from one thread only, the one that lives as long as the children."""

    def __init__(self, path: Path, graph_url: str) -> None:
        self.home = Home(path, {})
        self.graph_url = graph_url
        self.ports = {"api-1": processes.free_port(), "api-2": processes.free_port()}
        self.names = [*self.ports, "worker-1", "worker-2"]
        self.restarts = 0
        self.bad_ends: list[str] = []
        self._running: dict[str, processes.Child] = {}

    @property
    def urls(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self.ports.values()]

    def start(self) -> None:
        """Everything, migrated, with a super admin; returns when both APIs answer."""
        self.home.start()
        migrate.apply(self.home.database_url("owner"))
        done = processes.start(
            [sys.executable, "-m", "crm", "create-admin", "--email", ROOT_EMAIL, "--name", "Root"],
            self.home.logs / "admin.log",
            {**self._environ(), "CRM_ADMIN_PASSWORD": ROOT_PASSWORD},
        )
        done.wait(60)
        for name in self.names:
            self.launch(name)
        ends = time.monotonic() + _START_SECONDS
        while not all(self.ready(url) for url in self.urls):
            if time.monotonic() > ends:
                raise ServerError(f"the API does not start. {processes.end_of(self.home.logs / 'api-1.log')}")
            time.sleep(0.1)

    def stop(self) -> None:
        """Everything."""
        processes.stop(list(self._running.values()), grace=30)
        self.home.stop()

    def launch(self, name: str) -> None:
        """Start one of our processes."""
        env = {**self._environ(), "PORT": str(self.ports.get(name, 0))}
        command = [sys.executable, "-m", "crm", name.partition("-")[0]]
        self._running[name] = processes.start(command, self.home.logs / f"{name}.log", env)

    def _environ(self) -> dict[str, str]:
        own = {"WHATSAPP_GRAPH_URL": self.graph_url, "LOG_LEVEL": "INFO", "PYTHONPATH": str(_HERE)}
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "HOME", "TMPDIR")}
        return {**kept, **self.home.environ(), **own}

    def look(self) -> None:
        """Start again what is not there: at once, as a supervisor does."""
        for name, child in list(self._running.items()):
            if child.poll() is not None:
                self.restarts += 1
                self.launch(name)

    def pause(self, seconds: float) -> None:
        """Let time pass, looking after the processes."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            self.look()
            time.sleep(0.05)

    def kill(self, name: str) -> None:
        """Kill -9."""
        self._running[name].kill()
        self._running[name].wait()

    def ask_to_end(self, name: str) -> None:
        """SIGTERM: it must end by itself, with 0, in 25 seconds."""
        child = self._running[name]
        child.terminate()
        ends = time.monotonic() + 25
        while child.poll() is None and time.monotonic() < ends:
            time.sleep(0.05)
        if child.poll() != 0:
            self.bad_ends.append(f"{name} ended with {child.poll()} after SIGTERM")
            if child.poll() is None:
                self.kill(name)

    def take_away(self, server: Server | None, how: signal.Signals, seconds: float) -> None:
        """A server that is gone for a while."""
        assert server is not None
        assert server.process is not None
        processes.stop([server.process], how)
        server.process = None
        self.pause(seconds)
        server.start()

    @staticmethod
    def ready(url: str) -> bool:
        """Whether it would be sent requests by a proxy."""
        try:
            return httpx.get(f"{url}/health/ready", timeout=2, trust_env=False).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False
