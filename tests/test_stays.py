"""Stays: put by the hotel's own system as often as it likes, and the guests of today found by them."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import asyncpg
import httpx
import pytest

from tests.people import Sql
from tests.system import Hotel, System, unique_phone
from tests.visitors import pointers

FARTHEST = "Pacific/Kiritimati"  # 14 hours before UTC: its day is another one for most of ours


@pytest.fixture(scope="module")
async def hotel(system: System) -> Hotel:
    """A hotel of this module, whose day is not the server's."""
    hotel = await system.hotel("Pousada")
    assert (await hotel.admin.patch("/api/tenant", json={"timezone": FARTHEST})).status_code == 200
    return hotel


async def person(hotel: Hotel, name: str = "Dora") -> str:
    """The path of a new contact."""
    made = await hotel.attendant.post("/api/contacts", json={"phone": unique_phone(), "name": name})
    return f"/api/contacts/{made.json()['id']}"


async def stays(hotel: Hotel, contact: str, begins: int, ends: int, **more: Any) -> httpx.Response:
    """A stay from and to so many days from the hotel's today."""
    today = datetime.now(ZoneInfo(FARTHEST)).date()
    days = {"checkIn": str(today + timedelta(days=begins)), "checkOut": str(today + timedelta(days=ends))}
    return await hotel.attendant.put(f"{contact}/stays/R-1", json={**days, **more})


async def told(hotel: Hotel, as_owner: Sql) -> int:
    query = "SELECT count(*) FROM feed_events WHERE tenant_id = $1 AND event = 'contact:updated'"
    return int((await as_owner(query, hotel.id))[0][0])


async def test_a_stay_put_again_changes_and_tells_nothing(hotel: Hotel, as_owner: Sql) -> None:
    dora = await person(hotel)
    first = await stays(hotel, dora, 3, 5, room="12", language="pt-BR")
    heard = await told(hotel, as_owner)
    again = await stays(hotel, dora, 3, 5, room="12", language="pt-BR")
    assert (first.status_code, again.json(), await told(hotel, as_owner)) == (200, first.json(), heard)
    assert (first.json()["code"], first.json()["status"], first.json()["room"]) == ("R-1", "BOOKED", "12")


async def test_a_stay_that_changed_is_the_same_stay(hotel: Hotel, as_owner: Sql) -> None:
    dora = await person(hotel)
    await stays(hotel, dora, 3, 5, room="12")
    heard = await told(hotel, as_owner)
    moved = (await stays(hotel, dora, 4, 6, status="CANCELED")).json()
    assert (moved["room"], moved["status"], await told(hotel, as_owner)) == (None, "CANCELED", heard + 1)
    assert (await hotel.attendant.get(f"{dora}/stays")).json()["data"] == [moved]


async def test_stays_are_listed_from_the_latest_arrival_and_deleted_by_code(hotel: Hotel) -> None:
    dora = await person(hotel)
    for code, day in (("A", "2026-12-01"), ("ação 2", "2026-12-31"), ("2026/17?", "2026-12-11")):
        url = f"{dora}/stays/{quote(code, safe='')}"
        put = await hotel.attendant.put(url, json={"checkIn": day, "checkOut": day})
        assert (put.status_code, put.json()["code"]) == (200, code)
    listed = (await hotel.attendant.get(f"{dora}/stays")).json()["data"]
    assert [stay["code"] for stay in listed] == ["ação 2", "2026/17?", "A"]
    url = f"{dora}/stays/2026%2F17%3F"
    assert [(await hotel.attendant.delete(url)).status_code for _ in range(2)] == [204, 404]


async def test_every_wrong_field_of_a_stay_is_named(hotel: Hotel) -> None:
    dora = await person(hotel)
    wrong = {"checkIn": "2026-02-30", "checkOut": "x", "room": "", "status": "GONE", "guests": 2}
    answer = await hotel.attendant.put(f"{dora}/stays/R-1", json=wrong)
    assert pointers(answer) == {"/checkIn", "/checkOut", "/room", "/status", "/guests"}
    assert pointers(await stays(hotel, dora, 5, 4)) == {"/checkOut"}
    long = await hotel.attendant.put(
        f"{dora}/stays/{'x' * 101}", json={"checkIn": "2026-12-01", "checkOut": "2026-12-01"}
    )
    assert pointers(long) == {"/code"}
    blank = {"checkIn": "2026-12-01", "checkOut": "2026-12-01", "room": " "}
    assert pointers(await hotel.attendant.put(f"{dora}/stays/R-1", json=blank)) == {"/room"}
    assert pointers(await hotel.attendant.put(f"{dora}/stays/%20", json={**blank, "room": "1"})) == {"/code"}


async def test_a_day_that_no_calendar_of_a_hotel_has_is_refused(hotel: Hotel, as_owner: Sql) -> None:
    """What is counted from the last day of the calendar stopped the worker's planning, of every hotel."""
    dora = await person(hotel)
    ends = [("1999-12-31", "2099-12-31"), ("0001-01-01", "9999-12-31"), ("2000-01-01", "2100-01-01")]
    wrong = [{"/checkIn"}, {"/checkIn", "/checkOut"}, {"/checkOut"}]
    for (first, last), named in zip(ends, wrong, strict=True):
        body = {"checkIn": first, "checkOut": last}
        assert pointers(await hotel.attendant.put(f"{dora}/stays/R-1", json=body)) == named
    widest = {"checkIn": "2000-01-01", "checkOut": "2099-12-31"}
    assert (await hotel.attendant.put(f"{dora}/stays/R-1", json=widest)).status_code == 200
    with pytest.raises(asyncpg.CheckViolationError):
        await as_owner("UPDATE stays SET check_out = '9999-12-31' WHERE tenant_id = $1", hotel.id)


@pytest.mark.parametrize(
    ("begins", "ends", "status", "arriving", "inside"),
    [
        (0, 2, "BOOKED", True, True),
        (0, 2, "CANCELED", False, False),
        (-1, 1, "BOOKED", False, True),
        (-2, 0, "IN_HOUSE", False, True),
        (-2, 0, "CHECKED_OUT", False, False),
        (-3, -1, "BOOKED", False, False),
        (1, 3, "BOOKED", False, False),
        (0, 1, "NO_SHOW", False, False),
    ],
)
async def test_the_hotels_own_day_tells_who_arrives_and_who_is_there(
    begins: int, ends: int, status: str, arriving: bool, inside: bool, hotel: Hotel
) -> None:
    name = f"Guest {begins} {ends} {status}"
    assert (await stays(hotel, await person(hotel, name), begins, ends, status=status)).status_code == 200
    for stay, expected in (("arriving_today", arriving), ("in_house", inside)):
        found = await hotel.attendant.get("/api/contacts", params={"stay": stay, "search": name})
        assert [contact["name"] for contact in found.json()["data"]] == [name] * expected
    assert (await hotel.attendant.get("/api/contacts", params={"stay": "leaving"})).status_code == 422


async def test_a_merge_takes_stays_along_and_its_end_gives_them_back(hotel: Hotel) -> None:
    dora, part = await person(hotel), await person(hotel)
    await stays(hotel, part, 1, 2)
    await hotel.attendant.post(f"{part}/merge", json={"intoId": dora.rpartition("/")[2]})
    assert (await stays(hotel, part, 1, 3)).json()["contactId"] == dora.rpartition("/")[2]
    assert len((await hotel.attendant.get(f"{dora}/stays")).json()["data"]) == 1
    await hotel.attendant.post(f"{part}/unmerge")
    listed = [len((await hotel.attendant.get(f"{who}/stays")).json()["data"]) for who in (dora, part)]
    assert listed == [0, 1]
