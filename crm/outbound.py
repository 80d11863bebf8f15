"""The river out: one lane per conversation; claim its head, call Meta, settle, and on to the next.

A try ends SENT, FAILED, QUEUED again (Meta said no, for now) or UNCERTAIN (Meta may have read it): what is
uncertain is never repeated by us; Meta's status carries our message id back and settles it, or a person does.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from saq.utils import exponential_backoff

from crm import channels, contacts, dead_letters, media, messages, templates
from crm.channels import SenderRow
from crm.contacts import Choice
from crm.core import meta, meta_media, metrics
from crm.core.errors import Unavailable
from crm.core.feed import Event
from crm.core.meta import MetaError
from crm.core.meta_errors import OPTED_OUT, PAIR, PERMANENT, TRANSIENT, UNCERTAIN
from crm.core.rails import Rails
from crm.core.rates import MOMENT
from crm.core.tx import Tx
from crm.messages import ClaimedRow, Ending

log = logging.getLogger(__name__)
_OUT_OF_USE = "O número desta conversa foi excluído: comece uma conversa com o hóspede por outro número."
_UNMADE = "Não foi possível montar esta mensagem: escreva-a de novo."

LEASE_SECONDS = meta.SEND_SECONDS + 20
FILE_SECONDS = meta_media.UPLOAD_SECONDS + 10  # how much longer a lease is when a file goes first
TRIES = 8  # with the waits below: about ten minutes
UNKNOWN_FILE = {100, 131009, 131052, 131053}  # Meta: what a media id is refused with that it no longer knows
STALE = {132000, 132001}  # Meta: our copy of the template is not what Meta has
_FIRST_WAIT, _LONGEST_WAIT = 2, 300
_AWAY = (1, 2, 4, 8)  # seconds between tries to give a message back while Postgres is away


class Parcel(msgspec.Struct, frozen=True):
    """A claimed message with all that sending it needs."""

    message: ClaimedRow
    sender: SenderRow | None
    recipient: dict[str, str]


async def run_lane(rails: Rails, tenant: UUID, conversation: UUID, go_on: Callable[[], bool] = lambda: True) -> int:
    """Send what the lane holds, in order, until it is empty, must wait, or `go_on` says no; how many were tried."""
    tried = 0
    while go_on() and (parcel := await _take(rails, tenant, conversation)):
        tried += 1
        if parcel.message.blocked:
            await _refuse(rails, tenant, parcel.message)
        elif await _turn(rails, tenant, parcel):
            await _try(rails, tenant, parcel)
    return tried


async def _take(rails: Rails, tenant: UUID, conversation: UUID) -> Parcel | None:
    async with rails.db.tenant(tenant) as tx:
        message = await messages.claim(tx, conversation, LEASE_SECONDS, FILE_SECONDS)
        if message is None:
            await rails.feed.append(tx, await messages.expire_leases(tx, conversation))
            return None
        sender = await channels.sender(tx, message.channel_id)
        return Parcel(message, sender, await contacts.recipient(tx, message.contact_id))


async def _refuse(rails: Rails, tenant: UUID, message: ClaimedRow) -> None:
    """Its contact was blocked while it waited: Meta hears nothing of it."""
    async with rails.db.tenant(tenant) as tx:
        await rails.feed.append(tx, await messages.settle(tx, message, Ending("FAILED", messages.BLOCKED)))


async def _turn(rails: Rails, tenant: UUID, parcel: Parcel) -> bool:
    """Wait for the message's slot; False, and the message waits in its lane, when that is too far off."""
    message, sender = parcel.message, parcel.sender
    if sender is None:
        return True
    async with _untried(rails, tenant, message):
        wait = await rails.rates.slot(sender.phone_number_id, sender.messages_per_second, str(message.contact_id))
        if wait <= MOMENT:
            await asyncio.sleep(wait)
            return True
    metrics.sends.labels("waits").inc()
    await _put_back(rails, tenant, message, wait)
    return False


@asynccontextmanager
async def _untried(rails: Rails, tenant: UUID, message: ClaimedRow) -> AsyncIterator[None]:
    """Meta has heard nothing of this message yet: a worker that must end, or finds Postgres away, gives it back."""
    try:
        yield
    except asyncio.CancelledError:
        await asyncio.shield(_put_back(rails, tenant, message, 0))
        raise
    except Unavailable:
        await _give_back(rails, tenant, message)
        raise


async def _give_back(rails: Rails, tenant: UUID, message: ClaimedRow) -> None:
    """Put it back once Postgres answers again; if it stays away, the end of the lease makes it UNCERTAIN."""
    for wait in _AWAY:
        try:
            return await _put_back(rails, tenant, message, wait)
        except Unavailable:
            await asyncio.sleep(wait)


async def _put_back(rails: Rails, tenant: UUID, message: ClaimedRow, wait: float) -> None:
    async with rails.db.tenant(tenant) as tx:
        await rails.feed.append(tx, await messages.put_back(tx, message, wait))


async def _try(rails: Rails, tenant: UUID, parcel: Parcel) -> None:
    try:
        sent = await _send(rails, tenant, parcel)
    except MetaError as refusal:
        error = await _judged(rails, tenant, parcel, refusal)
        await _settle(rails, tenant, parcel.message, error)
        if error.code == OPTED_OUT:
            await _opt_out(rails, tenant, parcel.message.contact_id)
        if error.code in STALE and parcel.sender:
            name = str(((parcel.message.payload or {}).get("template") or {}).get("name", ""))
            await templates.resync_after(rails, tenant, parcel.sender.waba_id, name)
        return
    metrics.sends.labels("sent").inc()
    async with rails.db.tenant(tenant) as tx:
        await channels.works(tx, parcel.message.channel_id)
        events = await messages.settle_sent(tx, parcel.message.id, sent.wamid)
        await rails.feed.append(tx, events)
    if any(messages.opts_out(event) for event in events):  # Meta's status had come before its answer
        await _opt_out(rails, tenant, parcel.message.contact_id)
    if sent.wa_id and parcel.recipient.get("to") != f"+{sent.wa_id}":
        async with rails.db.tenant(tenant) as tx:
            await contacts.hold(tx)
            await contacts.learn_wa_id(tx, parcel.message.contact_id, sent.wa_id)


async def _send(rails: Rails, tenant: UUID, parcel: Parcel) -> meta.Sent:
    """Call Meta. Raises MetaError."""
    sender, message = parcel.sender, parcel.message
    if sender is None:
        raise MetaError(PERMANENT, None, "the channel is out of use", _OUT_OF_USE)
    token = channels.token(rails.box, tenant, sender)
    async with _untried(rails, tenant, message):
        files = await _graph_ids(rails, tenant, messages.files(message), sender)
    body = _body(parcel, files)
    try:
        return await rails.graph.send(sender.phone_number_id, token, body)
    except asyncio.CancelledError:  # the worker must end, and nobody will hear Meta's answer
        gone = MetaError(UNCERTAIN, None, "the worker was stopped before Meta answered")
        await asyncio.shield(_settle(rails, tenant, message, gone))
        raise


def _body(parcel: Parcel, files: dict[UUID, str]) -> dict[str, Any]:
    """What Meta would get. Raises MetaError: a row that nothing can be made of has not gone, and never will."""
    try:
        return messages.body(parcel.message, parcel.recipient, files)
    except (TypeError, ValueError, AttributeError, LookupError) as error:
        log.exception("nothing can be made of a message", extra={"messageId": str(parcel.message.id)})
        raise MetaError(PERMANENT, None, "nothing can be made of the message", _UNMADE) from error


async def _graph_ids(rails: Rails, tenant: UUID, files: list[UUID], sender: SenderRow) -> dict[UUID, str]:
    """Meta's ids of files, within the time that the lease allows; a next try goes on. Raises MetaError."""
    try:
        async with asyncio.timeout(FILE_SECONDS):
            return {file: await media.graph_id(rails, tenant, file, sender) for file in files}
    except TimeoutError as error:
        raise MetaError(TRANSIENT, None, "the file could not be uploaded in time") from error


async def _judged(rails: Rails, tenant: UUID, parcel: Parcel, error: MetaError) -> MetaError:
    """The same, but transient when a file was named by an id that Meta may have forgotten: it is uploaded again."""
    files, sender = messages.files(parcel.message), parcel.sender
    if not files or sender is None or error.code not in UNKNOWN_FILE:
        return error
    if not any([await media.upload_again(rails, tenant, file, sender.id) for file in files]):
        return error
    return MetaError(TRANSIENT, error.code, error.title, error.detail)


async def _settle(rails: Rails, tenant: UUID, message: ClaimedRow, error: MetaError) -> None:
    """Write down how a try ended; what the channel is to blame for makes the channel rest."""
    ending = verdict(error, message.attempts)
    metrics.sends.labels(ending.status.lower()).inc()
    told = {"messageId": str(message.id), "code": error.code, "retry": error.rule.retry, "becomes": ending.status}
    log.warning("a send did not succeed", extra=told)
    async with rails.db.tenant(tenant) as tx:
        events = await messages.settle(tx, message, ending)
        if not ending.spent:
            events += await _rest(tx, message, error, ending)
        if ending.status == "FAILED" and error.rule.retry != "permanent":
            item = {"messageId": message.id, "conversationId": message.conversation_id, "error": ending.error}
            await dead_letters.bury(tx, tenant, dead_letters.SEND, str(message.id), item, str(error))
        await rails.feed.append(tx, events)


async def _opt_out(rails: Rails, tenant: UUID, contact: UUID) -> None:
    """Meta says that this person wants no marketing. By itself and under the door: contacts before messages."""
    async with rails.db.tenant(tenant) as tx:
        await contacts.hold(tx)
        await rails.feed.append(tx, await contacts.opt_out(tx, [Choice(contact, True, datetime.now(UTC))]))


async def _rest(tx: Tx, message: ClaimedRow, error: MetaError, ending: Ending) -> list[Event]:
    """Send nothing over the channel (or its account) for a while, or until people have done something."""
    whole = error.rule.scope == "account"
    wait = None if error.rule.people else ending.wait
    rows = await channels.rest(tx, message.channel_id, whole, wait, ending.error)
    if not error.rule.people:
        return []
    if begun := [str(row.id) for row in rows if row.begins]:
        log.error("a channel rests until people act", extra={"channels": begun, "code": error.code})
    return await channels.stopped(tx, rows, ending.error)


def verdict(error: MetaError, tries: int) -> Ending:
    """What becomes of a message after so many tries, and in how many seconds (Meta: error codes, rates)."""
    told = meta.told(error.code, error.title, error.detail, error.rule.action, error.subcode)
    match error.rule.retry, error.rule.scope:
        case "uncertain", _:
            return Ending("UNCERTAIN", messages.UNCERTAIN, messages.OFFER_SECONDS)
        case "permanent", _:
            return Ending("FAILED", told)
        case "throttled", "channel" | "account":
            wait = max(error.after, error.rule.wait) * random.uniform(1, 1.5)  # noqa: S311 (jitter)
            return Ending("QUEUED", told, min(wait, meta.LONGEST_PAUSE), spent=False)
        case _:
            if tries >= TRIES:
                return Ending("FAILED", told)
            return Ending("QUEUED", told, max(error.after, error.rule.wait + _wait(error, tries)))


def _wait(error: MetaError, tries: int) -> float:
    if error.code == PAIR:
        return float(min(4**tries, _LONGEST_WAIT))
    return 1 + float(exponential_backoff(tries, _FIRST_WAIT, _LONGEST_WAIT, jitter=True))
