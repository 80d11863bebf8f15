"""The silence alarm: a number that hears nothing while the same hours of earlier weeks were busy."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from crm import channels, worker
from crm.channels import health, silence
from crm.core.rails import Rails
from tests.people import Sql
from tests.system import Guest, Hotel, System, eventually, unique_phone

NOW = datetime.now(UTC)
HOUR = NOW.replace(minute=0, second=0, microsecond=0)
COUNT = "INSERT INTO channel_hours (tenant_id, channel_id, hour, n) VALUES ($1, $2, $3, $4)"


@pytest.fixture(autouse=True)
def _by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker's own round, once in half a minute, would say a silence before the test judges it."""
    monkeypatch.setattr(worker.Jobs, "_judge", lambda _: asyncio.sleep(0))


@pytest.fixture
async def hotel(system: System) -> Hotel:
    """A hotel of this test's own, on a clock that no daylight saving changed in five weeks."""
    hotel = await system.hotel("Silente")
    assert (await hotel.admin.patch("/api/tenant", json={"timezone": "Etc/UTC"})).status_code == 200
    return hotel


async def past(
    as_owner: Sql, hotel: Hotel, weeks: list[int], heard: timedelta, n: int = 12, shift: int = 0
) -> None:
    """Some weeks ago `n` were heard in the last whole hour; the last customer of all, `heard` before now."""
    tenant, channel = UUID(hotel.id), UUID(hotel.channel_id)
    for week in weeks:
        await as_owner(COUNT, tenant, channel, HOUR - timedelta(weeks=week, hours=1 + shift), n)
    query = """INSERT INTO channel_health (tenant_id, channel_id, name, at) VALUES ($1, $2, 'inbound', $3)
        ON CONFLICT (tenant_id, channel_id, name) DO UPDATE SET at = excluded.at"""
    await as_owner(query, tenant, channel, NOW - heard)


async def alarm(hotel: Hotel, laid: Rails, at: datetime = NOW) -> list[UUID]:
    return await silence.judge_one(laid, UUID(hotel.id), at)


async def said(hotel: Hotel) -> list[dict[str, Any]]:
    """The open notices of its number."""
    return list((await hotel.admin.get("/api/channels?limit=100")).json()["data"][0]["health"]["notices"])


@pytest.mark.parametrize(
    ("then", "heard", "silent"),
    [
        (([1, 2, 3, 4], 12), 3, True),
        (([1, 2, 4], 10), 3, True),  # one week was a holiday
        (([1, 2], 50), 3, False),  # a new number: two weeks are no habit
        (([], 0), 3, False),
        (([1, 2, 3, 4], 9), 3, False),  # so few may fail to come by chance
        (([1, 2, 3, 4], 12), 0, False),  # one wrote just now
    ],
)
async def test_a_number_is_silent_against_its_own_weeks_only(
    hotel: Hotel, laid: Rails, as_owner: Sql, then: tuple[list[int], int], heard: int, silent: bool
) -> None:
    await past(as_owner, hotel, then[0], timedelta(hours=heard), then[1])
    assert bool(await alarm(hotel, laid)) == silent
    assert [notice["kind"] for notice in await said(hotel)] == (["silent"] if silent else [])


async def test_a_quiet_night_is_no_silence(hotel: Hotel, laid: Rails, as_owner: Sql) -> None:
    """The busy hour of earlier weeks lies before the last customer of today."""
    await past(as_owner, hotel, [1, 2, 3, 4], timedelta(hours=8), n=40, shift=9)
    assert await alarm(hotel, laid) == []


async def test_the_clock_is_the_hotels_whatever_daylight_saving_did(
    hotel: Hotel, laid: Rails, as_owner: Sql
) -> None:
    """Berlin, 2026-10-25: from summer time to normal time. Ten o'clock was 8 UTC, and is 9 now."""
    zone, tenant, channel = ZoneInfo("Europe/Berlin"), UUID(hotel.id), UUID(hotel.channel_id)
    await hotel.admin.patch("/api/tenant", json={"timezone": "Europe/Berlin"})
    today = datetime(2026, 11, 2, 10, tzinfo=zone)
    for week in (1, 2, 3, 4):  # each at ten of the wall's clock: 9 UTC once, 8 UTC three times
        await as_owner(COUNT, tenant, channel, (today - timedelta(weeks=week)).astimezone(UTC), 12)
    await past(as_owner, hotel, [], NOW - (today - timedelta(minutes=30)))
    before, after = today + timedelta(minutes=40), today + timedelta(minutes=65)
    assert await alarm(hotel, laid, before) == []
    assert await alarm(hotel, laid, after) == [channel]


async def test_a_customer_ends_the_silence_and_sockets_are_told(hotel: Hotel, laid: Rails, as_owner: Sql) -> None:
    await past(as_owner, hotel, [1, 2, 3], timedelta(hours=3))
    assert len(await alarm(hotel, laid)) == 1
    await Guest(hotel, unique_phone()).writes()

    async def over() -> bool:
        return not await said(hotel)

    await eventually(over)
    told = "SELECT data::jsonb #> '{channel,health,notices}' FROM feed_events WHERE tenant_id = $1 AND event = $2"
    notices = [row[0] for row in await as_owner(told + " ORDER BY seq", UUID(hotel.id), "channel:updated")]
    assert ['"silent"' in notice for notice in notices] == [True, False]


async def test_a_silence_that_somebody_dismissed_is_not_said_again(
    hotel: Hotel, laid: Rails, as_owner: Sql
) -> None:
    await past(as_owner, hotel, [1, 2, 3], timedelta(hours=3))
    await alarm(hotel, laid)
    [notice] = await said(hotel)
    assert notice["data"]["usual"] == 12
    await hotel.admin.post(f"/api/channels/{hotel.channel_id}/notices/{notice['id']}/dismiss")
    assert (await alarm(hotel, laid), await said(hotel)) == ([], [])


async def test_two_workers_say_it_once(hotel: Hotel, laid: Rails, as_owner: Sql) -> None:
    await past(as_owner, hotel, [1, 2, 3], timedelta(hours=3))
    assert (len(await alarm(hotel, laid)), await alarm(hotel, laid)) == (1, [])
    assert len(await said(hotel)) == 1


async def test_the_worker_judges_every_hotel_in_turns(
    hotel: Hotel, laid: Rails, as_owner: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    await past(as_owner, hotel, [1, 2, 3], timedelta(hours=3))
    monkeypatch.setattr(silence, "TURN", 1)
    after, turns = await channels.judge(laid, channels.FIRST), 1
    while after != channels.FIRST:
        after, turns = await channels.judge(laid, after), turns + 1
    assert turns > 1
    assert len(await said(hotel)) == 1


async def test_what_customers_write_is_counted_in_its_hour_and_nothing_twice(hotel: Hotel, as_owner: Sql) -> None:
    dora = Guest(hotel, unique_phone())
    first = dora.message()
    await hotel.webhook(dora.body(first))
    await eventually(lambda: dora.seen(first["id"]))
    health._written.clear()
    last = {**dora.message(), "timestamp": first["timestamp"]}
    await hotel.webhook(dora.body(first, last))
    await eventually(lambda: dora.seen(last["id"]))
    [row] = await as_owner("SELECT sum(n) AS n FROM channel_hours WHERE channel_id = $1", UUID(hotel.channel_id))
    assert row["n"] == 1


async def test_hours_older_than_five_weeks_are_forgotten(hotel: Hotel, laid: Rails, as_owner: Sql) -> None:
    channel = UUID(hotel.channel_id)
    await as_owner(COUNT, UUID(hotel.id), channel, HOUR - timedelta(days=36), 3)
    async with laid.db.tenant(UUID(hotel.id)) as tx:
        await silence.hear(tx, {(channel, "inbound"): NOW})
    hours = await as_owner("SELECT hour FROM channel_hours WHERE channel_id = $1", channel)
    assert [row["hour"] for row in hours] == [HOUR]


async def test_another_number_has_no_habits_yet(hotel: Hotel, laid: Rails, as_owner: Sql) -> None:
    await past(as_owner, hotel, [1, 2, 3], timedelta(hours=3))
    await alarm(hotel, laid)
    change = {"whatsappPhoneNumberId": f"{hotel.number_id}9"}
    changed = await hotel.admin.patch(f"/api/channels/{hotel.channel_id}", json=change)
    left = await as_owner("SELECT 1 FROM channel_hours WHERE channel_id = $1", UUID(hotel.channel_id))
    assert (changed.json()["health"]["notices"], left) == ([], [])
