"""The sockets of this process, by tenant, and what keeps them up to date: Redis as a hint, the feed as the truth.

A tenant's events are numbered without gaps. The next number is passed on at once; a gap, a new subscription
(Redis was away) or a head that moved in silence is filled from the feed, so nothing is missed or reordered.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

import msgspec
from redis.exceptions import RedisError

from crm.core import feed, metrics, queue, sql
from crm.core.apart import apart
from crm.core.db import PLATFORM
from crm.core.errors import Problem
from crm.core.feed import COME_BACK, End, EventRow, Happened, Passing, PlaceOfRow, Presence
from crm.core.rails import Rails
from crm.core.rooms import Room, Socket
from crm.core.screens import Screens
from crm.core.viewers import AGAIN_EVERY

log = logging.getLogger(__name__)
_sql, _access = sql.load("feed"), sql.load("access")
_word = msgspec.json.Decoder(feed.Word)

WATCH_SECONDS = 2.0  # how late at most an event is that Redis lost
DEAF_SECONDS = 10.0  # so long without a word of Postgres, and this process is cut off: others may hear
_PLATFORM = feed.channel(PLATFORM)  # never empties the subscription, and tells when a super admin's right ends


class StillInRow(msgspec.Struct, frozen=True):
    """A session that may go on, and what its person sees now (as Socket.departments)."""

    id: UUID
    departments: list[UUID] | None

    def sees_as(self, departments: list[UUID] | None) -> bool:
        """Whether that is what these let see; in whatever order."""
        if self.departments is None or departments is None:
            return self.departments is departments
        return set(self.departments) == set(departments)


class Hub:
    """All rooms of the process, one Redis subscription, and the watch over both."""

    def __init__(self, rails: Rails) -> None:
        self._rails = rails
        self._rooms: dict[UUID, Room] = {}
        self._client = queue.connect(rails.settings.redis, timeout=None)
        self._pubsub = self._client.pubsub()
        self.screens = Screens(rails, self._guard)
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to listen and to watch."""
        self._spawn(self._listen())
        self._spawn(self._watch())

    async def stop(self) -> None:
        """Close every socket with 1012 (the server restarts) and stop listening."""
        self._close_all()
        await asyncio.sleep(0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(RedisError, OSError):
            await self._pubsub.aclose()  # type: ignore[no-untyped-call]
        await self._client.aclose()

    def _close_all(self) -> None:
        """Every person comes back, perhaps to another process."""
        for room in self._rooms.values():
            for socket in list(room.sockets):
                socket.close(COME_BACK)

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def enter(self, socket: Socket) -> Room:
        """Put a socket into its tenant's room: from the return on it hears its own end, the rest once it may."""
        room = self._rooms.setdefault(socket.tenant, Room(socket.tenant))
        async with room.ready:
            if room.last is None:
                with suppress(RedisError, OSError):
                    await self._pubsub.subscribe(feed.channel(socket.tenant))
                async with self._rails.db.tenant(socket.tenant) as tx:
                    room.last = await feed.head(tx)
        self._rooms[socket.tenant] = room
        room.sockets.add(socket)
        metrics.sockets.inc()
        return room

    async def leave(self, socket: Socket) -> None:
        """Take a socket out; the last one of a tenant ends the subscription."""
        room = self._rooms.get(socket.tenant)
        if room is None or socket not in room.sockets:
            return
        room.sockets.discard(socket)
        for conversation in list(socket.joined):
            await self.screens.close(socket, room, conversation)
        metrics.sockets.dec()
        if not room.sockets and not room.ready.locked() and self._rooms.get(socket.tenant) is room:
            del self._rooms[socket.tenant]
            with suppress(RedisError, OSError):
                await self._pubsub.unsubscribe(feed.channel(socket.tenant))

    def of_user(self, tenant: UUID, user: UUID) -> int:
        """How many sockets a person has open here."""
        room = self._rooms.get(tenant)
        return sum(socket.user == user for socket in room.sockets) if room else 0

    async def replay(self, socket: Socket, room: Room, since: int) -> bool:
        """Send a socket everything after `since`, then go on live; False when the feed no longer has it all."""
        socket.replaying = True
        try:
            await self._catch_up(room)  # what this process has not heard yet is no future
            while since != (room.last or 0):
                async with self._rails.db.tenant(socket.tenant) as tx:
                    events = await feed.since(tx, since)
                told = [event for event in events if event.seq <= (room.last or 0)]  # the others come live
                if not told or told[0].seq != since + 1:
                    return False
                places = await self._places(room, told) if socket.departments is not None else {}
                for event in told:
                    socket.show(event, places)
                socket.last = since = told[-1].seq
                await socket.drained()
            return True
        finally:
            socket.replaying = False

    async def _listen(self) -> None:
        while True:
            try:
                channels = [feed.channel(tenant) for tenant in self._rooms]
                await self._pubsub.subscribe(_PLATFORM, *channels)
                async for message in self._pubsub.listen():
                    with apart("feed"):
                        self._heard(message)
            except (RedisError, OSError) as error:
                log.warning("Redis does not answer; the feed is read instead", extra={"why": type(error).__name__})
                await asyncio.sleep(0.5)

    def _heard(self, message: dict[str, Any]) -> None:
        tenant = UUID(message["channel"].decode().removeprefix("feed:"))
        rooms = (
            list(self._rooms.values())
            if tenant == PLATFORM
            else [room for room in [self._rooms.get(tenant)] if room]
        )
        for room in rooms:
            if message["type"] == "subscribe":
                self._spawn(self._catch_up(room))
                self._spawn(self._look_again(room))
            elif message["type"] == "message":
                self._told(room, message["data"])

    def _told(self, room: Room, data: bytes) -> None:
        try:
            word = _word.decode(data)
        except msgspec.MsgspecError:
            log.warning("a word of the feed is not understood; the feed is read instead")
            return
        if isinstance(word, Passing):
            room.pass_on(word)
        elif isinstance(word, Presence):
            if room.viewers(word.conversation_id):
                self._spawn(self.screens.look(room, word.conversation_id))
        elif isinstance(word, End):
            room.end(word)
        elif isinstance(word, Happened) and not room.tell(word.events):
            self._spawn(self._catch_up(room))
        self._guard(room)

    def _guard(self, room: Room) -> None:
        if room.guarded and not room.guarding:
            room.guarding = True
            self._spawn(self._let_in(room))

    async def _let_in(self, room: Room) -> None:
        """Show to restricted sockets what waits, by who has the conversations at this moment, in order."""
        shown = False
        with apart("sight", room.tenant):
            while room.guarded:
                waiting, room.guarded = room.guarded, []
                places = await self._places(room, waiting)
                room.let_in([self.screens.newest(item) for item in waiting], places)
                for socket, conversation in room.out_of_sight(waiting, places):
                    await self.screens.close(socket, room, conversation)
            shown = True
        room.guarding = False
        if not shown:  # what waited is lost here: they come back for it
            room.guarded.clear()
            room.turn_away(COME_BACK)

    async def _places(self, room: Room, told: Sequence[EventRow | Passing]) -> dict[UUID, PlaceOfRow]:
        conversations = {item.conversation_id for item in told if item.conversation_id is not None}
        async with self._rails.db.tenant(room.tenant) as tx:
            return await feed.places(tx, conversations)

    async def _catch_up(self, room: Room) -> None:
        """Read from the feed what was not heard. One reader at a time; the next finds it done."""
        async with room.catching_up:
            try:
                while room.last is not None:
                    async with self._rails.db.tenant(room.tenant) as tx:
                        events = await feed.since(tx, room.last)
                    missed = [event for event in events if event.seq > room.last]
                    if not missed:
                        return
                    metrics.caught_up.inc(len(missed))
                    room.last = max(room.last, missed[0].seq - 1)  # older ones are forgotten: never wait for them
                    room.tell(missed)
                    self._guard(room)
            except Problem:
                log.warning("the feed cannot be read now", extra={"tenantId": str(room.tenant)})

    async def _look_again(self, room: Room) -> None:
        """Close the sockets of sessions that ended while Redis was away to tell of it.

        And of people who see other conversations than they did: these come back.
        """
        own = {socket: socket.session for socket in room.sockets if not socket.visiting}
        if not own:
            return
        try:
            async with self._rails.db.tenant(room.tenant) as tx:
                rows = await tx.many(_access.still_in, StillInRow, sessions=list(own.values()))
        except Problem:
            return  # their tokens end within fifteen minutes
        still_in = {row.id: row for row in rows}
        for socket, session in own.items():
            if (row := still_in.get(session)) is None:
                socket.close(4401)
            elif socket.hears and not row.sees_as(socket.departments):
                socket.close(COME_BACK)

    async def _watch(self) -> None:
        """Look for heads that moved in silence, and for peers that stopped reading."""
        said = heard = time.monotonic()
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if time.monotonic() - said > AGAIN_EVERY:
                said = time.monotonic()
                self._spawn(self.screens.say_again(list(self._rooms.values())))
            with apart("watch"):
                for room in self._rooms.values():
                    for socket in room.sockets:
                        socket.drop_if_stuck()
                await self._compare_heads()
                heard = time.monotonic()
            if time.monotonic() - heard > DEAF_SECONDS:
                self._close_all()

    async def _compare_heads(self) -> None:
        if not self._rooms:
            return
        async with self._rails.db.system(alone=True) as tx:
            heads = await tx.many(_sql.heads, feed.HeadRow, tenants=list(self._rooms))
        for head in heads:
            room = self._rooms.get(head.tenant_id)
            if room is not None and room.last is not None and head.seq > room.last:
                self._spawn(self._catch_up(room))
