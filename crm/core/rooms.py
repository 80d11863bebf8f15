"""The open sockets of a tenant in this process: each with a bounded queue, all told the same in the same order."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Mapping
from typing import Any
from uuid import UUID

from crm.core import feed, metrics
from crm.core.access import Who
from crm.core.feed import GONE, End, EventRow, Passing, PlaceOfRow
from crm.core.viewers import Viewer

QUEUE_LIMIT = 512  # frames that may wait for one socket
BURST_SECONDS = 1.0  # unless it is behind for no longer: a commit may tell of more at once
STUCK_SECONDS = 5.0  # a write that takes longer: the reader is dropped
SLOW, GONE_AWAY = 1013, 1006

Send = Callable[[dict[str, Any]], Coroutine[Any, Any, None]]
Places = Mapping[UUID, PlaceOfRow]


class _Rest:
    """The rest of a coroutine that was begun outside of any task and now waits for `blocked`."""

    __slots__ = ("_begun", "_blocked")

    def __init__(self, begun: Coroutine[Any, Any, None], blocked: Any) -> None:
        self._begun, self._blocked = begun, blocked

    def __await__(self) -> Generator[Any, Any, None]:
        try:
            yield self._blocked
            yield from self._begun.__await__()
        finally:
            self._begun.close()


class Socket:
    """One open socket, written at once while its peer reads, else by a task out of a bounded queue.

    `send` is ASGI's. A frame to each of 500 sockets took 12.9 ms by their tasks and takes 9.9 at once. A task, a
    queue and an event that nothing waits in were 2.9 of a socket's 31.4 KB.
    """

    __slots__ = (
        "_behind_since", "_frames", "_send", "_writer", "closing", "departments", "dropped", "expires", "hears",
        "joined", "last", "name", "replaying", "session", "task", "tenant", "user", "visiting", "writing_since",
    )  # fmt: skip

    def __init__(self, send: Send, who: Who, tenant: UUID, name: str = "") -> None:
        self._send, self.tenant, self.name = send, tenant, name
        self.user, self.session, self.visiting = who.user, who.session, who.visiting
        self._frames: deque[dict[str, Any]] | None = None  # what waits until its reader has taken the one before
        self._writer: asyncio.Task[None] | None = None  # while something waits
        self._behind_since = 0.0
        self.joined: set[UUID] = set()
        self.departments: list[UUID] | None = None  # restricted to these, its own and nobody's; None: sees all
        self.hears = False  # not before it is known who it is
        self.last = 0  # the last event a restricted socket was shown
        self.closing: int | None = None
        self.writing_since: float | None = None
        self.dropped = False  # its handler was ended for it had stopped reading
        self.replaying = False
        self.expires: asyncio.TimerHandle | None = None
        self.task = asyncio.current_task()

    def push(self, frame: dict[str, Any]) -> None:
        """Write a frame, or queue it; a reader too slow for the queue is told to come back and resume."""
        if self.closing is not None:
            return
        if self._frames is None:
            self._write(frame)
        elif len(self._frames) < QUEUE_LIMIT or time.monotonic() - self._behind_since < BURST_SECONDS:
            self._frames.append(frame)
        else:
            self.close(SLOW)

    def _write(self, frame: dict[str, Any]) -> None:
        """Do the first step here; when that has to wait for the reader, a task does the rest."""
        writing = self._send(frame)
        try:
            blocked = writing.send(None)
        except StopIteration:
            return  # written
        except (OSError, RuntimeError, ValueError):
            # It is gone, or about to go; its handler learns of it by itself.
            self.closing = GONE_AWAY
            return
        self.writing_since = self._behind_since = time.monotonic()
        self._frames = deque()
        self._writer = asyncio.create_task(self._catch_up(_Rest(writing, blocked), self._frames))

    async def _catch_up(self, rest: _Rest, frames: deque[dict[str, Any]]) -> None:
        try:
            await rest
            while frames and self.closing is None:
                self.writing_since = time.monotonic()
                await self._send(frames.popleft())
            if self.closing is not None:
                await self._send(_close_frame(self.closing))
        except (OSError, RuntimeError):
            self.closing = GONE_AWAY
        finally:
            self.writing_since = self._writer = self._frames = None

    def _waited(self) -> float:
        """For how many seconds it has been writing one frame."""
        return 0.0 if self.writing_since is None else time.monotonic() - self.writing_since

    def sees(self, place: PlaceOfRow | None) -> bool:
        """Whether its person may see a conversation that is so placed (as the policy `sight` says it in SQL)."""
        if self.departments is None:
            return True
        if place is None:
            return False
        return place.assigned_to in (None, self.user) or place.department_id in self.departments

    def show(self, event: EventRow, places: Places) -> None:
        """Push an event if its person may see it, or one that says that a conversation is out of sight."""
        sees = event.conversation_id is None or self.sees(places.get(event.conversation_id))
        if sees is (event.event != GONE):
            self.push(text_frame(event.frame()))

    def say(self, event: str, data: object) -> None:
        """Queue a frame for this socket alone."""
        self.push(text_frame(feed.encode({"event": event, "data": data}).decode()))

    def close(self, code: int) -> None:
        """Close after what is being written now; what waits is not sent any more."""
        if self.closing is None:
            metrics.dropped.labels(str(code)).inc()
            if self._frames is None:
                self._write(_close_frame(code))
            self.closing = code

    async def drained(self) -> None:
        """Return once nothing waits; a reader that has stopped is dropped by the watch meanwhile."""
        while self._writer is not None and self.closing is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async def closed(self, seconds: float) -> None:
        """Return once the closing is written, or after so long."""
        if self._writer is not None:
            await asyncio.wait({self._writer}, timeout=seconds)

    def stop(self) -> None:
        """Write nothing more."""
        if self._writer is not None:
            self._writer.cancel()

    def drop_if_stuck(self) -> None:
        """End the handler of a peer that has stopped reading: a close frame would wait behind the rest."""
        if self._waited() > STUCK_SECONDS and self.task:
            metrics.dropped.labels(str(SLOW)).inc()
            self.dropped = True
            self.task.cancel()


def _close_frame(code: int) -> dict[str, Any]:
    return {"type": "websocket.close", "code": code, "reason": ""}


def text_frame(text: str) -> dict[str, Any]:
    """A text as ASGI sends it."""
    return {"type": "websocket.send", "text": text}


class Room:
    """The sockets of one tenant in this process, and the last event they were told."""

    def __init__(self, tenant: UUID) -> None:
        self.tenant = tenant
        self.sockets: set[Socket] = set()
        self.last: int | None = None
        self.guarded: list[EventRow | Passing] = []  # what waits until it is known who may see it
        self.guarding = False
        self.catching_up = asyncio.Lock()
        self.ready = asyncio.Lock()

    def let_hear(self, socket: Socket) -> None:
        """From here on a socket of this room gets everything after `last`: it is known who it is."""
        socket.last, socket.hears = self.last or 0, True

    def tell(self, events: list[EventRow]) -> bool:
        """Pass on what comes next in order; False when something before it is missing."""
        for event in events:
            if self.last is None or event.seq <= self.last:
                continue
            if event.seq != self.last + 1:
                return False
            self.last = event.seq
            self._push(event)
        return True

    def _push(self, event: EventRow) -> None:
        """To whoever sees all; for the others it waits, in order."""
        frame, guarded = text_frame(event.frame()), False
        for socket in self.sockets:
            if socket.departments is not None:
                guarded = True
            elif socket.hears and not socket.replaying and event.event != GONE:
                socket.push(frame)
        if guarded:
            self.guarded.append(event)

    def pass_on(self, word: Passing, but: Socket | None = None) -> None:
        """A word for those who joined its conversation, except who said it, and `but` one socket."""
        frame, guarded = text_frame(word.frame()), False
        for socket in self.sockets:
            if word.conversation_id in socket.joined and socket.user != word.not_to and socket is not but:
                if socket.departments is None:
                    socket.push(frame)
                else:
                    guarded = True
        if guarded:
            self.guarded.append(word)

    def let_in(self, waiting: list[EventRow | Passing], places: Places) -> None:
        """Show what waited to the restricted sockets that may see it."""
        for socket in self.sockets:
            if socket.departments is None or socket.replaying:
                continue
            for item in waiting:
                if isinstance(item, EventRow):
                    if item.seq > socket.last:
                        socket.last = item.seq
                        socket.show(item, places)
                elif (
                    item.conversation_id in socket.joined
                    and socket.user != item.not_to
                    and socket.sees(places.get(item.conversation_id))
                ):
                    socket.push(text_frame(item.frame()))

    def out_of_sight(self, waiting: list[EventRow | Passing], places: Places) -> list[tuple[Socket, UUID]]:
        """The sockets, each with a conversation it has open, whose person may see that no more."""
        gone = {item.conversation_id for item in waiting if isinstance(item, EventRow) and item.event == GONE}
        return [(one, each) for one in self.sockets for each in one.joined & gone if not one.sees(places.get(each))]

    def joined(self) -> set[UUID]:
        """The conversations that somebody has open in this process."""
        return {conversation for socket in self.sockets for conversation in socket.joined}

    def viewers(self, conversation: UUID) -> list[Viewer]:
        """Who has a conversation open in this process, by name."""
        there = {Viewer(socket.user, socket.name) for socket in self.sockets if conversation in socket.joined}
        return sorted(there, key=lambda viewer: viewer.name)

    def has_open(self, user: UUID, conversation: UUID) -> bool:
        """Whether a person has it open on a screen of this process."""
        return any(conversation in socket.joined and socket.user == user for socket in self.sockets)

    def turn_away(self, code: int) -> None:
        """Close the restricted sockets: nobody can say what they may see."""
        for socket in list(self.sockets):
            if socket.departments is not None:
                socket.close(code)

    def end(self, word: End) -> None:
        """Close the sockets it names."""
        for socket in list(self.sockets):
            named = word.session in (None, socket.session) and word.user in (None, socket.user)
            if named and socket.session != word.not_session:
                socket.close(word.code)
