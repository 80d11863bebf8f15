"""Who is served next: lanes wait in the queue of their tenant, and the tenants take turns.

However many lanes one tenant has, it is given at most a share of what runs at once, so another waits for nobody.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar
from uuid import UUID

AT_ONCE, OF_ONE_TENANT = 32, 12  # lanes worked at once; a Graph that hangs holds each for up to 40 s

Key = TypeVar("Key", bound=Hashable)  # a lane within its tenant: a conversation, a file, a part of what is due


class Lanes(Generic[Key]):
    """Runs `work` for each wanted lane, one run of a lane at a time: so many at once, so many of one tenant."""

    def __init__(
        self, work: Callable[[UUID, Key], Awaitable[None]], at_once: int = AT_ONCE, share: int = OF_ONE_TENANT
    ) -> None:
        self._work, self._at_once, self._share = work, at_once, share
        self._waiting: dict[UUID, dict[Key, None]] = {}  # tenants in turn, each with its lanes in order
        self._running: dict[tuple[UUID, Key], asyncio.Task[None]] = {}
        self._again: set[tuple[UUID, Key]] = set()
        self._open = True

    def __len__(self) -> int:
        return len(self._running)

    def want(self, tenant: UUID, key: Key) -> None:
        """Work the lane when its turn comes; one that runs already runs once more."""
        lane = (tenant, key)
        if not self._open:
            return
        if lane in self._running:
            self._again.add(lane)
            return
        self._waiting.setdefault(tenant, {})[key] = None
        self._fill()

    def want_idle(self, tenant: UUID, key: Key) -> None:
        """Work the lane when its turn comes, unless it is being worked."""
        if not self.runs(tenant, key):
            self.want(tenant, key)

    def runs(self, tenant: UUID, key: Key) -> bool:
        """Whether the lane is being worked."""
        return (tenant, key) in self._running

    def _fill(self) -> None:
        while self._open and len(self._running) < self._at_once and (lane := self._next()):
            self._running[lane] = asyncio.create_task(self._run(lane))

    def _next(self) -> tuple[UUID, Key] | None:
        """The first lane of the first tenant that has not its share; the tenant goes to the end of the row."""
        shares: dict[UUID, int] = {}
        for tenant, _ in self._running:
            shares[tenant] = shares.get(tenant, 0) + 1
        for tenant, lanes in self._waiting.items():
            if shares.get(tenant, 0) < self._share:
                key = next(iter(lanes))
                del lanes[key], self._waiting[tenant]
                if lanes:
                    self._waiting[tenant] = lanes
                return tenant, key
        return None

    async def _run(self, lane: tuple[UUID, Key]) -> None:
        try:
            await self._work(*lane)
        finally:
            del self._running[lane]
            if lane in self._again:
                self._again.discard(lane)
                self.want(*lane)
            self._fill()

    async def close(self, seconds: float) -> None:
        """Begin nothing more; wait for what is in hand, then give it up."""
        self._open = False
        self._waiting.clear()
        tasks = list(self._running.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
