"""The states of a message going out: claimed, settled, raised by Meta's statuses (docs/states.md)."""

from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from crm import contacts, conversations
from crm.contacts import Choice
from crm.core import meta, sql
from crm.core.feed import Event
from crm.core.meta_errors import OPTED_OUT
from crm.core.tx import Tx
from crm.messages import marks
from crm.messages.shapes import Advance, AdvancedRow, ClaimedRow, LaneRow, ParkedRow, status_event

_sql, _sends = sql.load("messages"), sql.load("sends")

OFFER_SECONDS = 15 * 60  # how long Meta has to tell what became of a send, before people may decide
_UNKNOWN = "Nobody knows whether WhatsApp took this message"
UNCERTAIN = meta.told(None, _UNKNOWN, "", "wait_15_minutes")
OFFERED = meta.told(None, _UNKNOWN, "", "send_again_or_arrived")

BLOCKED = meta.told(
    None, "The contact is blocked", "Este contato está bloqueado: nada lhe é enviado.", "unblock_contact"
)


class ToldRow(msgspec.Struct, frozen=True):
    """A user id that a status told: whose it is, and who else is known by it (None: nobody)."""

    contact_id: UUID
    bsuid: str
    other_id: UUID | None


class AddresseeRow(msgspec.Struct, frozen=True):
    """Whom a conversation is with."""

    conversation_id: UUID
    contact_id: UUID


async def advance(tx: Tx, reports: list[Advance]) -> list[Event]:
    """Raise statuses as Meta reports them, never lower them; park those of messages not known yet."""
    if not reports:
        return []
    failed = [report for report in reports if report.status == "FAILED"]
    held = await _held(tx, failed) if failed else set()
    rows = await tx.many(
        _sql.advance,
        AdvancedRow,
        wamids=[report.wamid for report in reports],
        messages=[report.message_id for report in reports],
        statuses=[report.status for report in reports],
        ats=[report.at for report in reports],
        errors=[report.error for report in reports],
        pricings=[report.pricing for report in reports],
    )
    events = [status_event(row) for row in rows] + await _closed(tx, rows)
    return events + await marks.stand(tx, held)


async def _held(tx: Tx, failed: list[Advance]) -> set[str]:
    """What the reactions among these are about."""
    ids = [report.message_id for report in failed if report.message_id]
    return await marks.hold(tx, wamids=[report.wamid for report in failed], ids=ids)


async def _closed(tx: Tx, rows: list[AdvancedRow]) -> list[Event]:
    """Meta is the judge of the window: 131047 closes ours, unless the customer has written since."""
    refused = [row for row in rows if row.error and row.error.get("code") == meta.WINDOW_CLOSED]
    shut = await conversations.close_windows(tx, {row.conversation_id: row.at for row in refused})
    return [Event("conversation:updated", row.id, {"conversation": row}) for row in shut]


async def learn(tx: Tx, reports: list[Advance]) -> list[Event]:
    """Keep the user ids that statuses tell of people known by phone only; the caller holds the door."""
    told = [report for report in reports if report.bsuid]
    if not told:
        return []
    wamids, bsuids = [report.wamid for report in told], [report.bsuid for report in told]
    merged: list[UUID] = []
    for row in await tx.many(_sql.told, ToldRow, wamids=wamids, bsuids=bsuids):
        if row.other_id is None:
            await contacts.learn_bsuid(tx, await contacts.now_is(tx, row.contact_id), row.bsuid)
        else:
            merged += await contacts.proved(tx, row.contact_id, row.other_id, "a status named both")
    return await conversations.retold(tx, merged)


def opts_out(event: Event) -> bool:
    """Whether Meta failed a message because its recipient wants no marketing."""
    error = event.data.get("error") if isinstance(event.data, dict) else None
    return isinstance(error, dict) and error.get("code") == OPTED_OUT


async def opted_out(tx: Tx, events: list[Event]) -> list[Choice]:
    """Of statuses just told, who wants no marketing, and since when."""
    since = {
        event.conversation_id: datetime.fromisoformat(event.data["at"])
        for event in events
        if event.conversation_id and isinstance(event.data, dict) and opts_out(event)
    }
    if not since:
        return []
    rows = await tx.many(_sends.recipients, AddresseeRow, conversations=list(since))
    return [Choice(row.contact_id, True, since[row.conversation_id]) for row in rows]


async def unpark(tx: Tx, wamid: str) -> list[Event]:
    """Apply the statuses that came before this wamid was stored."""
    parked = await tx.many(_sql.unpark, ParkedRow, wamid=wamid)
    reports = [Advance(row.wamid, None, row.status, row.at, row.error, row.pricing) for row in parked]
    return await advance(tx, reports)


async def claim(tx: Tx, conversation: UUID, lease_seconds: int, file_seconds: int) -> ClaimedRow | None:
    """Take the oldest waiting message of a conversation, unless it must wait or somebody is sending it.

    A message with a file is held longer by `file_seconds`: the file may have to be uploaded first.
    """
    return await tx.maybe(
        _sends.claim, ClaimedRow, conversation=conversation, lease=lease_seconds, file=file_seconds
    )


async def settle_sent(tx: Tx, message: UUID, wamid: str) -> list[Event]:
    """Meta accepted it: SENT under this wamid, then whatever Meta reported before we could store it."""
    events = await advance(tx, [Advance(wamid, message, "SENT", datetime.now(UTC))])
    return events + await unpark(tx, wamid) + await marks.settle(tx, [wamid])


class Ending(msgspec.Struct, frozen=True):
    """How a try without success ends: FAILED, UNCERTAIN, or QUEUED again in `wait` seconds (CANCELED, once erased).

    `spent` is False when the channel was at fault: the message keeps its tries, and the channel waits, not it.
    """

    status: Literal["FAILED", "UNCERTAIN", "QUEUED"]
    error: dict[str, Any]
    wait: float = 0
    spent: bool = True


async def settle(tx: Tx, claimed: ClaimedRow, ending: Ending) -> list[Event]:
    """End a try that did not succeed."""
    held = await marks.hold(tx, ids=[claimed.id]) if claimed.type == "reaction" else set()
    rows = await tx.many(
        _sends.settle,
        AdvancedRow,
        conversation=claimed.conversation_id,
        id=claimed.id,
        status=ending.status,
        error=ending.error,
        wait=ending.wait if ending.spent else 0,
        spent=int(ending.spent),
    )
    events = [status_event(row) for row in rows] + await _closed(tx, rows)
    return events + await marks.stand(tx, held if ending.status == "FAILED" else ())


async def put_back(tx: Tx, claimed: ClaimedRow, wait: float) -> list[Event]:
    """It was not tried: it waits so many seconds more, keeps its tries. Told only where it was erased meanwhile."""
    place = {"conversation": claimed.conversation_id, "id": claimed.id}
    return [status_event(row) for row in await tx.many(_sends.put_back, AdvancedRow, wait=wait, **place)]


async def expire_leases(tx: Tx, conversation: UUID) -> list[Event]:
    """A worker died while sending: nobody knows whether Meta read it, so it is UNCERTAIN, never sent again."""
    rows = await tx.many(_sends.expire, AdvancedRow, conversation=conversation, error=UNCERTAIN, wait=OFFER_SECONDS)
    return [status_event(row) for row in rows]


async def offer(tx: Tx) -> list[Event]:
    """What Meta has not told in a quarter of an hour: a person may send it again, or say that it arrived."""
    return [status_event(row) for row in await tx.many(_sends.offer, AdvancedRow, error=OFFERED)]


async def waiting_lanes(tx: Tx) -> list[LaneRow]:
    """Conversations with something to send that nobody works on; run as the system's role."""
    return await tx.many(_sends.lanes, LaneRow)
