"""Signing in: bcrypt is the same in every language; what counts is that nobody else waits for it."""

import asyncio
import itertools
import time
from concurrent.futures import ThreadPoolExecutor

from crm.core import crypto
from ops.bench import client, load, report
from ops.bench.load import Tally
from ops.bench.report import Finding
from ops.bench.run import Run
from ops.bench.seed import PASSWORD
from ops.bench.system import login

_THREADS = 2  # as many as the API's own


async def logins(run: Run) -> list[Finding]:
    """Logins alone against bcrypt alone; then again while somebody else reads the list."""
    alone = await asyncio.to_thread(_bcrypt_rate, min(3.0, run.seconds))
    streams = [itertools.repeat(login(tenant)) for tenant in range(1, min(run.tenants, load.CONNECTIONS) + 1)]
    meter = run.system.meter()
    tally = await load.closed(run.system.url, streams, run.seconds)
    share = f"bcrypt alone on {_THREADS} threads {alone:.1f}/s, so {tally.rate / alone:.0%} of it"
    found = report.of("login", tally, meter.seconds(), memory=run.system.memory(), note=share)
    return [found, *await _bystander(run)]


def _bcrypt_rate(seconds: float) -> float:
    hashed, ends = crypto.password_hash(PASSWORD, 10), time.perf_counter() + seconds

    def check() -> int:
        count = 0
        while time.perf_counter() < ends:
            crypto.password_matches(PASSWORD, hashed)
            count += 1
        return count

    with ThreadPoolExecutor(_THREADS) as pool:
        return sum(future.result() for future in [pool.submit(check) for _ in range(_THREADS)]) / seconds


async def _bystander(run: Run) -> list[Finding]:
    """One who reads the list, first alone, then while logins come without end."""
    reader = [itertools.repeat(client.get("/api/conversations", await run.system.sign_in(1, 1)))]
    await load.closed(run.system.url, reader, min(1.0, run.seconds))
    quiet = await load.closed(run.system.url, reader, run.seconds / 2)
    streams = [itertools.repeat(login(tenant)) for tenant in range(2, min(run.tenants, 8) + 1)]
    busy, _ = await asyncio.gather(
        load.closed(run.system.url, reader, run.seconds), load.closed(run.system.url, streams, run.seconds)
    )
    note = f"list by one reader; p99 + {busy.p(99) - quiet.p(99):.1f} ms against alone"
    return [_row("reader alone", quiet, ""), _row("reader during logins", busy, note)]


def _row(name: str, tally: Tally, note: str) -> Finding:
    return Finding(scenario=name, rate=tally.rate, p50=tally.p(50), p99=tally.p(99), errors=tally.errors, note=note)
