"""Rate limits by `limits` on Redis; while Redis is away a memory of this process goes on limiting."""

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from redis.exceptions import RedisError

from crm.core.errors import InvalidCredentials, RateLimited, Unavailable

LOGIN = RateLimitItemPerMinute(5, 15)
_PAUSES = (0.15, 0.3)  # seconds before a full count is looked at again
AT_ONCE, QUEUE = 3, 200  # one more than bcrypt has threads, so that they never wait; the 201st is sent away


class Limits:
    """Counts failed tries per key in fixed windows: a try is taken first, given back when it did not fail."""

    def __init__(self, redis_url: str) -> None:
        self._redis: Storage = RedisStorage(
            f"async+{redis_url}", implementation="redispy", socket_connect_timeout=1, socket_timeout=1
        )
        self._memory: Storage = MemoryStorage()
        self._room = asyncio.Semaphore(AT_ONCE)
        self._queued = 0

    @asynccontextmanager
    async def attempt(self, item: RateLimitItem, *keys: str) -> AsyncIterator[None]:
        """One try, counted against every key only if it ends in InvalidCredentials.

        Few are made at once, so that the good ones in flight are not taken for failures. Raises RateLimited,
        and Unavailable when too many wait.
        """
        if self._queued >= QUEUE:
            raise Unavailable
        self._queued += 1
        try:
            await self._begin(item, *keys)
            try:
                yield
            except InvalidCredentials:
                raise
            except BaseException:
                await self._give_back(item, *keys)
                raise
            else:
                await self._give_back(item, *keys)
            finally:
                self._room.release()
        finally:
            self._queued -= 1

    async def _begin(self, item: RateLimitItem, *keys: str) -> None:
        """Come in and take a try. Good ones in flight elsewhere are given back in a moment: ask more than once."""
        for pause in (*_PAUSES, None):
            await self._room.acquire()
            try:
                await self._take(item, *keys)
            except BaseException as error:
                self._room.release()
                if pause is None or not isinstance(error, RateLimited):
                    raise
                await asyncio.sleep(pause)
            else:
                return

    async def _take(self, item: RateLimitItem, *keys: str) -> None:
        full = [key for key in keys if await self._add(item, key, 1) > item.amount]
        if full:
            await self._give_back(item, *keys)
            raise RateLimited(max([await self._seconds(item, key) for key in full]))

    async def _give_back(self, item: RateLimitItem, *keys: str) -> None:
        for key in keys:
            await self._add(item, key, -1)

    async def _add(self, item: RateLimitItem, key: str, amount: int) -> int:
        name, expiry = item.key_for(key), item.get_expiry()
        try:
            return await self._redis.incr(name, expiry, amount=amount)
        except (RedisError, OSError):
            return await self._memory.incr(name, expiry, amount=amount)

    async def _seconds(self, item: RateLimitItem, key: str) -> int:
        try:
            ends = await self._redis.get_expiry(item.key_for(key))
        except (RedisError, OSError):
            ends = await self._memory.get_expiry(item.key_for(key))
        return max(1, math.ceil(ends - time.time()))
