"""Rate limits by `limits` on Redis; while Redis is away a memory of this process goes on limiting."""

import math
import time

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from redis.exceptions import RedisError

from crm.core.errors import RateLimited

LOGIN = RateLimitItemPerMinute(5, 15)


class Limits:
    """Counts tries per key in fixed windows. A try is taken first and given back when it was a good one."""

    def __init__(self, redis_url: str) -> None:
        self._redis: Storage = RedisStorage(
            f"async+{redis_url}", implementation="redispy", socket_connect_timeout=1, socket_timeout=1
        )
        self._memory: Storage = MemoryStorage()

    async def take(self, item: RateLimitItem, *keys: str) -> None:
        """Count one try against every key. Raises RateLimited when any of them has none left."""
        full = [key for key in keys if await self._add(item, key, 1) > item.amount]
        if full:
            raise RateLimited(max([await self._seconds(item, key) for key in full]))

    async def give_back(self, item: RateLimitItem, *keys: str) -> None:
        """Undo take(): the try turned out to be a good one."""
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
