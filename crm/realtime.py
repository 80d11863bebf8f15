"""The WebSocket (contract, section 8): sign in, follow the tenant's events, join conversations, type, resume."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast
from uuid import UUID

import msgspec
from redis.exceptions import RedisError
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from crm import conversations
from crm.core import access, edge, sql
from crm.core.access import Who
from crm.core.errors import Forbidden, NotFound, Problem, TenantSuspended, Unavailable
from crm.core.feed import Passing
from crm.core.hub import Hub
from crm.core.rails import Rails
from crm.core.rooms import Room, Send, Socket

_sql = sql.load("realtime")

AUTH_SECONDS, FRAME_LIMIT = 5.0, 64 * 1024
SOCKETS_PER_USER, FRAMES_PER_SECOND = 50, 50
JOINED_LIMIT = 200  # conversations one socket has open
TYPING_SECONDS = 20  # between two typing indicators of one conversation
BAD_TOKEN, SUSPENDED, NO_AUTH, TOO_LARGE, TOO_MANY, RESTARTING = 4401, 4403, 4408, 4413, 4429, 1012


class Frame(msgspec.Struct, frozen=True):
    """What a client sends."""

    event: str
    data: Any = None


class ComerRow(msgspec.Struct, frozen=True):
    """Who comes in: the name (none: support staff), and of which departments it sees conversations."""

    name: str | None
    restricted: bool
    departments: list[UUID]


class Closed(Exception):
    """This socket is to be closed with this code."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(code)


class Visit:
    """One client's time on a socket."""

    def __init__(self, websocket: WebSocket, hub: Hub, socket: Socket, room: Room, who: Who) -> None:
        self.who = who
        self.rails: Rails = websocket.state.rails
        self.websocket, self.hub, self.socket, self.room = websocket, hub, socket, room
        self._english = edge.prefers_english(websocket.headers.get("accept-language", ""))
        self._second, self._frames = 0, 0

    async def read(self) -> None:
        """Answer frames until the client leaves. Raises Closed."""
        while True:
            frame = await _frame(self.websocket)
            self._count()
            try:
                handle = _EVENTS.get(frame.event)
                if handle is None:
                    name = frame.event[:40]
                    raise _refusal("unknown_event", f"evento desconhecido: {name}", f"unknown event: {name}")
                await handle(self, frame.data)
            except Problem as problem:
                detail = problem.en if self._english else problem.pt
                self.socket.say("error", {"code": problem.code, "detail": detail})

    def _count(self) -> None:
        second = int(time.monotonic())
        self._second, self._frames = second, (self._frames + 1 if second == self._second else 1)
        if self._frames > FRAMES_PER_SECOND:
            raise Closed(TOO_MANY)

    async def join(self, data: Any) -> None:
        """Follow the typing of a conversation. Raises NotFound when the caller may not see it."""
        conversation = _conversation(data)
        if len(self.socket.joined) >= JOINED_LIMIT:
            pt = f"no máximo {JOINED_LIMIT} conversas abertas por conexão"
            raise _refusal("validation_failed", pt, f"at most {JOINED_LIMIT} open conversations per connection")
        async with self.rails.db.tenant(self.socket.tenant, self.who.caller) as tx:
            await conversations.found(tx, conversation)
        await self.hub.screens.open(self.socket, self.room, conversation)

    async def leave(self, data: Any) -> None:
        """Follow it no more."""
        conversation = _conversation(data)
        if conversation in self.socket.joined:
            await self.hub.screens.close(self.socket, self.room, conversation)

    async def typing(self, data: Any) -> None:
        """Tell the others in the conversation. Raises NotFound unless it was joined."""
        conversation = _conversation(data)
        if conversation not in self.socket.joined:
            raise NotFound("Entre na conversa primeiro.", "Join the conversation first.")
        typing = data.get("typing", True) if isinstance(data, dict) else True
        if not isinstance(typing, bool):
            raise _refusal("validation_failed", "typing: true ou false", "typing: true or false")
        told = {
            "conversationId": conversation,
            "userId": self.socket.user,
            "name": self.socket.name,
            "typing": typing,
        }
        word = Passing("user:typing", conversation, told, not_to=self.socket.user)
        with suppress(RedisError, OSError):
            await self.rails.feed.say(self.socket.tenant, word)
            if typing:
                await self._show_typing(conversation)

    async def _show_typing(self, conversation: UUID) -> None:
        """The customer sees it too, told once in a while: it stands at Meta for 25 seconds."""
        first = await self.rails.redis.set(f"crm:typing:{conversation}", 1, nx=True, ex=TYPING_SECONDS)
        if first:
            await self.rails.wake.typing(self.socket.tenant, conversation)

    async def resume(self, data: Any) -> None:
        """Replay what came after a seq, or say that everything is to be read anew."""
        since = data.get("since") if isinstance(data, dict) else None
        if isinstance(since, bool) or not isinstance(since, int) or not 0 <= since < 2**63:
            raise _refusal("validation_failed", "since: número inteiro", "since: a whole number")
        if not await self.hub.replay(self.socket, self.room, since):
            self.socket.say("resync", {})

    async def auth(self, data: Any) -> None:
        """Stay with a fresh token of the same person. Raises Closed."""
        who = await _named(self.websocket, _token(data))
        if (who.user, who.tenant) != (self.socket.user, self.socket.tenant):
            raise Closed(BAD_TOKEN)
        _know(self.socket, await _comer(self.rails, who))
        self.socket.session, self.who = who.session, who
        expire(self.socket, who)

    async def ping(self, _data: Any) -> None:
        """Answer that we are here."""
        self.socket.say("pong", {})


_EVENTS: dict[str, Callable[[Visit, Any], Awaitable[None]]] = {
    "conversation:join": Visit.join,
    "conversation:leave": Visit.leave,
    "typing": Visit.typing,
    "resume": Visit.resume,
    "auth": Visit.auth,
    "ping": Visit.ping,
}


async def endpoint(websocket: WebSocket) -> None:
    """A socket from its handshake to its end."""
    if not _origin_allowed(websocket):
        answer = await edge.on_problem(websocket, Forbidden("Origem desconhecida.", "Unknown origin."))
        edge.dress(answer.headers, websocket.scope, websocket.headers)
        return await websocket.send_denial_response(answer)
    await websocket.accept()
    try:
        await _stay(websocket, await _signed_in(websocket))
    except Closed as closed:
        with suppress(RuntimeError, OSError):
            await websocket.close(closed.code)
    except WebSocketDisconnect:
        pass


async def _stay(websocket: WebSocket, who: Who) -> None:
    hub: Hub = websocket.state.hub
    assert who.tenant is not None
    socket = Socket(cast("Send", websocket._send), who, who.tenant)
    try:
        room = await hub.enter(socket)
    except Unavailable as error:
        raise Closed(RESTARTING) from error
    try:
        if hub.of_user(who.tenant, who.user) > SOCKETS_PER_USER:  # with this one: others may have come in meanwhile
            raise Closed(TOO_MANY)
        # Asked inside, where its end is heard: one that ended between the answer and the entry was let in.
        _know(socket, await _comer(websocket.state.rails, who))
        room.let_hear(socket)
        socket.say("ready", {"userId": who.user, "tenantId": who.tenant, "seq": room.last})
        expire(socket, who)
        await Visit(websocket, hub, socket, room, who).read()
    except Closed as closed:
        socket.close(closed.code)
        await socket.closed(2)
    except asyncio.CancelledError:
        if not socket.dropped:
            raise
    finally:
        if socket.expires:
            socket.expires.cancel()
        socket.stop()
        await hub.leave(socket)


def expire(socket: Socket, who: Who) -> None:
    """Close the socket when its token ends, unless it is renewed before."""
    if socket.expires:
        socket.expires.cancel()
    seconds = max(0.0, who.expires - time.time())
    socket.expires = asyncio.get_running_loop().call_later(seconds, socket.close, BAD_TOKEN)


def _origin_allowed(websocket: WebSocket) -> bool:
    """A browser must come from our own host or a configured frontend; others send no Origin."""
    origin = websocket.headers.get("origin")
    if origin is None:
        return True
    rails: Rails = websocket.state.rails
    return origin in rails.settings.origins or origin.partition("://")[2] == websocket.headers.get("host")


@contextmanager
def _closing() -> Iterator[None]:
    """What refuses somebody inside closes the socket. Raises Closed."""
    try:
        yield
    except TenantSuspended as error:
        raise Closed(SUSPENDED) from error
    except Unavailable as error:
        raise Closed(RESTARTING) from error
    except Problem as error:
        raise Closed(BAD_TOKEN) from error


async def _signed_in(websocket: WebSocket) -> Who:
    """The caller, by header or by the first frame; a super admin's visit is noted. Raises Closed."""
    rails: Rails = websocket.state.rails
    with _closing():
        token = access.bearer(websocket) if websocket.headers.get("authorization") else await _said(websocket)
        who = await _named(websocket, token)
        if who.visiting:
            ip = access.address(websocket, rails.settings.trusted_proxies)
            await access.note_visit(rails, who, "GET /ws", ip, websocket.scope["request_id"])
    return who


async def _said(websocket: WebSocket) -> str:
    """The token of the first frame. Raises Closed."""
    try:
        async with asyncio.timeout(AUTH_SECONDS):
            frame = await _frame(websocket)
    except TimeoutError as error:
        raise Closed(NO_AUTH) from error
    if frame.event != "auth":
        raise Closed(NO_AUTH)
    return _token(frame.data)


def _token(data: Any) -> str:
    token = data.get("token") if isinstance(data, dict) else None
    return token if isinstance(token, str) else ""


async def _named(websocket: WebSocket, token: str) -> Who:
    """Whom a token names, in the hotel that the handshake names. Sockets belong to hotels. Raises Closed."""
    rails: Rails = websocket.state.rails
    with _closing():
        who = await access.placed(websocket, rails, access.known(token, rails.settings.jwt_secret))
    if who.tenant is None:
        raise Closed(SUSPENDED)
    return who


def _know(socket: Socket, comer: ComerRow) -> None:
    """Its person's name and what it may see: decided at the entry, and again with each fresh token."""
    socket.name = comer.name or "Suporte"
    socket.departments = comer.departments if comer.restricted else None


async def _comer(rails: Rails, who: Who) -> ComerRow:
    """Who comes; the database checks session, person and tenant on the way. Raises Closed."""
    assert who.tenant is not None
    with _closing():
        async with rails.db.tenant(who.tenant, who.caller) as tx:
            return await tx.one(_sql.comer, ComerRow, id=who.user)


async def _frame(websocket: WebSocket) -> Frame:
    """The next text frame. Raises Closed (too large), WebSocketDisconnect."""
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1000))
    text = message.get("text") or ""
    if len(text.encode()) > FRAME_LIMIT or len(message.get("bytes") or b"") > FRAME_LIMIT:
        raise Closed(TOO_LARGE)
    try:
        return msgspec.json.decode(text, type=Frame)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return Frame("")


def _conversation(data: Any) -> UUID:
    """The id, alone or in an object: the present frontend sends both. Raises NotFound."""
    text = data.get("conversationId") if isinstance(data, dict) else data
    try:
        return UUID(text)
    except (ValueError, TypeError, AttributeError) as error:
        raise NotFound from error


def _refusal(code: str, pt: str, en: str) -> Problem:
    problem = Problem(pt, en)
    problem.code = code  # type: ignore[misc]
    return problem


routes = [WebSocketRoute("/ws", endpoint)]
