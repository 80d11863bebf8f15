"""Load: every connection as fast as it is answered (closed), or a fixed rate whatever the answers do (paced)."""

import asyncio
import time
from collections.abc import Iterator, Sequence

from ops.bench import client
from ops.bench.client import Connection

CONNECTIONS = 32


class Tally:
    """What one load measured: milliseconds of each good answer, how many others, and how long it went on."""

    def __init__(self) -> None:
        self.ms: list[float] = []
        self.errors, self.seconds = 0, 0.0

    @property
    def rate(self) -> float:
        return len(self.ms) / self.seconds if self.seconds else 0.0

    def p(self, percent: float) -> float:
        """A percentile in milliseconds."""
        ordered = sorted(self.ms)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0

    def add(self, started: float, status: int) -> None:
        if 200 <= status < 300:
            self.ms.append((time.perf_counter() - started) * 1000)
        else:
            self.errors += 1


async def closed(url: str, streams: Sequence[Iterator[bytes]], seconds: float) -> Tally:
    """One connection a stream, each asking again as soon as it was answered, for so many seconds."""
    tally = Tally()
    lines = [await client.connect(url) for _ in streams]
    start = time.perf_counter()
    await asyncio.gather(
        *(_ask_on(line, stream, start + seconds, tally) for line, stream in zip(lines, streams, strict=True))
    )
    tally.seconds = time.perf_counter() - start
    for line in lines:
        line.close()
    return tally


async def _ask_on(line: Connection, stream: Iterator[bytes], ends: float, tally: Tally) -> None:
    while time.perf_counter() < ends:
        request, started = next(stream), time.perf_counter()
        try:
            answer = await line.ask(request)
        except OSError:
            tally.errors += 1
            return
        tally.add(started, answer.status)


async def paced(url: str, stream: Iterator[bytes], rate: float, seconds: float) -> Tally:
    """So many requests a second over 32 connections; a late one counts from when it was due."""
    tally, due = Tally(), asyncio.Queue[float]()
    lines = [await client.connect(url) for _ in range(CONNECTIONS)]
    workers = [asyncio.create_task(_ask_when_due(line, stream, due, tally)) for line in lines]
    start = time.perf_counter()
    for number in range(int(rate * seconds)):
        when = start + number / rate
        if (wait := when - time.perf_counter()) > 0.001:
            await asyncio.sleep(wait)
        due.put_nowait(when)
    await due.join()
    tally.seconds = time.perf_counter() - start
    for worker, line in zip(workers, lines, strict=True):
        worker.cancel()
        line.close()
    return tally


async def _ask_when_due(
    line: Connection, stream: Iterator[bytes], due: "asyncio.Queue[float]", tally: Tally
) -> None:
    while True:
        when = await due.get()
        try:
            tally.add(when, (await line.ask(next(stream))).status)
        except OSError:
            tally.errors += 1
        finally:
            due.task_done()
