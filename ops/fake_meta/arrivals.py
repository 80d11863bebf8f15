"""A customer writes: build the message as Meta would, show it on her phone, deliver it (Meta: §2)."""

import asyncio
import time
from typing import Any

import msgspec

from . import dialect, identities, media
from .chats import Bubble
from .courier import Delivery
from .errors import unknown_object
from .lifecycle import post
from .state import Fake
from .world import Customer, Number


class Inbound(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What a test or the phone page says; `sender` is the wa_id, left out when Meta withholds it."""

    phone_number_id: str
    sender: str | None = msgspec.field(default=None, name="from")
    name: str | None = None
    bsuid: str | None = None
    type: str = "text"
    text: str | None = None
    node: Any = None
    context: dict[str, Any] | None = None
    timestamp: int | str | None = None
    id: str | None = None
    copies: int = 1


class Arrival(msgspec.Struct):
    """The answer: HTTP status of the first delivery, of all copies, and why there was none."""

    wamid: str
    status: int | None
    statuses: list[int | None]
    error: str | None


async def arrive(fake: Fake, form: Inbound, base_url: str) -> Arrival:
    """Deliver `copies` of the message at once; the first attempts' results are awaited."""
    number = fake.world.numbers.get(form.phone_number_id)
    if number is None:
        raise unknown_object("POST", form.phone_number_id)
    customer = _seen(fake, number, form)
    message = _message(fake, form, customer, base_url)
    chat = (number.phone_number_id, customer.key)
    if message["id"] not in fake.chats.bubbles[chat]:
        fake.chats.show(chat, _bubble(message))

    def settled(delivery: Delivery) -> None:
        fake.chats.delivered(chat, message["id"], delivery.status)

    body = dialect.inbound(number, customer, message)
    posts = [post(fake, number, body, settled=settled) for _ in range(form.copies)]
    deliveries = [delivery for delivery in await asyncio.gather(*posts) if delivery]
    if not deliveries:
        fake.chats.delivered(chat, message["id"], None)
    return _arrival(message["id"], deliveries)


def _seen(fake: Fake, number: Number, form: Inbound) -> Customer:
    """The person, with what Meta now knows of her; her last message opens the window (Meta: §9)."""
    customer = fake.world.customer(number, form.sender, form.bsuid)
    customer.wa_id = identities.digits(form.sender) if form.sender else None
    customer.bsuid = form.bsuid or customer.bsuid
    customer.name = form.name or customer.name
    customer.wrote_at = max(customer.wrote_at or 0.0, float(form.timestamp or time.time()))
    return customer


def _message(fake: Fake, form: Inbound, customer: Customer, base_url: str) -> dict[str, Any]:
    message: dict[str, Any] = {
        "id": form.id or identities.wamid(customer.wa_id or customer.bsuid),
        "timestamp": str(form.timestamp or int(time.time())),
        "type": form.type,
    }
    node = {"body": form.text or ""} if form.type == "text" and form.node is None else form.node
    if node is not None:
        message[form.type] = media.described(fake, node, base_url)
    return message | ({"context": form.context} if form.context else {})


def _bubble(message: dict[str, Any]) -> Bubble:
    return Bubble(
        wamid=message["id"],
        at=float(message["timestamp"]),
        by="customer",
        type=message["type"],
        node=message.get(message["type"]),
        context=message.get("context"),
        state="sending",
    )


def _arrival(wamid: str, deliveries: list[Delivery]) -> Arrival:
    if not deliveries:
        return Arrival(wamid, None, [], "nothing listens: no webhookUrl, or the WABA is unsubscribed")
    statuses = [delivery.status for delivery in deliveries]
    return Arrival(wamid, statuses[0], statuses, deliveries[0].error)
