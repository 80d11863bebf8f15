"""Hosts on this machine: network namespaces on two bridges, one inside (servers), one outside (people)."""

import shutil
import subprocess
import sys
from pathlib import Path

from ops.dev import postgres, processes
from ops.torture.rig import Rig
from tests.redis_conf import PASSWORD, Redis

INSIDE, OUTSIDE = "10.213.1", "10.213.2"
_HOSTS = ("1", "2")
_PORT = 3001


def ip(*words: str) -> None:
    """iproute2."""
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def why_not() -> str:
    """Why there can be no hosts here; empty when there can."""
    if shutil.which("ip") is None:
        return "ip is missing: apt-get install iproute2"
    tried = subprocess.run(["ip", "netns", "add", "crm-try"], capture_output=True, text=True)
    if tried.returncode:
        return f"network namespaces cannot be made here (root is needed): {tried.stderr.strip()}"
    ip("netns", "del", "crm-try")
    return ""


class Network:
    """Two bridges, and a cable from each to each host."""

    def lay(self) -> None:
        self.remove()
        for name, net in (("in", INSIDE), ("out", OUTSIDE)):
            ip("link", "add", f"crm-{name}", "type", "bridge")
            ip("addr", "add", f"{net}.1/24", "dev", f"crm-{name}")
            ip("link", "set", f"crm-{name}", "up")
        for host in _HOSTS:
            ip("netns", "add", f"crm-{host}")
            ip("-n", f"crm-{host}", "link", "set", "lo", "up")
            for name, net in (("in", INSIDE), ("out", OUTSIDE)):
                self._cable(host, name, f"{net}.1{host}/24")

    def _cable(self, host: str, name: str, address: str) -> None:
        cable, end = f"crm-{name}-{host}", f"{name}-{host}"
        ip("link", "add", cable, "type", "veth", "peer", "name", end, "netns", f"crm-{host}")
        ip("link", "set", cable, "master", f"crm-{name}", "up")
        ip("-n", f"crm-{host}", "addr", "add", address, "dev", end)
        ip("-n", f"crm-{host}", "link", "set", end, "up")

    def cut(self, host: str, *names: str) -> None:
        """Pull the cables."""
        for name in names:
            ip("link", "set", f"crm-{name}-{host}", "down")

    def mend(self, host: str, *names: str) -> None:
        """Plug them in again."""
        for name in names:
            ip("link", "set", f"crm-{name}-{host}", "up")

    def remove(self) -> None:
        """Everything, also what a killed run left."""
        for host in _HOSTS:
            subprocess.run(["ip", "netns", "del", f"crm-{host}"], capture_output=True)
        for name in ("in", "out"):
            subprocess.run(["ip", "link", "del", f"crm-{name}"], capture_output=True)


class Postgres(postgres.Postgres):
    """Reached from the hosts too."""

    def _create(self) -> None:
        super()._create()
        with (self.folder / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {INSIDE}.0/24 scram-sha-256\n")

    def command(self) -> list[str | Path]:
        return [*super().command(), f"--listen_addresses=127.0.0.1,{INSIDE}.1"]


class Hosts(Rig):
    """An API and a worker on each host; Postgres and Redis on this one."""

    def __init__(self, path: Path, graph_url: str) -> None:
        super().__init__(path, graph_url)
        home = self.home
        home.postgres = Postgres(
            home.path / "postgres",
            home.port("postgres"),
            home.logs / "postgres.log",
            home.secrets["superuserPassword"],
        )
        home.redis = Redis(home.path / "redis", home.port("redis"), home.logs / "redis.log")

    @property
    def urls(self) -> list[str]:
        return [f"http://{OUTSIDE}.1{host}:{_PORT}" for host in _HOSTS]

    def launch(self, name: str) -> None:
        host = name.partition("-")[2]
        command = ["ip", "netns", "exec", f"crm-{host}", sys.executable, "-m", "crm", name.partition("-")[0]]
        env = {**self._environ(), "HOST": "0.0.0.0", "PORT": str(_PORT)}
        self._running[name] = processes.start(command, self.home.logs / f"{name}.log", env)

    def _environ(self) -> dict[str, str]:
        assert self.home.postgres
        assert self.home.redis
        here, there = f"@127.0.0.1:{self.home.postgres.port}/", f"@{INSIDE}.1:{self.home.postgres.port}/"
        environ = {name: value.replace(here, there) for name, value in super()._environ().items()}
        return {
            **environ,
            "REDIS_URL": f"redis://:{PASSWORD}@{INSIDE}.1:{self.home.redis.port}/0",
        }
