"""What an answer costs here at the least: uvicorn saying two bytes, and nothing of ours.

The targets of the README's table were set where it took 0.021 s of CPU per 1,000. Everything else costs more in the
hours in which this does.
"""

import asyncio
import itertools
import sys
from typing import Any

from ops.bench import client, load, report
from ops.bench.meter import Meter
from ops.bench.report import Finding
from ops.bench.run import Run
from ops.bench.system import HERE
from ops.dev import processes

_SECONDS, _WARM_SECONDS = 1.5, 0.3
_TRIES = 500  # of 20 ms, for its start
_START = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}


async def app(scope: Any, _receive: Any, send: Any) -> None:
    """An ASGI application that answers anything."""
    if scope["type"] == "http":
        await send(_START)
        await send({"type": "http.response.body", "body": b"ok"})


async def answer(run: Run) -> list[Finding]:
    """32 connections to a server of its own, which ends with the load."""
    port = processes.free_port()
    command = [sys.executable, "-m", "uvicorn", f"{__name__}:app", "--app-dir", str(HERE), "--port", str(port)]
    quiet = ["--lifespan", "off", "--log-level", "warning", "--no-access-log"]
    child = processes.start([*command, *quiet], run.system.home.logs / "bench-bare.log")
    try:
        url = f"http://127.0.0.1:{port}"
        await _up(url)
        streams = [itertools.repeat(client.request("GET", "/")) for _ in range(load.CONNECTIONS)]
        await load.closed(url, streams, _WARM_SECONDS)
        meter = Meter({"api": child.pid})
        tally = await load.closed(url, streams, _SECONDS)
        return [report.of("bare", tally, meter.seconds(), note="of uvicorn alone: 0.021 where targets were set")]
    finally:
        processes.stop([child])


async def _up(url: str) -> None:
    """Raises OSError when it never comes."""
    for _ in range(_TRIES):
        try:
            (await client.connect(url)).close()
        except OSError:
            await asyncio.sleep(0.02)
        else:
            return
    raise ConnectionRefusedError(f"nothing answers at {url}")
