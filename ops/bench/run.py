"""What every scenario is given, and how most of them measure: warm up, then load with the CPU counted."""

import itertools
from collections.abc import Awaitable, Callable

import msgspec

from ops.bench import load, report
from ops.bench.report import Finding
from ops.bench.system import System

_WARM_SECONDS = 1.0


class Run(msgspec.Struct, frozen=True):
    """A running system, for how long each load goes on, and how much was seeded."""

    system: System
    seconds: float
    tenants: int
    people: int  # attendants of the first tenant

    async def tokens(self, tenants: list[int]) -> list[str]:
        """An access token of the first attendant of each."""
        return [await self.system.sign_in(tenant) for tenant in tenants]

    async def measure(self, name: str, requests: list[bytes], note: str = "") -> Finding:
        """32 connections, each going round the requests from a place of its own."""
        step = max(1, len(requests) // load.CONNECTIONS)
        offsets = [number * step % len(requests) for number in range(load.CONNECTIONS)]
        streams = [itertools.cycle(requests[offset:] + requests[:offset]) for offset in offsets]
        await load.closed(self.system.url, streams, min(_WARM_SECONDS, self.seconds))
        meter = self.system.meter()
        tally = await load.closed(self.system.url, streams, self.seconds)
        return report.of(name, tally, meter.seconds(), memory=self.system.memory(), note=note)


Scenario = Callable[[Run], Awaitable[list[Finding]]]
