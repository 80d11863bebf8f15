"""What every request and job is given: the open connections and the settings of this process."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import msgspec
from redis.asyncio import Redis

from crm.core import queue
from crm.core.config import Settings
from crm.core.crypto import Box
from crm.core.db import Database
from crm.core.feed import Feed
from crm.core.limit import Limits
from crm.core.meta import Graph
from crm.core.rates import Rates
from crm.core.store import Store

T = TypeVar("T")

REQUEST_SECONDS, JOB_SECONDS = 5, 30  # how long one statement may take


class Rails(msgspec.Struct, frozen=True):
    """The process's connections. Off the event loop `slow` runs bcrypt, two at a time, `looks` one picture."""

    settings: Settings
    db: Database
    redis: Redis
    feed: Feed
    wake: queue.Wake
    limits: Limits
    rates: Rates
    box: Box
    graph: Graph
    slow: ThreadPoolExecutor
    store: Store
    looks: ThreadPoolExecutor

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run something that burns a core for long without stopping the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self.slow, work)

    async def look(self, work: Callable[[], T]) -> T:
        """Look into a file, one at a time: what a picture takes of memory is taken once."""
        return await asyncio.get_running_loop().run_in_executor(self.looks, work)

    async def close(self) -> None:
        """Close everything."""
        await self.graph.close()
        await self.db.close()
        await self.redis.aclose()
        for threads in (self.slow, self.looks):
            threads.shutdown(wait=False, cancel_futures=True)


async def lay(settings: Settings, statement_seconds: int = REQUEST_SECONDS) -> Rails:
    """Open what a process needs; connections are made when first used."""
    redis, hearing = queue.connect(settings.redis), queue.Hearing()
    return Rails(
        settings=settings,
        db=await Database.open(settings, statement_seconds),
        redis=redis,
        feed=Feed(redis, hearing),
        wake=queue.Wake(redis, hearing),
        limits=Limits(redis),
        rates=Rates(redis),
        box=Box(settings.keys),
        graph=Graph(settings.whatsapp_graph_url, settings.whatsapp_api_version),
        slow=ThreadPoolExecutor(2, "bcrypt"),
        store=Store(settings.media_url),
        looks=ThreadPoolExecutor(1, "look"),
    )
