"""How long we may write, as Meta counts it: 24 hours from the customer's own time, 72 free ones after an ad."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.meta import becomes, script, send, status, told
from tests.people import Sql
from tests.system import Guest, Hotel, System, eventually, unique_phone


@pytest.fixture
async def guest(hotel_a: Hotel) -> Guest:
    return Guest(hotel_a, unique_phone())


def read(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp)


async def test_a_late_retry_neither_shortens_nor_lengthens_the_window(guest: Guest, as_owner: Sql) -> None:
    now = int(time.time())
    for age in (60, 7200):
        node = {**guest.message(), "timestamp": str(now - age)}
        await told(guest.hotel, as_owner, guest.body(node))
    ends = read((await guest.conversation())["windowExpiresAt"])
    assert ends == datetime.fromtimestamp(now - 60, UTC) + timedelta(hours=24)


async def test_131047_told_later_closes_the_window_until_the_customer_writes(
    guest: Guest, as_owner: Sql, system: System
) -> None:
    await guest.writes()
    conversation = await guest.conversation()
    await script(system, guest.hotel, status=False)
    ours = await becomes(guest.hotel, await send(guest.hotel, conversation), "SENT")
    failed = status(ours["wamid"], "failed", errors=[{"code": 131047, "title": "Re-engagement message"}])
    await told(guest.hotel, as_owner, guest.hotel.envelope(statuses=[failed]))
    url = f"/api/conversations/{conversation['id']}/messages"
    refused = await guest.hotel.attendant.post(url, json={"content": "Ainda aí?"})
    assert (refused.status_code, refused.json()["code"]) == (409, "window_closed")
    await told(guest.hotel, as_owner, guest.body({**guest.message(), "timestamp": str(int(time.time()) + 1)}))
    assert (await guest.hotel.attendant.post(url, json={"content": "Oi!"})).status_code == 201


async def test_131047_at_the_call_closes_it_too_and_says_what_helps(guest: Guest, system: System) -> None:
    await guest.writes()
    await script(system, guest.hotel, error={"status": 400, "code": 131047, "message": "Não", "details": "24 h"})
    failed = await becomes(guest.hotel, await send(guest.hotel, await guest.conversation()), "FAILED")
    assert failed["error"]["action"] == "send_template"

    async def shut() -> bool:
        return read((await guest.conversation())["windowExpiresAt"]) <= datetime.now(UTC)

    assert await eventually(shut)


async def test_131047_of_an_old_send_leaves_a_window_opened_since(
    guest: Guest, as_owner: Sql, system: System
) -> None:
    await guest.writes()
    await script(system, guest.hotel, status=False)
    ours = await becomes(guest.hotel, await send(guest.hotel, await guest.conversation()), "SENT")
    yesterday = str(int(time.time()) - 25 * 3600)
    failed = status(ours["wamid"], "failed", errors=[{"code": 131047}], timestamp=yesterday)
    await told(guest.hotel, as_owner, guest.hotel.envelope(statuses=[failed]))
    assert read((await guest.conversation())["windowExpiresAt"]) > datetime.now(UTC)


def ad(guest: Guest, age: int) -> dict[str, Any]:
    node = {**guest.message(text="Vi o anúncio"), "timestamp": str(int(time.time()) - age)}
    referral = {"source_url": "https://fb.me/x", "source_id": "1", "source_type": "ad", "ctwa_clid": "c"}
    return {**node, "referral": referral}


async def test_after_an_ads_click_our_first_answer_opens_72_free_hours(guest: Guest, as_owner: Sql) -> None:
    await told(guest.hotel, as_owner, guest.body(ad(guest, 60)))
    conversation = await guest.conversation()
    assert conversation["freeUntil"] is None
    first = await send(guest.hotel, conversation)
    free = read((await guest.conversation())["freeUntil"])
    assert abs(free - read(first["createdAt"]) - timedelta(hours=72)) < timedelta(seconds=5)
    await send(guest.hotel, conversation, "mais uma")
    assert read((await guest.conversation())["freeUntil"]) == free


async def test_an_answer_that_comes_a_day_after_the_click_opens_nothing(guest: Guest, as_owner: Sql) -> None:
    await told(guest.hotel, as_owner, guest.body(ad(guest, 25 * 3600)))
    await told(guest.hotel, as_owner, guest.body(guest.message()))
    await send(guest.hotel, await guest.conversation())
    assert (await guest.conversation())["freeUntil"] is None


async def test_the_next_conversation_of_a_guest_goes_on_with_their_window(guest: Guest, as_owner: Sql) -> None:
    """At Meta it is the number's and the customer's, whatever conversation the words stand in."""
    hotel = guest.hotel
    await told(hotel, as_owner, guest.body(ad(guest, 60)))
    first = await guest.conversation()
    await send(hotel, first)
    before = await guest.conversation()
    await _closed_long_ago(guest, as_owner, first["id"])
    begun = await hotel.attendant.post("/api/conversations", json={"contactId": first["contact"]["id"]})
    later = begun.json()
    assert later["id"] != first["id"]
    assert (later["windowExpiresAt"], later["freeUntil"]) == (before["windowExpiresAt"], before["freeUntil"])
    await becomes(hotel, await send(hotel, later), "READ")


async def test_a_conversation_opened_again_has_the_window_of_a_later_one(guest: Guest, as_owner: Sql) -> None:
    await guest.writes()
    first = await guest.conversation()
    await _closed_long_ago(guest, as_owner, first["id"])
    await as_owner("UPDATE conversations SET window_expires_at = now() WHERE id = $1", UUID(first["id"]))
    await guest.writes("de novo")
    later = await guest.conversation()
    assert later["id"] != first["id"]
    await guest.hotel.attendant.post(f"/api/conversations/{later['id']}/close")
    again = await guest.hotel.attendant.post(f"/api/conversations/{first['id']}/reopen")
    assert again.json()["windowExpiresAt"] == later["windowExpiresAt"]


async def _closed_long_ago(guest: Guest, as_owner: Sql, conversation: str) -> None:
    """So long ago that what comes next is another conversation."""
    await guest.hotel.attendant.post(f"/api/conversations/{conversation}/close")
    long_ago = "UPDATE conversations SET closed_at = now() - INTERVAL '25 hours' WHERE id = $1"
    await as_owner(long_ago, UUID(conversation))
