"""Webhooks: as many as are acknowledged, at a steady rate, and to every socket of a tenant."""

import asyncio
import time
from contextlib import suppress

import psutil

from ops.bench import client, load, report, sockets
from ops.bench.load import CONNECTIONS, Tally
from ops.bench.report import Finding
from ops.bench.run import Run
from ops.bench.webhooks import Books, Meta

STEADY_RATE = 1200
_DRAIN_SECONDS = 300.0
_LOOK = 0.1  # seconds between looks at what waits: looking costs Postgres a millisecond or two
_SOCKETS, _WARM, _MESSAGES, _PAUSE = 500, 20, 100, 0.05


async def burst(run: Run) -> list[Finding]:
    """As fast as they are acknowledged; then until all are messages. CPU counts to the end of the drain."""
    meta, books = await Meta.open(run.system.home), await Books.open(run.system.home)
    streams = [meta.stream()] * CONNECTIONS  # all take from one
    warm = await load.closed(run.system.url, streams, min(1.0, run.seconds))
    await _drained(books)
    meter, started = run.system.meter(), time.perf_counter()
    tally = await load.closed(run.system.url, streams, run.seconds)
    left = await books.waiting()
    faults = await _drained(books)
    whole = time.perf_counter() - started
    cpu, memory = meter.seconds(), run.system.memory()
    faults += await _counted(books, meta, len(warm.ms) + len(tally.ms))
    found = report.of("webhooks acknowledged", tally, cpu, memory=memory, faults=faults)
    found.note = await _told(books, meta, f"CPU to the end of the drain; {left:,} waited at the end")
    done = Finding(scenario="webhooks processed", rate=len(tally.ms) / whole, note="with the drain")
    await books.close()
    return [found, done]


async def alone(run: Run) -> list[Finding]:
    """As fast as the API and Postgres acknowledge, the worker held still; then all must become messages."""
    meta, books = await Meta.open(run.system.home), await Books.open(run.system.home)
    streams = [meta.stream()] * CONNECTIONS
    worker = psutil.Process(run.system.pids["worker"])
    worker.suspend()
    try:
        warm = await load.closed(run.system.url, streams, min(1.0, run.seconds))
        meter = run.system.meter()
        tally = await load.closed(run.system.url, streams, run.seconds)
        cpu = meter.seconds()
    finally:
        worker.resume()
    left, started = await books.waiting(), time.perf_counter()
    faults = await _drained(books)
    note = f"{left:,} worked afterwards at {left / (time.perf_counter() - started):,.0f}/s"
    faults += await _counted(books, meta, len(warm.ms) + len(tally.ms))
    note = await _told(books, meta, note)
    await books.close()
    found = report.of("webhooks, worker held", tally, cpu, memory=run.system.memory(), note=note, faults=faults)
    return [found]


async def steady(run: Run) -> list[Finding]:
    """1,200 a second: does the worker keep up?"""
    meta, books = await Meta.open(run.system.home), await Books.open(run.system.home)
    meter, stop = run.system.meter(), asyncio.Event()
    watch = asyncio.create_task(_worst(books, stop))
    tally = await load.paced(run.system.url, meta.stream(), STEADY_RATE, run.seconds)
    ended = time.perf_counter()
    stop.set()
    worst = await watch
    faults = await _drained(books)
    tail, cpu = time.perf_counter() - ended, meter.seconds()
    faults += await _counted(books, meta, len(tally.ms))
    note = await _told(books, meta, f"at most {worst:,} waited; the last was worked {tail:.2f} s after the end")
    await books.close()
    return [report.of("webhooks at 1,200/s", tally, cpu, memory=run.system.memory(), note=note, faults=faults)]


async def _worst(books: Books, stop: asyncio.Event) -> int:
    """The most that waited, looked at ten times a second."""
    worst = 0
    while not stop.is_set():
        worst = max(worst, await books.waiting())
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _LOOK)
    return worst


async def _drained(books: Books) -> list[str]:
    """Wait until no raw event waits; a fault when that never happens."""
    ends = time.monotonic() + _DRAIN_SECONDS
    while not await books.drained():
        if time.monotonic() > ends:
            return [f"{await books.waiting()} webhooks were never processed"]
        await asyncio.sleep(_LOOK)
    return []


async def _counted(books: Books, meta: Meta, acknowledged: int) -> list[str]:
    """Every acknowledged webhook is exactly one message. Sent and not answered may be one too."""
    rows, different = await books.rows(meta.prefix)
    if rows == different and acknowledged <= rows <= meta.sent:
        return []
    return [f"{acknowledged} acknowledged of {meta.sent}, but {rows} messages with {different} wamids"]


async def _told(books: Books, meta: Meta, note: str) -> str:
    rows, _ = await books.rows(meta.prefix)
    return f"{meta.sent} sent = {rows} messages; {note}"


async def fan_out(run: Run) -> list[Finding]:
    """One message at a time to every socket of the first tenant, from the POST's first byte to each frame."""
    meta, heard = await Meta.open(run.system.home, first_only=True), asyncio.Queue[float]()
    tokens = [await run.system.sign_in(1, number) for number in range(1, min(10, run.people) + 1)]

    def note(frame: bytes, at: float) -> None:
        if frame.startswith(b'{"event":"message:new"'):
            heard.put_nowait(at)

    readers = await sockets.listen(run.system.url, tokens, _SOCKETS // 10, note)
    line, stream = await client.connect(run.system.url), meta.stream()
    each, last = Tally(), Tally()
    for number in range(_WARM + _MESSAGES):
        sent = time.perf_counter()
        answer = await line.ask(next(stream))
        times = [(await asyncio.wait_for(heard.get(), 10) - sent) * 1000 for _ in readers]
        if number >= _WARM:
            each.ms += times
            last.ms.append(max(times))
            each.errors += answer.status != 200
        await asyncio.sleep(_PAUSE)
    memory = run.system.memory()
    line.close()
    for reader in readers:
        reader.close()
    found = Finding(scenario=f"webhook to {len(readers)} sockets", p50=each.p(50), p99=each.p(99), memory=memory)
    found.note = f"ms to each socket; to the last of them p50 {last.p(50):.1f}, p99 {last.p(99):.1f}"
    return [found]
