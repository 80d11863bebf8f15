"""The tenant's event feed: appended in the transaction that caused it, published after commit, replayed by seq.

seq comes from a row of feed_heads that stays locked until commit, so within a tenant the order of seq is the
order of visibility and there are no gaps: a reader that sees a gap knows that Redis lost something.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from redis.asyncio import Redis

from crm.core import sql
from crm.core.db import PLATFORM
from crm.core.queue import Hearing
from crm.core.tx import Tx

_sql = sql.load("feed")
encode = msgspec.json.Encoder().encode
COME_BACK = 1012  # a socket so closed signs in again, and then sees what its person may see now
GONE = "conversation:gone"  # for those alone who may see that conversation no more


class Event(msgspec.Struct, frozen=True):
    """Something that happened: its name on the socket, the conversation it belongs to, and the frame's data."""

    event: str
    conversation_id: UUID | None
    data: object


class EventRow(msgspec.Struct, frozen=True, array_like=True):
    """An event of the feed; `data` is JSON text. Also the form in which it is published."""

    seq: int
    event: str
    conversation_id: UUID | None
    data: str

    def frame(self) -> str:
        """The text frame of the socket (contract, section 8)."""
        return f'{{"event":"{self.event}","seq":{self.seq},"data":{self.data}}}'


class HeadRow(msgspec.Struct, frozen=True):
    """A tenant's newest seq."""

    tenant_id: UUID
    seq: int


class PlaceOfRow(msgspec.Struct, frozen=True):
    """Who has a conversation."""

    id: UUID
    assigned_to: UUID | None
    department_id: UUID | None


class Happened(msgspec.Struct, frozen=True, tag="happened"):
    """Events of one commit, in order: kept in the feed, and replayed when this word is lost."""

    events: list[EventRow]


class Passing(msgspec.Struct, frozen=True, tag="passing"):
    """Something worth nothing a second later, such as typing: for those who joined the conversation."""

    event: str
    conversation_id: UUID
    data: dict[str, Any]
    not_to: UUID | None = None

    def frame(self) -> str:
        """The text frame of the socket."""
        return encode({"event": self.event, "data": self.data}).decode()


class Presence(msgspec.Struct, frozen=True, tag="presence"):
    """Somebody came to a conversation or went: whoever has it open is shown who is there."""

    conversation_id: UUID


class End(msgspec.Struct, frozen=True, tag="end"):
    """Close the sockets of a session, of a user, or (neither given) of the whole tenant."""

    code: int
    session: UUID | None = None
    user: UUID | None = None
    not_session: UUID | None = None


Word = Happened | Passing | Presence | End


def channel(tenant: UUID) -> str:
    """The Redis channel of a tenant's events."""
    return f"feed:{tenant}"


class Feed:
    """Appends in a transaction and publishes after it."""

    def __init__(self, redis: Redis, hearing: Hearing) -> None:
        self._redis, self._hearing = redis, hearing

    async def append(self, tx: Tx, events: Sequence[Event]) -> None:
        """Add the events, in this order, as the last statement before the commit: it locks the feed's head."""
        if not events:
            return
        texts = [encode(event.data).decode() for event in events]
        last = await tx.value(
            _sql.append,
            events=[event.event for event in events],
            conversations=[event.conversation_id for event in events],
            texts=texts,
        )
        first = last - len(events) + 1
        rows = [
            EventRow(first + place, event.event, event.conversation_id, text)
            for place, (event, text) in enumerate(zip(events, texts, strict=True))
        ]
        tx.after_commit(lambda: self.say(tx.tenant or PLATFORM, Happened(rows)))

    async def say(self, tenant: UUID, word: Word) -> None:
        """Tell every API process. Raises RedisError, OSError: kept events are caught up, the rest is lost.

        Whose right has ended is said even to a Redis that let the last word hang.
        """
        publish = partial(self._redis.publish, channel(tenant), encode(word))
        await (publish() if isinstance(word, End) else self._hearing.tell(publish))

    def end_sockets(self, tx: Tx, tenant: UUID, end: End) -> None:
        """Close sockets once the transaction that ended their right is durable."""
        tx.after_commit(lambda: self.say(tenant, end))


async def since(tx: Tx, seq: int, limit: int = 500) -> list[EventRow]:
    """Events after `seq`, oldest first."""
    return await tx.many(_sql.since, EventRow, seq=seq, max=limit)


async def places(tx: Tx, conversations: set[UUID]) -> dict[UUID, PlaceOfRow]:
    """Who has these conversations now."""
    rows = await tx.many(_sql.places, PlaceOfRow, conversations=list(conversations))
    return {row.id: row for row in rows}


async def head(tx: Tx) -> int:
    """The newest seq, 0 when nothing ever happened."""
    return await tx.value(_sql.head) or 0
