"""Wake-ups by SAQ on Redis. A job carries ids and may be lost: the row in Postgres is the queue.

No job has a deduplicating key: one whose list entry was lost would block its key for ever.
"""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import redis.asyncio as aioredis
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeout
from saq.job import Job
from saq.queue.redis import RedisQueue

from crm.core import sentinel

INBOUND, OUTBOUND = "inbound", "outbound"  # the two rivers; a slow Graph must not hold up what comes in
DRAIN, SEND, READ, TYPING = "drain", "send", "read", "typing"
_JOB_SECONDS = 120
_DEAF_SECONDS = 1.0  # as long as the word was waited for
# A host that is cut off says no goodbye: who waits for its word learns of it within 25 s (where the system can).
_KEEPALIVE = {
    getattr(socket, name): value
    for name, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
    if hasattr(socket, name)
}


def connect(url: str, timeout: float | None = 1.0) -> aioredis.Redis:
    """A client whose calls end within `timeout` seconds (None for blocking reads); its Redis may have Sentinels."""
    options: dict[str, Any] = {
        "socket_connect_timeout": 1.0,
        "socket_timeout": timeout,
        "socket_keepalive": True,
        "socket_keepalive_options": _KEEPALIVE,
        "health_check_interval": 30,
    }
    if url.startswith(sentinel.SCHEME):
        return sentinel.master(url, **options)
    client: aioredis.Redis = aioredis.Redis.from_url(url, **options)
    return client


class PatientQueue(RedisQueue):
    """SAQ's queue, except that while Redis is away its worker rests instead of spinning (99 % of a core).

    And it tells nobody how a wake-up goes on: nobody asks, and each word is a round trip before and after it.
    """

    async def dequeue(self, timeout: float = 0.0, poll_interval: float = 0.0) -> Job | None:  # noqa: ASYNC109
        """The next job; None after a pause when Redis does not answer."""
        try:
            return await super().dequeue(timeout, poll_interval)
        except (RedisError, OSError):
            await asyncio.sleep(1)
            return None

    async def notify(self, job: Job) -> None:
        """No word."""


def queue(client: aioredis.Redis, name: str) -> PatientQueue:
    """The queue of one river."""
    return PatientQueue(client, name=name)


class Hearing:
    """Whether Redis listens. One that let a word hang is told none for a while: each would wait as long."""

    def __init__(self) -> None:
        self._deaf_until = 0.0

    async def tell(self, word: Callable[[], Awaitable[object]]) -> None:
        """Say a word that the sweep or the watch makes good when it is lost. Raises RedisError, OSError."""
        if time.monotonic() < self._deaf_until:
            return
        try:
            await word()
        except RedisTimeout:
            self._deaf_until = time.monotonic() + _DEAF_SECONDS
            raise


class Wake:
    """Wakes the worker. Raises RedisError or OSError when Redis is away: call it after the commit."""

    def __init__(self, client: aioredis.Redis, hearing: Hearing) -> None:
        self._inbound, self._outbound = queue(client, INBOUND), queue(client, OUTBOUND)
        self._hearing = hearing

    async def drain(self) -> None:
        """Webhook events wait."""
        await self._enqueue(self._inbound, DRAIN)

    async def send(self, tenant: UUID, conversation: UUID) -> None:
        """A conversation's lane has something to send."""
        await self._enqueue(self._outbound, SEND, tenant_id=str(tenant), conversation_id=str(conversation))

    async def read(self, tenant: UUID, conversation: UUID) -> None:
        """Somebody has read a conversation: its customer may see that."""
        await self._enqueue(self._outbound, READ, tenant_id=str(tenant), conversation_id=str(conversation))

    async def typing(self, tenant: UUID, conversation: UUID) -> None:
        """Somebody types in a conversation: its customer may see that."""
        await self._enqueue(self._outbound, TYPING, tenant_id=str(tenant), conversation_id=str(conversation))

    async def _enqueue(self, to: RedisQueue, function: str, **ids: Any) -> None:
        await self._hearing.tell(lambda: to.enqueue(function, timeout=_JOB_SECONDS, retries=1, ttl=1, **ids))
