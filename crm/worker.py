"""The worker: the whole job table on one page, and the sweep that finds what no wake-up told of."""

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from saq import Worker

from crm import (
    channels,
    contacts,
    conversations,
    media,
    messages,
    outbound,
    privacy,
    read_marks,
    spreadsheets,
    stays,
    templates,
)
from crm.core import log, metrics, queue, rails, sql, surroundings
from crm.core.apart import apart
from crm.core.config import Settings
from crm.core.errors import Problem, Unavailable
from crm.core.rails import Rails
from crm.drain import Drain
from crm.lanes import Lanes

_log = logging.getLogger(__name__)
_operations = sql.load("operations")

IMPORTS = 2, 1  # files of contacts worked at once, and of one tenant
FETCHES = 4, 2  # media fetched at once, and of one tenant: messages come first
TURNS = 4, 1  # parts of hotels that are due, worked at once, and of one hotel: each waits for that hotel's feed
SWEEP_SECONDS, DRAIN_SECONDS = 1.0, 20
SEEN_EVERY, REMOVE_EVERY, ERASE_EVERY, TEMPLATES_EVERY, FOLD_EVERY, TIDY_EVERY = 5, 5, 5, 10, 60, 3600  # sweeps
FORGET_EVERY, SILENCE_EVERY, DISK_EVERY = 600, 30, 600  # sweeps, too


class QuietWorker(Worker[Any]):
    """SAQ's worker without signal handlers: this process has two, and stops them itself."""

    SIGNALS: list[signal.Signals] = []  # noqa: RUF012


class Jobs:
    """What wake-ups and the sweep call. Each piece of work runs once at a time in this process."""

    def __init__(self, rails: Rails) -> None:
        self.rails, self.id = rails, uuid4()
        self.lanes = Lanes(self._send)
        self.reads, self.typings = Lanes(self._read), Lanes(self._typing)
        self.fetching = Lanes(self._fetch, *FETCHES)
        self.importing = Lanes(self._import, *IMPORTS)
        self.turns = Lanes(self._turn, *TURNS)
        self._open = True
        self._draining: asyncio.Task[None] | None = None
        self._drain_again = False
        self._aside: dict[str, asyncio.Task[None]] = {}
        self._judged = channels.FIRST
        self._inbound = Drain(rails)

    def drain(self) -> None:
        """Work the raw events that wait; asked again meanwhile, once more."""
        self._drain_again = True
        if self._open and (self._draining is None or self._draining.done()):
            self._draining = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        while self._drain_again and self._open:
            self._drain_again = False
            await _safely("drain", self._drain_once)

    async def _drain_once(self) -> None:
        await self._inbound.run(self._goes_on)

    async def _send(self, tenant: UUID, conversation: UUID) -> None:
        log.bind(tenantId=tenant)

        async def work() -> None:
            await outbound.run_lane(self.rails, tenant, conversation, self._goes_on)

        await _safely("send", work)

    async def _read(self, tenant: UUID, conversation: UUID) -> None:
        await _safely("read", lambda: read_marks.read(self.rails, tenant, conversation))

    async def _typing(self, tenant: UUID, conversation: UUID) -> None:
        await _safely("typing", lambda: read_marks.typing(self.rails, tenant, conversation))

    async def _fetch(self, tenant: UUID, wanted: UUID) -> None:
        log.bind(tenantId=tenant)
        await _safely("fetch", partial(media.fetch, self.rails, tenant, wanted))

    async def _import(self, tenant: UUID, wanted: UUID) -> None:
        log.bind(tenantId=tenant)
        await _safely("import", partial(spreadsheets.work, self.rails, tenant, wanted, self._goes_on))

    def _goes_on(self) -> bool:
        return self._open

    async def sweep(self) -> None:
        """Begin work on what nobody was woken for, and on what has fallen due; a slow one holds up no other."""
        self.drain()
        async with self.rails.db.system(alone=True) as tx:
            lanes = await messages.waiting_lanes(tx)
            due = await messages.due_tenants(tx)
            put_off = await conversations.snoozed_tenants(tx)
        for lane in lanes:
            self.lanes.want_idle(lane.tenant_id, lane.conversation_id)
        for row in due:
            self.turns.want_idle(row.tenant_id, "due" if row.scheduled else "offer")
        for hotel in put_off:
            self.turns.want_idle(hotel.tenant_id, "snoozed")

    async def _turn(self, tenant: UUID, part: str) -> None:
        """Work a hotel's part of what is due; the next look finds what it leaves."""
        lanes: list[UUID] = []
        with apart(part, tenant):
            async with self.rails.db.tenant(tenant) as tx:
                if part == "due":
                    await contacts.hold(tx)  # what comes in touches many conversations, too
                    lanes, events = await messages.fall_due(tx)
                else:
                    events = await (messages.offer(tx) if part == "offer" else conversations.wake(tx))
                await self.rails.feed.append(tx, events)
            for conversation in lanes:
                self.lanes.want(tenant, conversation)

    async def fetch(self) -> None:
        """Begin to fetch the media that nobody fetches."""
        async with self.rails.db.system(alone=True) as tx:
            pending = await media.pending(tx)
        for row in pending:
            self.fetching.want_idle(row.tenant_id, row.id)

    async def take_in(self) -> None:
        """Begin to work the files of contacts that nobody works."""
        async with self.rails.db.system(alone=True) as tx:
            running = await spreadsheets.running(tx)
        for row in running:
            self.importing.want_idle(row.tenant_id, row.id)

    async def read_templates(self) -> None:
        """Begin to read the templates that are due; a slow Meta holds up no sweep."""
        self._begin("templates", partial(templates.sync_due, self.rails, self._goes_on))

    async def look_through(self) -> None:
        """Begin to take erased persons out of raw events; many events hold up no sweep."""
        self._begin("erase", partial(privacy.look_through, self.rails, self._goes_on))

    async def forget_old(self) -> None:
        """Begin to blank what hotels keep no longer, where it is night."""
        self._begin("forget", partial(privacy.forget_old, self.rails, self._goes_on))

    async def plan_stays(self) -> None:
        """Begin to plan the messages of stays that are due."""
        self._begin("stays", partial(stays.plan_due, self.rails, self._goes_on))

    async def judge(self) -> None:
        """Begin to look for silent numbers, some hotels at a time; many of them hold up no sweep."""
        self._begin("silence", self._judge)

    async def _judge(self) -> None:
        self._judged = await channels.judge(self.rails, self._judged)

    async def measure(self) -> None:
        """Keep what is free on the disk of the files, for the doctor."""
        disk = surroundings.disk(self.rails.settings)
        async with self.rails.db.system(alone=True) as tx:
            await tx.none(_operations.disk_seen, free=disk.free, size=disk.size)

    async def remove(self) -> None:
        """Begin to delete the bytes that no file names; a slow store holds up no sweep."""
        self._begin("remove", partial(media.remove, self.rails))

    def _begin(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        running = self._aside.get(name)
        if self._open and (running is None or running.done()):
            self._aside[name] = asyncio.create_task(_safely(name, work))

    async def seen(self) -> None:
        """Say that this worker is there."""
        place = {"host": socket.gethostname(), "pid": os.getpid(), "lanes": len(self.lanes)}
        async with self.rails.db.system(alone=True) as tx:
            await tx.none(_operations.worker_seen, id=self.id, **place)

    async def finish(self, seconds: float) -> None:
        """Begin nothing more, finish what is in hand, give up what takes too long: its rows are still there."""
        self._open = False
        for task in self._aside.values():
            task.cancel()  # a list half read, or bytes half deleted, are due again
        await asyncio.gather(*self._aside.values(), return_exceptions=True)
        draining = [self._draining] if self._draining and not self._draining.done() else []
        marking = [self.reads.close(0), self.typings.close(0)]  # what is lost of them harms nobody
        lanes = [each.close(seconds) for each in (self.lanes, self.fetching, self.importing)]
        lanes.append(self.turns.close(seconds))
        drained = [self._inbound.close(seconds), *(_within(task, seconds) for task in draining)]
        await asyncio.gather(*lanes, *marking, *drained)
        with suppress(Problem):
            async with self.rails.db.system(alone=True) as tx:
                await tx.none(_operations.worker_gone, id=self.id)


async def _within(task: asyncio.Task[None], seconds: float) -> None:
    """Wait for it, then give it up."""
    with suppress(TimeoutError, asyncio.CancelledError):
        await asyncio.wait_for(task, seconds)


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Work until `stop` is set; then finish what is in hand, for at most 20 seconds."""
    with metrics.served(settings.host, settings.worker_metrics_port):
        await _run(settings, stop)


async def _run(settings: Settings, stop: asyncio.Event) -> None:
    jobs = Jobs(await rails.lay(settings, rails.JOB_SECONDS))
    client = queue.connect(settings.redis, timeout=None)
    workers = [_worker(client, jobs, name) for name in (queue.INBOUND, queue.OUTBOUND)]
    tasks = [asyncio.create_task(worker.start()) for worker in workers]
    tasks.append(asyncio.create_task(_sweep_for_ever(jobs, stop)))
    _log.info("worker started")
    await stop.wait()
    for worker in workers:
        worker.event.set()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await jobs.finish(DRAIN_SECONDS)
    await client.aclose()
    await jobs.rails.close()
    _log.info("worker stopped")


def _worker(client: Any, jobs: Jobs, name: str) -> QuietWorker:
    """Takes wake-ups: they begin work and are done, so that no lane of one tenant fills the queue's hands."""

    async def drain(_context: Any) -> None:
        jobs.drain()

    def into(lanes: Lanes[UUID]) -> Callable[..., Awaitable[None]]:
        async def want(_context: Any, tenant_id: str, conversation_id: str) -> None:
            lanes.want(UUID(tenant_id), UUID(conversation_id))

        return want

    out = [(queue.SEND, into(jobs.lanes)), (queue.READ, into(jobs.reads)), (queue.TYPING, into(jobs.typings))]
    functions: list[Any] = [(queue.DRAIN, drain)] if name == queue.INBOUND else out
    return QuietWorker(queue.queue(client, name), functions=functions, concurrency=2)


async def _safely(name: str, work: Callable[[], Awaitable[object]]) -> None:
    with apart(name):
        await work()


async def _sweep_for_ever(jobs: Jobs, stop: asyncio.Event) -> None:
    """Once a second look in Postgres itself for what waits: Redis may be away, flushed or evicted.

    The second is the event loop's, which no setting of the clock changes.
    """
    rounds = [
        (1, "sweep", jobs.sweep),
        (1, "fetch", jobs.fetch),
        (1, "import", jobs.take_in),
        (1, "stays", jobs.plan_stays),
        (SEEN_EVERY, "seen", jobs.seen),
    ]
    rounds += [(TEMPLATES_EVERY, "templates", jobs.read_templates), (REMOVE_EVERY, "remove", jobs.remove)]
    rounds += [(ERASE_EVERY, "erase", jobs.look_through), (FORGET_EVERY, "forget", jobs.forget_old)]
    rounds += [(SILENCE_EVERY, "silence", jobs.judge), (DISK_EVERY, "disk", jobs.measure)]
    rounds += [(FOLD_EVERY, "fold", partial(fold, jobs.rails)), (TIDY_EVERY, "tidy", partial(tidy, jobs.rails))]
    turn, went_on = 0, time.monotonic()
    metrics.worker_turn.set_function(lambda: time.monotonic() - went_on)
    while not stop.is_set():
        for every, name, work in rounds:
            went_on = time.monotonic()
            if turn % every == 0:
                await _safely(name, work)
        turn += 1
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), SWEEP_SECONDS)


async def fold(rails: Rails) -> None:
    """Fold the kept totals of the lists."""
    async with rails.db.system() as tx:
        await tx.count(sql.load("conversations").fold)
        await tx.count(sql.load("contacts").fold_contacts)


async def tidy(rails: Rails) -> None:
    """Forget what has served its time, each by itself: one that must wait for a lock holds up no other."""
    days = rails.settings.webhook_events_days
    cuts = [(sql.load("inbound").cut, {"days": days}), (sql.load("feed").cut, {})]
    for query, params in cuts:
        with suppress(Unavailable):
            async with rails.db.system() as tx:
                await tx.value(query, **params)
    async with rails.db.system() as tx:
        for name, query_name in (
            ("dead_letters", "tidy"),
            ("idempotency", "tidy"),
            ("messages", "tidy"),
            ("operations", "tidy_workers"),
            ("operations", "tidy_disk_days"),
        ):
            await tx.count(getattr(sql.load(name), query_name))
