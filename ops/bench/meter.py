"""CPU and memory of the system's processes, read from /proc (Linux)."""

import os
from collections.abc import Iterable
from pathlib import Path

import psutil

GROUPS = ("api", "worker", "postgres", "redis")
_TICKS = os.sysconf("SC_CLK_TCK")


class Meter:
    """Counts from the moment it is made; `pids` names the first process of each group."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._pids = pids
        self._before = self._now()

    def seconds(self) -> dict[str, float]:
        """CPU seconds, user and system, that each group has used since."""
        now = self._now()
        return {group: now[group] - self._before[group] for group in now}

    def _now(self) -> dict[str, float]:
        return {group: _cpu(pid) for group, pid in self._pids.items()}


def _cpu(pid: int) -> float:
    """Of a process, its living children, and those it has buried (their time is added to its own when waited
    for, so nothing is lost or counted twice: a backend that ends moves from the first sum to the second)."""
    return _ticks(pid, buried=True) / _TICKS + sum(_ticks(child) for child in _children(pid)) / _TICKS


def _ticks(pid: int, buried: bool = False) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return sum(int(field) for field in fields[11 : 15 if buried else 13])


def _children(pid: int) -> Iterable[int]:
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return []


def memory(pid: int) -> tuple[float, float]:
    """RSS and PSS in MB: PSS shares out what several processes map."""
    values = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, _, rest = line.partition(":")
        values[name] = int(rest.split()[0]) / 1024
    return values["Rss"], values["Pss"]
