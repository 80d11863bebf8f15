"""What a message costs: a dated table of Meta's prices, typed in by the platform, and the cost read off it.

Money is exact: millionths of the currency's unit, because Meta's prices lie below a minor unit (0.0034 USD). What
is not in the table has no cost (None): none is invented here.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any

import msgspec

from crm import audit
from crm.core import sql
from crm.core.access import SUPER_ADMIN
from crm.core.errors import FieldError, ValidationFailed
from crm.core.http import Call, Door
from crm.core.tx import Tx

_sql = sql.load("billing")

ANYWHERE = "*"  # the market of all that have no price of their own
FREE = {"free_customer_service", "free_entry_point"}  # Meta: windows and price
_OLD_MODEL = "CBP"  # by conversation, until July 2025: no message of it has a price of its own

Market = Annotated[str, msgspec.Meta(pattern=r"^([A-Z]{2}|[*])$(?!\n)")]
Category = Annotated[str, msgspec.Meta(pattern=r"^[a-z_]{1,40}$(?!\n)")]
Currency = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{3}$(?!\n)")]
Micros = Annotated[int, msgspec.Meta(ge=0, le=10**12)]


class PriceRow(msgspec.Struct, frozen=True):
    """A price per delivered message, from a moment on."""

    valid_from: datetime
    market: str
    category: str
    currency: str
    amount_micros: int


class Price(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A price as it is typed in: `market` is a country or `*`, `amountMicros` millionths of the currency's unit."""

    market: Market
    category: Category
    currency: Currency
    amount_micros: Micros


class Put(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The whole table from a date on (00:00 UTC); it replaces what was typed in for that date."""

    valid_from: date
    prices: Annotated[list[Price], msgspec.Meta(max_length=5000)]


class PriceOut(msgspec.Struct, frozen=True, rename="camel"):
    """A price as it is shown."""

    valid_from: date
    market: str
    category: str
    currency: str
    amount_micros: int


class Prices(msgspec.Struct, frozen=True):
    """All prices, newest date first."""

    data: list[PriceOut]


class Cost(msgspec.Struct, frozen=True, rename="camel"):
    """What a message costs; a free one has a currency only when its price is known."""

    amount_micros: int
    currency: str | None


async def prices(tx: Tx) -> list[PriceRow]:
    """Every price, newest first; run as the system's role."""
    return await tx.many(_sql.prices, PriceRow)


def cost(known: Sequence[PriceRow], pricing: dict[str, Any] | None, market: str, at: datetime) -> Cost | None:
    """What a message costs by its stored `pricing` (Meta: statuses) at Meta's time `at`; None when nobody knows.

    `market` is the recipient's country. Meta's type decides, `billable` only where it says no type (Meta is about
    to drop it). A market's own price goes before that of `*`; of each the newest that was valid `at` that time.
    """
    if not pricing:
        return None
    kind, billable = pricing.get("type"), pricing.get("billable")
    price = _price(known, str(pricing.get("category") or ""), market, at)
    if kind in FREE or (kind is None and billable is False):
        return Cost(0, price.currency if price else None)
    model = pricing.get("model") or pricing.get("pricing_model")
    if price is None or model == _OLD_MODEL or (kind is None and billable is None):
        return None
    return Cost(price.amount_micros, price.currency)


def _price(known: Sequence[PriceRow], category: str, market: str, at: datetime) -> PriceRow | None:
    """Meta spells one category in two ways (Meta: statuses)."""
    wanted = category.replace("-", "_").lower()
    valid = [row for row in known if row.category == wanted and row.valid_from <= at]
    own = [row for row in valid if row.market == market] or [row for row in valid if row.market == ANYWHERE]
    return max(own, key=lambda row: row.valid_from, default=None)


async def every(call: Call) -> Prices:
    """All prices."""
    return Prices([_shown(row) for row in await prices(call.tx)])


def _shown(row: PriceRow) -> PriceOut:
    return PriceOut(
        row.valid_from.astimezone(UTC).date(), row.market, row.category, row.currency, row.amount_micros
    )


async def put(call: Call) -> Prices:
    """Replace the prices of a date; none given takes the date out. Raises ValidationFailed."""
    new: Put = call.body
    _check(new.prices)
    start = datetime(new.valid_from.year, new.valid_from.month, new.valid_from.day, tzinfo=UTC)
    pairs = {"markets": [one.market for one in new.prices], "categories": [one.category for one in new.prices]}
    await call.tx.none(_sql.keep_only, valid_from=start, **pairs)
    amounts = [one.amount_micros for one in new.prices]
    currencies = [one.currency for one in new.prices]
    await call.tx.none(_sql.put, valid_from=start, currencies=currencies, amounts=amounts, **pairs)
    await audit.note(call, call.tx, "prices.changed", new.valid_from.isoformat(), prices=len(new.prices))
    return await every(call)


def _check(given: list[Price]) -> None:
    """A market has one price for a category. Raises ValidationFailed, naming each that comes twice."""
    pairs = [(one.market, one.category) for one in given]
    twice = [place for place, pair in enumerate(pairs) if pair in pairs[:place]]
    if twice:
        sentence = "já há um preço deste mercado e categoria"
        raise ValidationFailed(
            errors=[
                FieldError(f"/prices/{place}", sentence, "this market and category have a price already")
                for place in twice
            ]
        )


routes = [
    Door(method="GET", path="/api/plans/prices", handler=every, role=SUPER_ADMIN, answer=Prices),
    Door(method="PUT", path="/api/plans/prices", handler=put, role=SUPER_ADMIN, body=Put, answer=Prices),
]
