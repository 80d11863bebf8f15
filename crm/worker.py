"""The worker: the whole job table on one page, and the sweep that finds what no wake-up told of."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import UUID

from saq import Worker

from crm import inbound, messages, outbound
from crm.core import log, metrics, queue, rails, sql
from crm.core.config import Settings
from crm.core.errors import Problem
from crm.core.rails import Rails

_log = logging.getLogger(__name__)

SWEEP_SECONDS, DRAIN_SECONDS = 1.0, 20
FOLD_EVERY, TIDY_EVERY = 60, 3600  # sweeps
_LANES = 16  # lanes worked at once by one sweep


class QuietWorker(Worker[Any]):
    """SAQ's worker without signal handlers: this process has two, and stops them itself."""

    SIGNALS: list[signal.Signals] = []  # noqa: RUF012


class Jobs:
    """What wake-ups and the sweep call. Each piece of work runs once at a time in this process."""

    def __init__(self, rails: Rails) -> None:
        self.rails = rails
        self._running: dict[object, bool] = {}  # the work -> whether somebody asked again meanwhile
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(_LANES)

    async def drain(self) -> None:
        """Work the raw events that wait."""
        await self._one_at_a_time("drain", lambda: inbound.drain(self.rails))

    async def send(self, tenant: UUID, conversation: UUID) -> None:
        """Work one lane."""
        lane = (tenant, conversation)
        await self._one_at_a_time(lane, lambda: outbound.run_lane(self.rails, tenant, conversation))

    async def _one_at_a_time(self, key: object, work: Callable[[], Awaitable[int]]) -> None:
        """Run the work; who comes meanwhile leaves at once, and it runs again for them."""
        if key in self._running:
            self._running[key] = True
            return
        try:
            again = True
            while again:
                self._running[key] = False
                await work()
                again = self._running[key]
        finally:
            del self._running[key]

    async def sweep(self) -> None:
        """Start work on the events and lanes that nobody was woken for; a slow one holds up no other."""
        self._start("drain", self.drain)
        async with self.rails.db.system() as tx:
            lanes = await messages.waiting_lanes(tx)
        for lane in lanes:
            if (lane.tenant_id, lane.conversation_id) not in self._running:
                self._start("send", partial(self._send_in_turn, lane.tenant_id, lane.conversation_id))

    async def _send_in_turn(self, tenant: UUID, conversation: UUID) -> None:
        async with self._room:
            await self.send(tenant, conversation)

    def _start(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        task = asyncio.create_task(_safely(name, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self, seconds: float) -> None:
        """Wait for what is in hand, then give it up: its rows are still there."""
        ends = asyncio.get_running_loop().time() + seconds
        while self._running and asyncio.get_running_loop().time() < ends:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        for task in self._tasks:
            task.cancel()


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Work until `stop` is set; then finish what is in hand, for at most 20 seconds."""
    with metrics.served(settings.host, settings.worker_metrics_port):
        await _run(settings, stop)


async def _run(settings: Settings, stop: asyncio.Event) -> None:
    jobs = Jobs(await rails.lay(settings, rails.JOB_SECONDS))
    client = queue.connect(settings.redis, timeout=None)
    workers = [_worker(client, jobs, name, size) for name, size in ((queue.INBOUND, 2), (queue.OUTBOUND, 32))]
    tasks = [asyncio.create_task(worker.start()) for worker in workers]
    tasks.append(asyncio.create_task(_sweep_for_ever(jobs, stop)))
    _log.info("worker started")
    await stop.wait()
    await jobs.finish(DRAIN_SECONDS)
    for worker in workers:
        worker.event.set()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await client.aclose()
    await jobs.rails.close()
    _log.info("worker stopped")


def _worker(client: Any, jobs: Jobs, name: str, concurrency: int) -> QuietWorker:
    async def drain(_context: Any) -> None:
        await _safely("drain", jobs.drain)

    async def send(_context: Any, tenant_id: str, conversation_id: str) -> None:
        log.bind(tenantId=tenant_id)
        await _safely("send", lambda: jobs.send(UUID(tenant_id), UUID(conversation_id)))

    functions = [(queue.DRAIN, drain)] if name == queue.INBOUND else [(queue.SEND, send)]
    return QuietWorker(queue.queue(client, name), functions=functions, concurrency=concurrency)


async def _safely(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Nothing a job raises may be lost silently, or end the worker: the row is still there to be worked."""
    try:
        await work()
    except Problem as problem:
        _log.warning("a job must wait", extra={"job": name, "why": problem.code})
    except Exception:
        _log.exception("a job failed", extra={"job": name})


async def _sweep_for_ever(jobs: Jobs, stop: asyncio.Event) -> None:
    """Once a second look in Postgres itself for what waits: Redis may be away, flushed or evicted."""
    turn = 0
    while not stop.is_set():
        await _safely("sweep", jobs.sweep)
        if turn % FOLD_EVERY == 0:
            await _safely("fold", partial(fold, jobs.rails))
        if turn % TIDY_EVERY == 0:
            await _safely("tidy", partial(tidy, jobs.rails))
        turn += 1
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), SWEEP_SECONDS)


async def fold(rails: Rails) -> None:
    """Fold the kept totals of the lists."""
    async with rails.db.system() as tx:
        await tx.count(sql.load("conversations").fold)


async def tidy(rails: Rails) -> None:
    """Forget what has served its time."""
    async with rails.db.system() as tx:
        for name, query in (
            ("feed", "tidy"),
            ("idempotency", "tidy"),
            ("inbound", "tidy"),
            ("messages", "tidy"),
        ):
            await tx.count(getattr(sql.load(name), query))
