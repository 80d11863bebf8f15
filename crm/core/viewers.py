"""Who has a conversation open, over all API processes: hashes in Redis that forget who does not say so again."""

import time
from collections.abc import Iterable
from uuid import UUID, uuid4

import msgspec
from redis.asyncio import Redis

STAY_SECONDS, AGAIN_EVERY = 90, 30  # how long a word holds, and how often each process repeats it
_encode = msgspec.json.Encoder().encode


class Viewer(msgspec.Struct, frozen=True, rename="camel"):
    """Somebody who has the conversation open."""

    user_id: UUID
    name: str


class _Word(msgspec.Struct, frozen=True):
    """What a process says of a viewer, until when it holds (Unix seconds)."""

    user: UUID
    name: str
    until: float


_word = msgspec.json.Decoder(_Word)


class Viewers:
    """What this process says of its sockets. Raises RedisError, OSError."""

    def __init__(self, redis: Redis) -> None:
        self._redis, self._process = redis, uuid4().hex

    async def here(self, tenant: UUID, conversation: UUID, who: Iterable[Viewer]) -> list[Viewer]:
        """These have it open here; everybody who has it open anywhere."""
        now, key = time.time(), f"crm:viewers:{tenant}:{conversation}"
        words = {
            f"{viewer.user_id}:{self._process}": _encode(_Word(viewer.user_id, viewer.name, now + STAY_SECONDS))
            for viewer in who
        }
        async with self._redis.pipeline(transaction=False) as pipe:
            if words:
                pipe.hset(key, mapping=words)
            pipe.expire(key, STAY_SECONDS)
            pipe.hvals(key)
            *_, said = await pipe.execute()
        known = [_word.decode(word) for word in said]
        there = {word.user: word.name for word in known if word.until > now}
        return [Viewer(user, name) for user, name in sorted(there.items(), key=lambda item: item[1])]

    async def gone(self, tenant: UUID, conversation: UUID, user: UUID) -> None:
        """That person has it open here no more."""
        await self._redis.hdel(f"crm:viewers:{tenant}:{conversation}", f"{user}:{self._process}")  # type: ignore[misc]
