"""The river out: one lane per conversation; claim its head, call Meta, settle, and on to the next.

An attempt ends SENT, FAILED, QUEUED again (Meta said no, for now) or UNCERTAIN (Meta may have read it): what
is uncertain is never repeated by us; Meta's status carries our message id back and settles it.
"""

import logging
from typing import Any
from uuid import UUID

import msgspec
from saq.utils import exponential_backoff

from crm import channels, contacts, messages
from crm.channels import SenderRow
from crm.core import meta, metrics
from crm.core.crypto import SealBroken
from crm.core.meta import MetaError
from crm.core.rails import Rails
from crm.messages import ClaimedRow

log = logging.getLogger(__name__)

LEASE_SECONDS = meta.SEND_SECONDS + 20
ATTEMPTS = 8  # with the waits below: about ten minutes
_FIRST_WAIT, _LONGEST_WAIT, _PAIR_WAIT = 2, 300, 6
_PAIR_RATE = 131056  # Meta: pair rate limit, wait 4^attempt seconds


class Parcel(msgspec.Struct, frozen=True):
    """A claimed message with all that sending it needs."""

    message: ClaimedRow
    sender: SenderRow | None
    recipient: dict[str, str]


async def run_lane(rails: Rails, tenant: UUID, conversation: UUID) -> int:
    """Send what the lane holds, in order, until it is empty or must wait; how many were tried."""
    tried = 0
    while parcel := await _take(rails, tenant, conversation):
        tried += 1
        try:
            sent = await _send(rails, tenant, parcel)
        except MetaError as error:
            await _settle(rails, tenant, parcel.message, error)
            continue
        metrics.sends.labels("sent").inc()
        async with rails.db.tenant(tenant) as tx:
            await rails.feed.append(tx, await messages.settle_sent(tx, parcel.message.id, sent.wamid))
        if sent.wa_id and parcel.recipient.get("to") != f"+{sent.wa_id}":
            async with rails.db.tenant(tenant) as tx:
                await contacts.hold(tx)
                await contacts.learn_wa_id(tx, parcel.message.contact_id, sent.wa_id)
    return tried


async def _take(rails: Rails, tenant: UUID, conversation: UUID) -> Parcel | None:
    async with rails.db.tenant(tenant) as tx:
        message = await messages.claim(tx, conversation, LEASE_SECONDS)
        if message is None:
            await rails.feed.append(tx, await messages.expire_leases(tx, conversation))
            return None
        sender = await channels.sender(tx, message.channel_id)
        return Parcel(message, sender, await contacts.recipient(tx, message.contact_id))


async def _send(rails: Rails, tenant: UUID, parcel: Parcel) -> meta.Sent:
    """Call Meta. Raises MetaError."""
    sender, message = parcel.sender, parcel.message
    if sender is None or sender.access_token is None:
        raise MetaError("permanent", 190, "the channel has no access token")
    try:
        token = rails.box.open(sender.access_token, tenant, "channels.access_token")
    except SealBroken as error:
        log.exception("an access token does not open", extra={"channelId": str(sender.id)})
        raise MetaError("transient", None, "the channel's access token does not open") from error
    return await rails.graph.send(sender.phone_number_id, token, _body(message, parcel.recipient))


def _body(message: ClaimedRow, recipient: dict[str, str]) -> dict[str, Any]:
    """The text as Meta takes it (Meta: sending); our id comes back in each status."""
    body: dict[str, Any] = {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        **recipient,
        "type": "text",
        "text": {"body": message.content, "preview_url": True},
        "biz_opaque_callback_data": str(message.id),
    }
    if message.reply_to_wamid:
        body["context"] = {"message_id": message.reply_to_wamid}
    return body


async def _settle(rails: Rails, tenant: UUID, message: ClaimedRow, error: MetaError) -> None:
    status, wait = _verdict(error, message.attempts)
    metrics.sends.labels(status.lower()).inc()
    log.warning(
        "a send did not succeed",
        extra={"messageId": str(message.id), "code": error.code, "retry": error.retry, "becomes": status},
    )
    told = meta.told(error.code, error.title, error.detail)
    async with rails.db.tenant(tenant) as tx:
        await rails.feed.append(tx, await messages.settle(tx, message, status, told, wait))


def _verdict(error: MetaError, attempts: int) -> tuple[str, int]:
    """What the message becomes, and in how many seconds it is tried again."""
    if error.retry == "uncertain":
        return "UNCERTAIN", 0
    if error.retry == "permanent" or attempts >= ATTEMPTS:
        return "FAILED", 0
    if error.code == _PAIR_RATE:
        return "QUEUED", min(4**attempts, _LONGEST_WAIT) + _PAIR_WAIT
    return "QUEUED", 1 + int(exponential_backoff(attempts, _FIRST_WAIT, _LONGEST_WAIT, jitter=True))
