"""Who is served next: lanes wait in the queue of their tenant, and the tenants take turns.

However many lanes one tenant has, it is given at most a share of what runs at once, so another waits for nobody.
"""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

AT_ONCE, OF_ONE_TENANT = 32, 12  # lanes worked at once; a Graph that hangs holds each for up to 40 s

Lane = tuple[UUID, UUID]  # tenant, conversation


class Lanes:
    """Runs `work` for each wanted lane, one run of a lane at a time: so many at once, so many of one tenant."""

    def __init__(
        self, work: Callable[[UUID, UUID], Awaitable[None]], at_once: int = AT_ONCE, share: int = OF_ONE_TENANT
    ) -> None:
        self._work, self._at_once, self._share = work, at_once, share
        self._waiting: dict[UUID, dict[UUID, None]] = {}  # tenants in turn, each with its lanes in order
        self._running: dict[Lane, asyncio.Task[None]] = {}
        self._again: set[Lane] = set()
        self._open = True

    def __len__(self) -> int:
        return len(self._running)

    def want(self, tenant: UUID, conversation: UUID) -> None:
        """Work the lane when its turn comes; one that runs already runs once more."""
        lane = (tenant, conversation)
        if not self._open:
            return
        if lane in self._running:
            self._again.add(lane)
            return
        self._waiting.setdefault(tenant, {})[conversation] = None
        self._fill()

    def runs(self, tenant: UUID, conversation: UUID) -> bool:
        """Whether the lane is being worked."""
        return (tenant, conversation) in self._running

    def _fill(self) -> None:
        while self._open and len(self._running) < self._at_once and (lane := self._next()):
            self._running[lane] = asyncio.create_task(self._run(lane))

    def _next(self) -> Lane | None:
        """The first lane of the first tenant that has not its share; the tenant goes to the end of the row."""
        shares: dict[UUID, int] = {}
        for tenant, _ in self._running:
            shares[tenant] = shares.get(tenant, 0) + 1
        for tenant, lanes in self._waiting.items():
            if shares.get(tenant, 0) < self._share:
                conversation = next(iter(lanes))
                del lanes[conversation], self._waiting[tenant]
                if lanes:
                    self._waiting[tenant] = lanes
                return tenant, conversation
        return None

    async def _run(self, lane: Lane) -> None:
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
