"""`ops/up`: the whole system on this machine, watched until Ctrl-C."""

import argparse
import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from ops.dev import processes, screen
from ops.dev.demo import DemoError
from ops.dev.home import Home
from ops.dev.servers import ServerError
from ops.dev.system import StartError, System
from ops.dev.watch import Signals, Stopped


def main() -> int:
    options = _options()
    signals = Signals()
    home_path = Path(os.environ.get("CRM_HOME") or ".dev")
    try:
        with _alone_in(home_path):
            _run(Home(home_path), signals, options)
    except Stopped:
        pass
    except (StartError, ServerError, DemoError, OSError) as error:  # the last: this machine's folders or disk
        print(error, file=sys.stderr)
        return 1
    return 0


def _run(home: Home, signals: Signals, options: argparse.Namespace) -> None:
    started = time.monotonic()
    system = System(home, signals, _urls(home, options.api), with_demo=not options.no_demo)
    try:
        print("Starting PostgreSQL, Redis, API and worker ...", flush=True)
        system.start()
        print(f"Started in {time.monotonic() - started:.1f} s.", screen.text(system), sep="\n", flush=True)
        system.watch()
    finally:
        system.stop()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="ops/up",
        description="Starts the whole system on this machine until Ctrl-C. The data is in CRM_HOME (default "
        ".dev), the API on PORT (default 3001). A database, a Redis or a secret in the environment is used.",
    )
    parser.add_argument("--no-demo", action="store_true", help="no demo hotel and no fake Meta")
    parser.add_argument(
        "--api",
        type=int,
        choices=range(1, 17),
        default=1,
        metavar="N",
        help="API processes, each on a port of its own",
    )
    return parser.parse_args()


@contextmanager
def _alone_in(path: Path) -> Iterator[None]:
    """Two copies on one data folder would break it; the lock ends with the process, however that ends."""
    path.mkdir(parents=True, exist_ok=True)
    with (path / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartError(f"ops/up already runs on {path.resolve()}. Stop it or set CRM_HOME.") from None
        yield


def _urls(home: Home, count: int) -> list[str]:
    port = os.environ.get("PORT") or "3001"
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise StartError(f"PORT must be a number from 1 to 65535, not {port!r}.")
    if not processes.is_free(int(port)):
        raise StartError(f"Port {port} is taken by {_holder(int(port))}. Choose another: PORT=3002 ops/up")
    ports = [int(port), *(home.port(f"api{number}") for number in range(2, count + 1))]
    return [f"http://127.0.0.1:{port}" for port in ports]


def _holder(port: int) -> str:
    """Who listens there, as far as this user may know."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return f"process {connection.pid}: {' '.join(psutil.Process(connection.pid).cmdline())}"
    except psutil.Error:
        pass
    return "another process"


if __name__ == "__main__":
    sys.exit(main())
