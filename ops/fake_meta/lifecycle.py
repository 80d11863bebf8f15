"""What becomes of an accepted message: sent, delivered, read, or failed, each a signed webhook (Meta: §3)."""

import asyncio
import time
from typing import Any

from . import dialect
from .courier import Delivery
from .script import Action, Failure
from .state import Fake
from .world import Customer, Number, Sent

DAY = 24 * 3600
USUAL = ["sent", "delivered", "read"]


def verdict(number: Number, customer: Customer, sent: Sent) -> Failure | None:
    """Meta judges after accepting: no such phone 131026, window closed 131047 (Meta: §0.7, §5.1, §9)."""
    if customer.wa_id and not 8 <= len(customer.wa_id) <= 15:
        return Failure()
    if sent.type == "template" or number.window == "off":
        return None
    if customer.wrote_at is None:
        return dialect.RE_ENGAGEMENT if number.window == "strict" else None
    return dialect.RE_ENGAGEMENT if sent.at - customer.wrote_at >= DAY else None


def order(sent: Sent, action: Action, failure: Failure | None) -> list[str]:
    """The statuses to tell; a reaction only ever yields `sent` (Meta: §3)."""
    if action.statuses is not None:
        return action.statuses
    if failure:
        return ["failed"]
    return ["sent"] if sent.type == "reaction" else USUAL


async def play(
    fake: Fake, sent: Sent, customer: Customer, action: Action, failure: Failure | None, category: str
) -> None:
    """Tell the statuses one after the other, each at its delay after the send was accepted."""
    number = fake.world.numbers[sent.phone_number_id]
    names = order(sent, action, failure)
    for place, name in enumerate(names):
        await asyncio.sleep(max(0.0, sent.at + _delay(number, place) - time.time()))
        update: dict[str, Any] = {"id": sent.wamid, "status": name, "timestamp": str(int(time.time()))}
        if sent.callback is not None:
            update["biz_opaque_callback_data"] = sent.callback
        if dialect.carries_pricing(name, names[:place]):
            update["pricing"] = dialect.pricing(category)
        reason = (failure or Failure()) if name == "failed" else None
        body = dialect.status(number, customer, update, reason)
        await asyncio.gather(*[post(fake, number, body) for _ in range(1 + action.duplicates)])


def _delay(number: Number, place: int) -> float:
    """Seconds until the status at this place; past the configured ones, 100 ms more each."""
    delays = number.status_delays_ms
    overflow = max(0, place - len(delays) + 1)
    return (delays[min(place, len(delays) - 1)] + 100 * overflow) / 1000


def target(fake: Fake, number: Number) -> str | None:
    """Phone override before WABA override before the app's own; none when unsubscribed (Meta: §11)."""
    account = fake.world.accounts[number.waba_id]
    own = number.override_callback_uri or account.override_callback_uri or number.webhook_url
    return own if account.subscribed else None


async def post(fake: Fake, number: Number, body: dict[str, Any], **settled: Any) -> Delivery | None:
    """Deliver a `messages` webhook of this number, if anything listens."""
    url = target(fake, number)
    if url is None:
        return None
    return await fake.courier.deliver(url, number.app_secret, body, number.phone_number_id, **settled)
