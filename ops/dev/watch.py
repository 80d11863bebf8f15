"""Programs under watch: one that dies is started again, and a signal ends the watch in an orderly way."""

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from ops.dev import processes

LONGEST_DELAY = 10.0
STEADY_SECONDS = 10.0


class Stopped(Exception):
    """Somebody pressed Ctrl-C, or sent SIGTERM or SIGHUP."""


class Signals:
    """Turns those three signals into Stopped, raised only by pause(): never between the start of a child and
    the moment we hold it. Further signals change nothing."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask)

    def _ask(self, *_: object) -> None:
        self.asked = True

    def pause(self, seconds: float) -> None:
        time.sleep(seconds)
        if self.asked:
            raise Stopped


class Program:
    """One of our own processes: API, worker, fake Meta."""

    def __init__(self, name: str, command: Sequence[str | Path], env: Mapping[str, str], logs: Path) -> None:
        self.name, self.command, self.env = name, command, env
        self.log = logs / f"{name}.log"
        self.process: processes.Child | None = None

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process else None

    def launch(self) -> None:
        self.process = processes.start(self.command, self.log, self.env)


class Watched(Protocol):
    """What a Program and a Server of the home both are."""

    name: str
    log: Path
    process: processes.Child | None

    def launch(self) -> None: ...


class Watch:
    """Starts what died again: at once the first time, then after growing delays until it has run steadily."""

    def __init__(self, watched: Sequence[Watched], changed: Callable[[Watched], None]) -> None:
        self.watched, self.changed = watched, changed
        self.deaths = {one.name: 0 for one in watched}
        self.due = {one.name: 0.0 for one in watched}

    def look(self) -> None:
        for one in self.watched:
            if one.process is None:
                self._start_when_due(one)
            elif one.process.poll() is not None:
                self._note_death(one, one.process)

    def _note_death(self, one: Watched, process: processes.Child) -> None:
        now = time.monotonic()
        if now - self.due[one.name] > STEADY_SECONDS:
            self.deaths[one.name] = 0
        delay = min(self.deaths[one.name] * 0.5, LONGEST_DELAY)
        self.deaths[one.name] += 1
        self.due[one.name] = now + delay
        one.process = None
        self.changed(one)
        print(died(one.name, process.returncode, one.log), flush=True)
        print(f"{one.name} starts again" + (f" in {delay:.1f} s" if delay else ""), flush=True)

    def _start_when_due(self, one: Watched) -> None:
        if time.monotonic() >= self.due[one.name]:
            one.launch()
            self.changed(one)


def died(name: str, code: int, log: Path) -> str:
    how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return f"{name} ended by itself ({how}). {processes.end_of(log)}"
