"""The drain: raw events that wait become messages, statuses and changes, each hotel's part in a transaction."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from crm import changes, channels, contacts, dead_letters, envelope, media, messages
from crm.channels import RouteRow
from crm.core import metrics, payload, sql
from crm.core.apart import apart
from crm.core.errors import Unavailable
from crm.core.feed import Event
from crm.core.rails import Rails
from crm.core.tx import Tx
from crm.envelope import Element, Parts

log = logging.getLogger(__name__)
_sql = sql.load("inbound")

BATCH, BATCH_BYTES = 500, 512 * 1024  # raw events per turn, and bytes of one lane in it
REST_SECONDS = 1.0  # between two tries of a lane whose hotel could not be worked
MANY, GATHER_SECONDS = 16, 0.1  # after a turn of so many raw events, how long the next ones gather
_UNHOLDABLE = 100_000  # characters kept of a poisoned element that JSON cannot hold
_TENANTS = 4  # tenants worked at once: 2,009 messages/s against 1,168 one after another


class WebhookRow(msgspec.Struct, frozen=True):
    """A raw event as stored; `more` says that its lane held more than its share of a turn."""

    received_at: datetime
    id: UUID
    lane: str
    body: bytes
    signed_by: UUID | None
    more: bool


class Dead(msgspec.Struct, frozen=True):
    """An element that could not be worked, and why."""

    tenant: UUID
    element: Element
    error: Exception


class Turn(msgspec.Struct, frozen=True):
    """How many events a turn worked, the lanes of those that wait again, and what the next turn does.

    `gathers`: it lets some more come first. `behind`: some lane held more than its share, so a backlog may wait.
    """

    worked: int
    held: set[str]
    gathers: bool = False
    behind: bool = False


class Drain:
    """Works raw events in turns. A lane whose hotel cannot be worked now goes aside and holds up no other."""

    def __init__(self, rails: Rails) -> None:
        self._rails = rails
        self._aside: dict[str, asyncio.Task[None]] = {}

    async def run(self, go_on: Callable[[], bool] = lambda: True) -> None:
        """Work raw events until none waits that may be worked, or `go_on` says no. Raises Unavailable."""
        turn = Turn(0, set())
        while go_on():
            turn = await work(self._rails, but=[*self._aside], behind=turn.behind)
            for lane in turn.held - self._aside.keys():
                log.warning("a hotel cannot be worked now: its lane goes on by itself", extra={"lane": lane})
                self._aside[lane] = asyncio.create_task(self._by_itself(lane, go_on))
            if not turn.worked:
                return
            if turn.gathers:
                await asyncio.sleep(GATHER_SECONDS)

    async def _by_itself(self, lane: str, go_on: Callable[[], bool]) -> None:
        try:
            with apart("drain"):
                turn = Turn(0, {lane})
                while go_on() and (turn.worked or turn.held):
                    await asyncio.sleep(REST_SECONDS if turn.held else 0)
                    turn = await work(self._rails, one=lane, behind=turn.behind)
        finally:
            del self._aside[lane]

    async def close(self, seconds: float) -> None:
        """Wait for the lanes aside, then give them up: their events are still there."""
        if self._aside:
            _, late = await asyncio.wait(self._aside.values(), timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


async def work(rails: Rails, one: str | None = None, but: list[str] | None = None, behind: bool = False) -> Turn:
    """One turn: take a batch (of one lane, or of all but some), sort it by tenant, apply each tenant's part.

    `behind` plans the taking for what waits now: the plan that is kept may be of a time when nothing did.

    What is taken waits again when this transaction does not commit, so a worker killed here holds nothing back;
    and so does what holds an element of a tenant that cannot be worked now. What had been committed of it by then
    is found again by its wamid and changes nothing. Raises Unavailable.
    """
    async with rails.db.system() as tx:
        if behind:
            await tx.plan_anew()
        events = await tx.many(_sql.claim, WebhookRow, max=BATCH, bytes=BATCH_BYTES, one=one, but=but or [])
        if not events:
            return Turn(0, set())
        named = [(event, await _elements(tx, event)) for event in events]
        routes = await _routes(tx, [element for _, parts in named for element in parts])
        found = _sorted(named, routes)
        dead, held = await _apply_all(rails, found.parts)
        for letter in dead:
            metrics.elements.labels("dead").inc()
            await _bury(tx, letter)
        again = {event for tenant in held for event in found.events[tenant]}
        await _note(tx, events, found.ignored, again)
    now = datetime.now(UTC)
    for event in events:
        if event.id not in again:
            metrics.lag.observe(max(0.0, (now - event.received_at).total_seconds()))
    more = sum(event.more for event in events)
    # So many come that a hotel's next ones had better be worked together; not while a backlog waits.
    gathers = len(events) >= MANY and 2 * more < len(events)
    lanes = {event.lane for event in events if event.id in again}
    return Turn(len(events) - len(again), lanes, gathers, behind=more > 0)


class Routes:
    """Where elements lead: by the number they name, or, naming none, to whose account it is."""

    def __init__(self, rows: list[RouteRow]) -> None:
        self._numbers = {row.phone_number_id: row for row in rows}
        self._accounts: dict[str, dict[UUID, RouteRow]] = {}
        for row in sorted(rows, key=lambda row: row.id):
            self._accounts.setdefault(row.waba_id, {}).setdefault(row.tenant_id, row)

    def of(self, element: Element, signed_by: UUID | None) -> list[RouteRow]:
        """The channels an element is for, none when it is nobody's; what a tenant signed is for it alone."""
        named = self._numbers.get(element.number)
        if element.number:
            found = [named] if named and named.waba_id == element.account else []
        else:
            found = self._holders(element.account, signed_by) if element.kind == "change" else []
        return [row for row in found if signed_by in (None, row.tenant_id)]

    def _holders(self, account: str, signed_by: UUID | None) -> list[RouteRow]:
        """Who has shown that it is theirs, else who named it first: to write its id into a form shows nothing.

        Who signed with a secret of their own is told what they signed.
        """
        rows = [*self._accounts.get(account, {}).values()]
        return rows if signed_by else [row for row in rows if row.shown] or rows[:1]


async def _routes(tx: Tx, elements: list[Element]) -> Routes:
    numbers = {element.number for element in elements if element.kind != "other"}
    accounts = {element.account for element in elements if element.kind == "change" and not element.number}
    return Routes(await channels.routes_of(tx, numbers, accounts))


class Sorted(msgspec.Struct, frozen=True):
    """What a turn holds: elements and events by tenant, and how many elements of each event are ignored."""

    parts: dict[UUID, Parts] = {}
    events: dict[UUID, set[UUID]] = {}
    ignored: dict[UUID, int] = {}


def _sorted(named: list[tuple[WebhookRow, list[Element]]], routes: Routes) -> Sorted:
    """Where all of it leads: never a fallback to somebody's channel."""
    found = Sorted()
    for event, elements in named:
        for element in elements:
            if element.kind == "other":
                metrics.elements.labels("other").inc()
                continue
            led = routes.of(element, event.signed_by)
            for route in led:
                found.parts.setdefault(route.tenant_id, []).append((element, route.id))
                found.events.setdefault(route.tenant_id, set()).add(event.id)
            if not led:
                found.ignored[event.id] = found.ignored.get(event.id, 0) + 1
                metrics.elements.labels("ignored").inc()
    return found


async def _elements(tx: Tx, event: WebhookRow) -> list[Element]:
    """What the event holds; one that cannot be read at all is buried whole, and holds up nobody."""
    try:
        return list(envelope.elements(payload.read(event.body)))
    except Exception as error:
        item = {"eventId": str(event.id), "receivedAt": event.received_at.isoformat()}
        await dead_letters.bury(tx, event.signed_by, dead_letters.EVENT, str(event.id), item, _told(error))
        return []


async def _note(tx: Tx, events: list[WebhookRow], ignored: dict[UUID, int], again: set[UUID]) -> None:
    """Note what led nowhere, and let wait again what could not be worked."""
    if again:
        waits = [event for event in events if event.id in again]
        await tx.none(
            _sql.put_back, times=[event.received_at for event in waits], ids=[event.id for event in waits]
        )
    left = [event for event in events if event.id in ignored]
    if left:
        await tx.none(
            _sql.ignored,
            times=[event.received_at for event in left],
            ids=[event.id for event in left],
            counts=[ignored[event.id] for event in left],
        )


async def _apply_all(rails: Rails, by_tenant: dict[UUID, Parts]) -> tuple[list[Dead], list[UUID]]:
    """Every tenant's part, a few tenants at a time; what is dead of them, and who could not be worked now.

    All end before that is told, so that nothing goes on behind the claim's transaction.
    """
    room = asyncio.Semaphore(_TENANTS)

    async def work(tenant: UUID, parts: Parts) -> list[Dead]:
        async with room:
            return await _apply(rails, tenant, parts)

    ended = await asyncio.gather(*(work(*item) for item in by_tenant.items()), return_exceptions=True)
    dead: list[Dead] = []
    for end in ended:
        if isinstance(end, BaseException) and not isinstance(end, Unavailable):
            raise end
        dead += [] if isinstance(end, BaseException) else end
    return dead, [who for who, end in zip(by_tenant, ended, strict=True) if isinstance(end, Unavailable)]


async def _apply(rails: Rails, tenant: UUID, parts: Parts) -> list[Dead]:
    """A tenant's part in one transaction; if anything in it is poisoned, one by one, naming the bad ones."""
    try:
        await _apply_together(rails, tenant, parts)
        return []
    except Unavailable:
        raise
    except Exception:  # whatever it is, it must not hold up the others for ever
        log.warning("a batch is poisoned: one by one", extra={"tenantId": str(tenant), "elements": len(parts)})
    bad: list[Dead] = []
    for element, channel in parts:
        try:
            await _apply_together(rails, tenant, [(element, channel)])
        except Unavailable:
            raise
        except Exception as error:
            bad.append(Dead(tenant, element, error))
    return bad


async def _apply_together(rails: Rails, tenant: UUID, parts: Parts) -> None:
    inbound = [envelope.inbound(element, channel) for element, channel in parts if element.kind == "message"]
    reports = [envelope.advance(element) for element, _ in parts if element.kind == "status"]
    changed = [envelope.change(element, channel) for element, channel in parts if element.kind == "change"]
    async with rails.db.tenant(tenant) as tx:
        # Locks are taken in one order: the tenant's door, media, messages, conversations, the feed's head.
        await contacts.hold(tx)
        inbound = await media.attach(tx, inbound)
        await messages.aim(tx, inbound, reports)
        done = await changes.apply(tx, changed)
        risen = await messages.advance(tx, reports)
        risen += await messages.learn(tx, reports)
        done += await contacts.opt_out(tx, await messages.opted_out(tx, risen))
        arrived: list[Event] = await messages.receive(tx, inbound)
        heard = await channels.hear(tx, envelope.sounds(parts, inbound, reports))
        await rails.feed.append(tx, [*done, *arrived, *risen, *heard])
    metrics.elements.labels("status").inc(len(reports))
    told = sum(event.event == "message:new" for event in arrived)
    metrics.elements.labels("message").inc(told)
    metrics.elements.labels("silent or replay").inc(len(inbound) - told)


async def _bury(tx: Tx, dead: Dead) -> None:
    """Keep it whole; what not even a dead letter can hold, as a text: it must not hold up its lane for ever."""
    kind, about, item = envelope.letter(dead.element)
    try:
        async with tx.savepoint():
            await dead_letters.bury(tx, dead.tenant, kind, about, item, _told(dead.error))
    except Unavailable:
        raise
    except Exception as error:
        text = ascii(item)[:_UNHOLDABLE]
        await dead_letters.bury(tx, dead.tenant, kind, about, {"text": text}, _told(error))


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
