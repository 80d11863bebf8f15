"""Prices are typed in by the platform, and a message costs what the table said at Meta's time, or nobody knows."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from crm.billing import Cost, PriceRow, cost
from tests.visitors import pointers

PATH = "/api/plans/prices"
OCTOBER, NOVEMBER = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
TABLE = [
    PriceRow(OCTOBER, "BR", "utility", "USD", 3_400),
    PriceRow(NOVEMBER, "BR", "utility", "USD", 5_000),
    PriceRow(OCTOBER, "*", "authentication_international", "USD", 9_000),
]


def priced(kind: str | None, category: str = "utility", **more: Any) -> dict[str, Any]:
    return {"type": kind, "category": category, "model": "PMP", "billable": True, **more}


@pytest.mark.parametrize(
    ("pricing", "market", "at", "expected"),
    [
        (priced("regular"), "BR", OCTOBER, Cost(3_400, "USD")),
        (priced("regular"), "BR", NOVEMBER, Cost(5_000, "USD")),
        (priced("regular"), "BR", datetime(2026, 9, 30, 23, 59, tzinfo=UTC), None),
        (priced("regular"), "PT", NOVEMBER, None),
        (priced("regular", "marketing"), "BR", NOVEMBER, None),
        (priced("regular", "authentication-international"), "PT", NOVEMBER, Cost(9_000, "USD")),
        (priced("free_customer_service"), "BR", NOVEMBER, Cost(0, "USD")),
        (priced("free_entry_point", "marketing"), "BR", NOVEMBER, Cost(0, None)),
        (priced(None, billable=False), "BR", NOVEMBER, Cost(0, "USD")),
        (priced(None, billable=None), "BR", NOVEMBER, None),
        (priced("regular", model="CBP"), "BR", NOVEMBER, None),
        (priced("regular", billable=None), "BR", NOVEMBER, Cost(5_000, "USD")),
        (None, "BR", NOVEMBER, None),
    ],
)
def test_a_message_costs_what_was_valid_then(
    pricing: dict[str, Any] | None, market: str, at: datetime, expected: Cost | None
) -> None:
    assert cost(TABLE, pricing, market, at) == expected


def price(market: str = "BR", category: str = "utility", amount: int = 3_400) -> dict[str, Any]:
    return {"market": market, "category": category, "currency": "USD", "amountMicros": amount}


async def of(root: httpx.AsyncClient, date: str) -> list[tuple[str, int]]:
    data = (await root.get(PATH)).json()["data"]
    return [(one["category"], one["amountMicros"]) for one in data if one["validFrom"] == date]


async def test_a_date_is_replaced_whole_and_no_other(root: httpx.AsyncClient) -> None:
    both = [price(), price(category="marketing", amount=25_000)]
    assert (await root.put(PATH, json={"validFrom": "2026-10-01", "prices": both})).status_code == 200
    await root.put(PATH, json={"validFrom": "2026-12-01", "prices": [price(amount=4_000)]})
    await root.put(PATH, json={"validFrom": "2026-10-01", "prices": [price(amount=3_500)]})
    assert await of(root, "2026-10-01") == [("utility", 3_500)]
    assert await of(root, "2026-12-01") == [("utility", 4_000)]
    await root.put(PATH, json={"validFrom": "2026-12-01", "prices": []})
    assert await of(root, "2026-12-01") == []


async def test_a_market_has_one_price_for_a_category(root: httpx.AsyncClient) -> None:
    twice = {"validFrom": "2026-10-02", "prices": [price(), price(market="*"), price(amount=1)]}
    assert pointers(await root.put(PATH, json=twice)) == {"/prices/2"}
    assert await of(root, "2026-10-02") == []


@pytest.mark.parametrize(("name", "wrong"), [("market", "Brasil"), ("amountMicros", 0.5), ("currency", "real")])
async def test_a_price_of_another_shape_is_named(name: str, wrong: Any, root: httpx.AsyncClient) -> None:
    body = {"validFrom": "2026-10-03", "prices": [{**price(), name: wrong}]}
    assert pointers(await root.put(PATH, json=body)) == {f"/prices/0/{name}"}
