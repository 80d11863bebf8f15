"""Who has a conversation open, on the screens of this process: each is shown what was read of it last."""

from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

from redis.exceptions import RedisError

from crm.core.feed import EventRow, Passing, Presence
from crm.core.rails import Rails
from crm.core.rooms import Room, Socket
from crm.core.viewers import Viewer, Viewers


class Screens:
    """What each room was shown of who has what open. `guard` is called when restricted sockets wait for a word."""

    def __init__(self, rails: Rails, guard: Callable[[Room], None]) -> None:
        self._feed, self._viewers, self._guard = rails.feed, Viewers(rails.redis), guard
        self._readings = 0
        self._shown: dict[UUID, tuple[int, list[Viewer]]] = {}  # with the number of the reading

    async def open(self, socket: Socket, room: Room, conversation: UUID) -> None:
        """Its person has the conversation open: say to them who is there, and to the others that somebody came."""
        known = room.has_open(socket.user, conversation)
        socket.joined.add(conversation)
        there = await self.look(room, conversation, but=socket)
        socket.say("conversation:joined", {"conversationId": conversation, "viewers": there})
        if not known:
            await self._tell(room, conversation)

    async def close(self, socket: Socket, room: Room, conversation: UUID) -> None:
        """Its person has it open no more, unless on another screen."""
        socket.joined.discard(conversation)
        if room.has_open(socket.user, conversation):
            return
        with suppress(RedisError, OSError):
            await self._viewers.gone(room.tenant, conversation, socket.user)
        if room.viewers(conversation):
            await self.look(room, conversation)
        await self._tell(room, conversation)

    async def _tell(self, room: Room, conversation: UUID) -> None:
        with suppress(RedisError, OSError):
            await self._feed.say(room.tenant, Presence(conversation))

    async def look(self, room: Room, conversation: UUID, but: Socket | None = None) -> list[Viewer]:
        """Who has it open anywhere; all here who have (`but` the one who is told anyhow) are shown what is new.

        What counts is the reading that began last: who comes or goes tells so afterwards, so that one has it all.
        """
        self._readings += 1
        reading, there = self._readings, await self._read(room, conversation)
        last, shown = self._shown.get(conversation, (0, []))
        if reading < last:
            return shown
        self._shown[conversation] = reading, there
        if set(there) != set(shown):
            room.pass_on(_presence(conversation, there), but)
            self._guard(room)
        return there

    async def _read(self, room: Room, conversation: UUID) -> list[Viewer]:
        """Say again who has it open here. Who has it open anywhere, or here while Redis does not answer."""
        there = here = room.viewers(conversation)
        with suppress(RedisError, OSError):
            there = await self._viewers.here(room.tenant, conversation, here)
            for viewer in set(here) - set(room.viewers(conversation)):  # went, perhaps before that was written
                await self._viewers.gone(room.tenant, conversation, viewer.user_id)
                await self._tell(room, conversation)
        return there

    async def say_again(self, rooms: list[Room]) -> None:
        """Say again who has what open; show who is there no more, or again: Redis or a process died."""
        for room in rooms:
            for conversation in room.joined():
                await self.look(room, conversation)
        joined = {conversation for room in rooms for conversation in room.joined()}
        self._shown = {key: value for key, value in self._shown.items() if key in joined}

    def newest(self, item: EventRow | Passing) -> EventRow | Passing:
        """Who is there may be known better since it waits."""
        if not isinstance(item, Passing) or item.event != "presence" or item.conversation_id not in self._shown:
            return item
        return _presence(item.conversation_id, self._shown[item.conversation_id][1])


def _presence(conversation: UUID, there: list[Viewer]) -> Passing:
    return Passing("presence", conversation, {"conversationId": conversation, "viewers": there})
