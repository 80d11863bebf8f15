"""The processes themselves: how soon they serve, and how much memory they take idle and with many sockets."""

import asyncio

from ops.bench import sockets
from ops.bench.report import Finding
from ops.bench.run import Run

_STARTS, _SETTLE, _EACH = 5, 3.0, 50


async def start(run: Run) -> list[Finding]:
    """From the spawn to the first 200 of /health."""
    ms = []
    for _ in range(_STARTS):
        run.system.stop()
        ms.append(await asyncio.to_thread(run.system.start) * 1000)
    note = f"spawn to the first 200: the middle and the slowest of {_STARTS}"
    return [Finding(scenario="start", p50=sorted(ms)[_STARTS // 2], p99=max(ms), note=note)]


async def memory(run: Run) -> list[Finding]:
    """A fresh API and worker, idle; then with fifty sockets of each attendant of the first tenant."""
    run.system.stop()
    await asyncio.to_thread(run.system.start)
    await asyncio.sleep(min(_SETTLE, run.seconds))
    idle = Finding(scenario="memory idle", memory=run.system.memory())
    tokens = [await run.system.sign_in(1, number) for number in range(1, run.people + 1)]
    readers = await sockets.listen(run.system.url, tokens, _EACH, lambda _frame, _at: None)
    await asyncio.sleep(min(_SETTLE, run.seconds))
    full = run.system.memory()
    each = (full["api"][1] - idle.memory["api"][1]) * 1024 / len(readers)
    note = f"{each:.1f} KB of the API's memory (PSS) a socket"
    many = Finding(scenario=f"memory with {len(readers):,} sockets", memory=full, note=note)
    for reader in readers:
        reader.close()
    return [idle, many]
