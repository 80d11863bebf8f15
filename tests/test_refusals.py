"""A webhook whose signature is wrong is tied to the number it names, for the go-live check and for nothing else."""

from datetime import datetime
from uuid import UUID, uuid4

import pytest

from crm.channels import RouteRow
from crm.core import metrics, rails
from crm.refusals import CHANNELS, Refusals
from tests.meta import stored
from tests.people import Sql
from tests.system import Guest, Hotel, System, eventually, unique_number_id, unique_phone
from tests.test_channels_check import check

HEARD = """INSERT INTO channel_health (tenant_id, channel_id, name, at)
           VALUES ($1, $2, $3, now() - $4 * INTERVAL '1 minute')"""
REFUSED = "SELECT at FROM channel_health WHERE channel_id = $1 AND name = 'refused'"


@pytest.fixture
async def hotel(system: System) -> Hotel:
    """A hotel nobody has written to."""
    return await system.hotel("Recusa")


async def refused_at(as_owner: Sql, hotel: Hotel) -> datetime | None:
    rows = await as_owner(REFUSED, UUID(hotel.channel_id))
    return rows[0]["at"] if rows else None


def counted() -> float:
    return metrics.registry.get_sample_value("crm_webhook_refused_numbers_total") or 0


async def test_the_check_names_a_webhook_refused_for_its_signature(hotel: Hotel, as_owner: Sql) -> None:
    guest = Guest(hotel, unique_phone())
    sent = guest.message()
    answer = await hotel.webhook(guest.body(sent), secret="of-another-app")
    assert (answer.status_code, await stored(as_owner, sent["id"])) == (401, 0)
    at = await eventually(lambda: refused_at(as_owner, hotel))
    found = (await check(hotel, language="en"))["signature"]
    when = at.isoformat(timespec="seconds")
    told = f"A webhook for this number was refused at {when}: the app secret does not match."
    assert (found["ok"], found["detail"]) == (False, told)
    assert "App Secret" in found["fix"]


@pytest.mark.parametrize(
    ("minutes", "ok"),
    [
        ({"webhook": 9, "refused": 2}, False),
        ({"webhook": 2, "refused": 9}, True),
        ({"webhook": 2.05, "refused": 2}, True),  # three seconds: traffic is written down each five
        ({"refused": 2}, False),
    ],
)
async def test_what_came_last_decides(minutes: dict[str, float], ok: bool, hotel: Hotel, as_owner: Sql) -> None:
    for name, age in minutes.items():
        await as_owner(HEARD, UUID(hotel.id), UUID(hotel.channel_id), name, age)
    assert (await check(hotel))["signature"]["ok"] is ok


async def test_a_refusal_before_the_secret_was_written_says_nothing_of_it(hotel: Hotel, as_owner: Sql) -> None:
    await as_owner(HEARD, UUID(hotel.id), UUID(hotel.channel_id), "refused", 2)
    change = {"whatsappAppSecret": "the-right-secret-at-last"}
    await hotel.admin.patch(f"/api/channels/{hotel.channel_id}", json=change)
    assert "ainda" in (await check(hotel))["signature"]["detail"]


async def test_a_flood_is_counted_and_written_once(system: System, hotel: Hotel, as_owner: Sql) -> None:
    other = await system.channel(hotel.admin, unique_number_id(), hotel.waba_id)  # whom the body does not name
    body, before = Guest(hotel, unique_phone()).body(), counted()
    await hotel.webhook(body, secret="wrong")
    first = await eventually(lambda: refused_at(as_owner, hotel))
    for _ in range(40):
        assert (await hotel.webhook(body, secret="wrong")).status_code == 401
    assert (counted() - before, await refused_at(as_owner, hotel)) == (41, first)
    assert await as_owner(REFUSED, UUID(other["id"])) == []


async def test_the_answer_does_not_tell_whether_the_number_is_known(hotel: Hotel) -> None:
    known = Guest(hotel, unique_phone()).body()
    unknown = Guest(hotel, unique_phone()).body()
    unknown["entry"][0]["changes"][0]["value"]["metadata"]["phone_number_id"] = unique_number_id()
    answers = [(await hotel.webhook(body, secret="wrong")).json() for body in (known, unknown)]
    assert {name for answer in answers for name in answer} >= {"code", "detail"}
    assert [{**answer, "requestId": ""} for answer in answers] == [{**answers[0], "requestId": ""}] * 2


async def test_what_waits_to_be_written_is_bounded(system: System) -> None:
    laid = await rails.lay(system.settings)
    refusals = Refusals(laid)
    routes = [RouteRow(uuid4(), uuid4(), "1", "1", None, False) for _ in range(CHANNELS + 50)]
    refusals.note(routes)
    assert len(refusals._noted) == CHANNELS
    await refusals.stop()
    await laid.close()
