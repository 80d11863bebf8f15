"""Rate limits by `limits` on Redis, for all processes; a memory of this one counts too: the higher number holds.

So a Redis that is away, was flushed or evicted a counter gives nobody his tries back.
"""

import asyncio
import math
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from redis.asyncio import Redis
from redis.exceptions import RedisError

from crm.core.errors import InvalidCredentials, RateLimited, Unavailable

T = TypeVar("T", int, float)
LOGIN = RateLimitItemPerMinute(5, 15)
FLYING = RateLimitItemPerMinute(1)  # its minute only: what a killed process leaves in flight is forgotten by then
DEAF = 3.0  # seconds that a Redis which did not answer is not asked
PATIENCE = 5.0  # seconds a good try waits for others in flight
AT_ONCE, QUEUE = 3, 200  # one more than bcrypt has threads, so that they never wait; the 201st is sent away


class Limits:
    """Counts failed tries per key in fixed windows, and those in flight, which may yet fail."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Storage = RedisStorage(
            "async+redis://",
            implementation="redispy",
            connection_pool=redis.connection_pool,  # type: ignore[arg-type]  # its types forget the pool
        )
        self._memory: Storage = MemoryStorage()
        self._room = asyncio.Semaphore(AT_ONCE)
        self._queued = 0
        self._deaf_until = 0.0

    @asynccontextmanager
    async def attempt(self, item: RateLimitItem, *keys: str) -> AsyncIterator[None]:
        """One try, counted against every key only if it ends in InvalidCredentials.

        Tries in flight count as well until they end, so that parallel guesses cannot all slip in; a good one then
        waits for its turn. Raises RateLimited when the failures are used up, Unavailable when too many wait.
        """
        if self._queued >= QUEUE:
            raise Unavailable
        self._queued += 1
        try:
            await self._begin(item, *keys)
            try:
                yield
            except InvalidCredentials:
                await self._add(item, 1, *keys)
                raise
            finally:
                try:
                    await self._add(FLYING, -1, *keys)
                finally:
                    self._room.release()
        finally:
            self._queued -= 1

    async def _begin(self, item: RateLimitItem, *keys: str) -> None:
        """Come in, once those in flight everywhere leave room for one more failure."""
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends:
            await self._room.acquire()
            try:
                if await self._take(item, *keys):
                    return
            except BaseException:
                self._room.release()
                raise
            self._room.release()
            await asyncio.sleep(random.uniform(0.05, 0.15))  # noqa: S311 (jitter)
        raise Unavailable

    async def _take(self, item: RateLimitItem, *keys: str) -> bool:
        """Count one more in flight; False, and not counted, when all of them failing would be too many."""
        flying = await self._add(FLYING, 1, *keys)
        failed = [await self._count(item, key) for key in keys]
        if all(sum(both) <= item.amount for both in zip(failed, flying, strict=True)):
            return True
        await self._add(FLYING, -1, *keys)
        full = [key for key, number in zip(keys, failed, strict=True) if number >= item.amount]
        if full:
            raise RateLimited(max([await self._seconds(item, key) for key in full]))
        return False

    async def _add(self, item: RateLimitItem, amount: int, *keys: str) -> list[int]:
        """Count for each key; the new counts."""
        return [await self._add_one(item.key_for(key), item.get_expiry(), amount) for key in keys]

    async def _add_one(self, name: str, expiry: int, amount: int) -> int:
        own = await self._memory.incr(name, expiry, amount=amount)
        return await self._higher(own, lambda: self._redis.incr(name, expiry, amount=amount))

    async def _count(self, item: RateLimitItem, key: str) -> int:
        name = item.key_for(key)
        return await self._higher(await self._memory.get(name), lambda: self._redis.get(name))

    async def _seconds(self, item: RateLimitItem, key: str) -> int:
        name = item.key_for(key)
        ends = await self._higher(await self._memory.get_expiry(name), lambda: self._redis.get_expiry(name))
        return max(1, math.ceil(ends - time.time()))

    async def _higher(self, own: T, ask: Callable[[], Awaitable[T]]) -> T:
        """Of our number and Redis'; one that did not answer is left alone for a while: each question waits."""
        if time.monotonic() < self._deaf_until:
            return own
        try:
            return max(own, await ask())
        except (RedisError, OSError):
            self._deaf_until = time.monotonic() + DEAF
            return own
