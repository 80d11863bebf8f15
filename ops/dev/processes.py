"""Child processes that cannot outlive this one: each in its own session, told to end when its parent dies."""

import ctypes
import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None

Child = subprocess.Popen[bytes]


def start(
    command: Sequence[str | Path],
    log: Path,
    env: Mapping[str, str] | None = None,
    user: str | None = None,
    orphaned: signal.Signals = signal.SIGTERM,
) -> Child:
    """Start a child whose output is appended to `log`. Call it from a thread that lives as long as the child
    should: Linux sends `orphaned` when the starting thread ends, even by kill -9. A session of its own keeps
    the terminal's Ctrl-C away from it, so that we decide the order in which things stop."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=env,
            **as_user(user),
            start_new_session=True,
            preexec_fn=_tied_to(os.getpid(), orphaned),  # noqa: PLW1509
        )


def as_user(name: str | None) -> dict[str, Any]:
    """Popen's arguments for running as another user, without any group of ours."""
    if name is None:
        return {}
    entry = pwd.getpwnam(name)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _tied_to(parent: int, orphaned: signal.Signals) -> Callable[[], None] | None:
    if _LIBC is None:
        return None
    prctl = _LIBC.prctl

    def tie() -> None:
        prctl(_PR_SET_PDEATHSIG, int(orphaned))
        if os.getppid() != parent:  # the parent died between fork and here
            os._exit(1)

    return tie


def stop(children: Sequence[Child], how: signal.Signals = signal.SIGTERM, grace: float = 8.0) -> None:
    """Ask all of them to end; kill those that have not after `grace` seconds. Returns when all are gone."""
    for child in children:
        if child.poll() is None:
            child.send_signal(how)
    deadline = time.monotonic() + grace
    for child in children:
        try:
            child.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def end_leftover(pid_file: Sequence[str], folder: Path) -> None:
    """End a server that an earlier, killed run left in `folder`; `pid_file` is the content of its pid file. A
    pid alone proves nothing, since the system reuses them: the process must also work in that folder."""
    try:
        leftover = psutil.Process(int(pid_file[0]))
        if leftover.cwd() == str(folder):
            leftover.send_signal(signal.SIGINT)
            if not _gone(leftover, 30):
                leftover.kill()
                _gone(leftover, 10)
    except (IndexError, ValueError, psutil.Error):
        return  # an empty file, or nobody there any more


def _gone(process: psutil.Process, seconds: float) -> bool:
    """Wait for its end. A zombie has ended: in a container nobody may reap it, and to wait for that is for ever."""
    deadline = time.monotonic() + seconds
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:`port` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def end_of(log: Path) -> str:
    """The last 20 lines of a log, for a message about the process that wrote it."""
    return f"The end of {log}:\n" + "\n".join(log.read_text(errors="replace").splitlines()[-20:])
