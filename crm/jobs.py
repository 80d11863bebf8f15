"""What waits, who works, what died, and putting it back into the river: doors of the platform and of hotels."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import msgspec

from crm import audit, dead_letters, envelope, intake, messages
from crm.core import sql
from crm.core.access import SUPER_ADMIN, TENANT_ADMIN
from crm.core.db import PLATFORM
from crm.core.errors import Conflict, NotFound, invalid
from crm.core.fields import Moment, zoned
from crm.core.http import Call, Door
from crm.core.page import Page, Stamp, stamp, turned
from crm.core.tx import Tx
from crm.dead_letters import LetterOut, LetterQuery, LetterRow
from crm.intake import Post
from crm.messages import WAITING_NAMES, WaitingSendsRow

_sql, _inbound, _sends = sql.load("jobs"), sql.load("inbound"), sql.load("sends")

REPLAYED_AT_ONCE = 50_000  # raw events put back by one call; `next` says where to go on


class WaitingRow(msgspec.Struct, frozen=True, rename=WAITING_NAMES):
    """Raw events that wait in a lane (a phone number id): whose, how many, for how many seconds the oldest."""

    tenant_id: UUID | None
    slug: str | None
    lane: str
    rows: int
    oldest: float


class WorkerRow(msgspec.Struct, frozen=True):
    """A worker as stored: how many lanes it works on, and for how many seconds it has been silent."""

    id: UUID
    host: str
    pid: int
    started_at: datetime
    lanes: int
    silent: float


class WorkerOut(msgspec.Struct, frozen=True, rename="camel"):
    """A worker as it is shown; one that is well speaks every five seconds."""

    id: UUID
    host: str
    pid: int
    started_at: Stamp
    lanes: int
    silent_seconds: float


class Jobs(msgspec.Struct, frozen=True, rename="camel"):
    """What waits, by tenant, the longest first; and who works."""

    inbound: list[WaitingRow]
    outbound: list[WaitingSendsRow]
    scheduled: int
    uncertain: int
    dead_letters: int
    workers: list[WorkerOut]


class StandingSendsRow(msgspec.Struct, frozen=True):
    """Sends that wait for their time, and sends whose end nobody knows."""

    scheduled: int
    uncertain: int


class AllLettersQuery(LetterQuery, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """Which letters, of which tenant."""

    tenant_id: UUID | None = None


class Replay(
    msgspec.Struct, frozen=True, rename={"since": "from", "until": "to", "tenant_id": "tenantId"},
    forbid_unknown_fields=True,
):  # fmt: skip
    """Raw events to work again: one by `id`, or those with `from` <= received < `to`, of all or of one tenant."""

    since: Moment | None = None
    until: Moment | None = None
    id: UUID | None = None
    tenant_id: UUID | None = None


class ReplayedRow(msgspec.Struct, frozen=True):
    """How many raw events were put back, and when the last of them came."""

    replayed: int
    last: datetime | None


class Replayed(msgspec.Struct, frozen=True):
    """How many raw events wait again; `next` is the `from` to go on with when there were more."""

    replayed: int
    next: Stamp | None


async def jobs(call: Call) -> Jobs:
    """The rivers at this moment."""
    tx = call.tx
    standing = await tx.one(_sql.standing, StandingSendsRow)
    workers = await tx.many(_sql.workers, WorkerRow)
    return Jobs(
        inbound=await tx.many(_inbound.waiting, WaitingRow),
        outbound=await tx.many(_sends.waiting, WaitingSendsRow),
        scheduled=standing.scheduled,
        uncertain=standing.uncertain,
        dead_letters=await tx.value(_sql.letters_total, status="WAITING", tenant=None),
        workers=[
            WorkerOut(row.id, row.host, row.pid, stamp(row.started_at), row.lanes, row.silent) for row in workers
        ],
    )


async def letters(call: Call) -> Page[LetterOut]:
    """Every tenant's dead letters, newest first, without what they say: that is the tenant's."""
    query: AllLettersQuery = call.query
    before, before_id = query.start
    which: dict[str, Any] = {"status": query.status, "tenant": query.tenant_id}
    rows = await call.tx.many(
        _sql.letters,
        LetterRow,
        before=before,
        before_id=before_id,
        skip=query.skip,
        max=query.limit + 1,
        **which,
    )
    total = None if query.cursor else await call.tx.value(_sql.letters_total, **which)
    show = partial(dead_letters.shown, whole=False)
    return turned(query, rows, total, show, lambda row: (row.created_at, row.id))


async def retry(call: Call) -> LetterOut:
    """Put the hotel's letter back into the river it died in. Raises NotFound, Conflict, WindowClosed."""
    return await _retry(call, call.tx)


async def retry_any(call: Call) -> LetterOut:
    """The same for a letter of any tenant. Raises NotFound, Conflict, WindowClosed."""
    tenant = await _owner(call)
    async with call.rails.db.tenant(tenant) as tx:
        return await _retry(call, tx)


async def discard_any(call: Call) -> LetterOut:
    """A letter of any tenant is of no use to anybody. Raises NotFound, Conflict."""
    tenant = await _owner(call)
    async with call.rails.db.tenant(tenant) as tx:
        return await dead_letters.end(call, tx, call.id(), "DISCARDED")


async def _owner(call: Call) -> UUID:
    """Whose letter it is; opening the transaction checks the caller. Raises NotFound."""
    async with call.rails.db.system(call.who.home, call.who.caller) as tx:
        tenant = await tx.value(_sql.tenant_of_letter, id=call.id())
    if not isinstance(tenant, UUID):
        raise NotFound
    return tenant


async def _retry(call: Call, tx: Tx) -> LetterOut:
    """An arrival is stored as a raw event before its letter ends: killed between, it is only worked twice."""
    letter = await dead_letters.hold(tx, call.id())
    if letter.kind == dead_letters.SEND:
        ended = await dead_letters.end(call, tx, letter.id, "RETRIED")
        await messages.send_again(call.rails, tx, UUID(letter.about), call.who.user)
        return ended
    if letter.kind == dead_letters.EVENT:
        async with call.rails.db.system() as system:
            await _replay(system, Replay(id=UUID(letter.about)))
    elif "node" not in letter.item:
        raise Conflict("Não dá para repor: só restou o texto.", "It cannot be put back: only its text is left.")
    else:
        signer = None if letter.tenant_id == PLATFORM else letter.tenant_id
        body = envelope.posted(letter.item)
        await intake.write(call.rails, [Post(body, signer, envelope.lane(msgspec.json.decode(body)))])
    tx.after_commit(call.rails.wake.drain)
    return await dead_letters.end(call, tx, letter.id, "RETRIED")


async def replay(call: Call) -> Replayed:
    """Work raw events again: what is there already changes nothing. Raises NotFound, ValidationFailed."""
    asked: Replay = call.body
    if asked.id is None and (asked.since is None or asked.until is None):
        raise invalid("/from", "diga from e to, ou id", "give from and to, or id")
    zoned(asked.since, "/from")
    zoned(asked.until, "/to")
    done = await _replay(call.tx, asked)
    if asked.id is not None and not done.replayed:
        raise NotFound
    told = {name: str(value) for name, value in msgspec.to_builtins(asked).items() if value is not None}
    await audit.note(call, call.tx, "webhook_events.replayed", asked.tenant_id, **told, count=done.replayed)
    call.tx.after_commit(call.rails.wake.drain)
    more = done.replayed >= REPLAYED_AT_ONCE and done.last is not None
    return Replayed(done.replayed, stamp(done.last) if more and done.last else None)


async def _replay(tx: Tx, asked: Replay) -> ReplayedRow:
    since, until = asked.since, asked.until
    if asked.id is not None:
        made = _made(asked.id)
        since, until = made - timedelta(minutes=1), made + timedelta(minutes=1)
    which = {"since": since, "until": until, "id": asked.id, "tenant": asked.tenant_id}
    return await tx.one(_sql.replay, ReplayedRow, max=REPLAYED_AT_ONCE, **which)


def _made(event: UUID) -> datetime:
    """When an event's id (UUIDv7: milliseconds in its first 48 bits) was made, and so its day. Raises NotFound."""
    try:
        return datetime.fromtimestamp((event.int >> 80) / 1000, UTC)
    except (ValueError, OverflowError) as error:
        raise NotFound from error


routes = [
    Door(method="GET", path="/api/admin/jobs", handler=jobs, role=SUPER_ADMIN, answer=Jobs),
    Door(
        method="GET",
        path="/api/admin/dead-letters",
        handler=letters,
        role=SUPER_ADMIN,
        query=AllLettersQuery,
        answer=Page[LetterOut],
    ),
    Door(
        method="POST",
        path="/api/admin/dead-letters/{id}/retry",
        handler=retry_any,
        role=SUPER_ADMIN,
        answer=LetterOut,
        own_tx=True,
    ),
    Door(
        method="POST",
        path="/api/admin/dead-letters/{id}/discard",
        handler=discard_any,
        role=SUPER_ADMIN,
        answer=LetterOut,
        own_tx=True,
    ),
    Door(
        method="POST",
        path="/api/admin/webhook-events/replay",
        handler=replay,
        role=SUPER_ADMIN,
        body=Replay,
        answer=Replayed,
    ),
    Door(method="POST", path="/api/dead-letters/{id}/retry", handler=retry, role=TENANT_ADMIN, answer=LetterOut),
]
