"""Templates when Meta does not answer as one wishes: long lists, lost answers, refusals, words out of order."""

import asyncio
import time
from functools import partial
from typing import Any

import pytest

from ops.dev.home import Home
from tests.held import deadlocks, holding
from tests.meta import told as worked
from tests.people import Sql
from tests.system import Hotel, System, calling, eventually
from tests.test_templates import PATH, at_meta, made, new, now
from tests.visitors import told

PASS: dict[str, Any] = {"delayMs": 0}


@pytest.fixture
async def hotel(system: System) -> Hotel:
    """A hotel whose account the worker has read once."""
    hotel = await system.hotel("Modelos")
    assert (await hotel.admin.post(f"{PATH}/sync")).status_code == 200
    return hotel


async def script(system: System, hotel: Hotel, *actions: dict[str, Any]) -> None:
    """What Meta does with the next calls about this account's templates; the worker reads those of others."""
    rules = [{"match": {"path": f"/{hotel.waba_id}/message_templates"}, "action": action} for action in actions]
    async with calling() as client:
        answer = await client.post(f"{system.graph_url}/_fake/script", json={"rules": rules})
    assert answer.status_code == 204, answer.text


async def templates(hotel: Hotel, **query: Any) -> set[str]:
    """The names of the hotel's templates, by every page of its list."""
    found: set[str] = set()
    params = {"limit": 100, **query}
    while True:
        page = (await hotel.attendant.get(PATH, params=params)).json()
        found |= {one["name"] for one in page["data"]}
        if not page["pagination"]["nextCursor"]:
            return found
        params["cursor"] = page["pagination"]["nextCursor"]


async def test_a_long_list_is_read_whole_even_when_its_cursor_expires(system: System, hotel: Hotel) -> None:
    there = {one["name"] for one in await asyncio.gather(*(at_meta(system, hotel) for _ in range(205)))}
    await script(system, hotel, PASS, {"error": {"code": 131059}})  # the second page's cursor is not known any more
    answer = (await hotel.admin.post(f"{PATH}/sync")).json()
    assert (answer["added"], answer["accounts"][0]["error"]) == (205, None)
    assert await templates(hotel) == there


@pytest.mark.parametrize(("cut", "answers"), [("after", [201, 409]), ("before", [503, 201])])
async def test_a_template_whose_answer_was_lost_is_looked_up_and_made_once(
    cut: str, answers: list[int], system: System, hotel: Hotel
) -> None:
    wanted = new()
    await script(system, hotel, {"cut": cut})
    assert [(await hotel.admin.post(PATH, json=wanted)).status_code for _ in answers] == answers
    assert (await hotel.admin.post(f"{PATH}/sync")).json()["added"] == 0
    assert await templates(hotel) == {wanted["name"]}


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        ({"status": 400, "code": 80007}, 429, "rate_limited"),
        ({"status": 401, "code": 190}, 409, "conflict"),
        ({"status": 500, "code": 2}, 503, "unavailable"),
        ({"status": 400, "code": 100, "subcode": 2388072}, 422, "validation_failed"),
    ],
)
async def test_metas_refusals_are_told_apart(
    error: dict[str, Any], status: int, code: str, system: System, hotel: Hotel
) -> None:
    await script(system, hotel, {"error": error})
    assert told(await hotel.admin.post(PATH, json=new())) == (status, code)
    assert await templates(hotel) == set()


async def test_a_list_whose_fields_meta_does_not_know_is_asked_for_without(system: System, hotel: Hotel) -> None:
    there = await at_meta(system, hotel)
    await script(system, hotel, {"error": {"status": 400, "code": 100}})
    assert (await hotel.admin.post(f"{PATH}/sync")).json()["added"] == 1
    assert await templates(hotel) == {there["name"]}


async def test_an_older_status_that_comes_later_changes_nothing(hotel: Hotel, as_owner: Sql) -> None:
    template, at = await made(hotel), int(time.time())
    for seconds, event in ((0, "APPROVED"), (20, "PAUSED"), (10, "REJECTED")):
        value = {"event": event, "message_template_id": int(template["whatsappTemplateId"])}
        change = {"field": "message_template_status_update", "value": value}
        await worked(hotel, as_owner, {"entry": [{"id": hotel.waba_id, "time": at + seconds, "changes": [change]}]})
    assert (await now(hotel, template))["status"] == "PAUSED"


async def test_the_same_name_in_two_languages_is_two_templates(system: System, hotel: Hotel) -> None:
    name = (await at_meta(system, hotel))["name"]
    await at_meta(system, hotel, name=name, language="en_US")
    assert (await hotel.admin.post(f"{PATH}/sync")).json()["added"] == 2

    async def both() -> bool:
        listed = (await hotel.attendant.get(PATH)).json()["data"]
        return {one["language"] for one in listed if one["name"] == name} == {"pt_BR", "en_US"}

    assert await eventually(both)


async def test_a_list_and_webhooks_that_come_meanwhile_do_not_wait_for_each_other(
    hotel: Hotel, system: System, home: Home, as_owner: Sql
) -> None:
    """The list took its templates and then the account, webhooks the account (of a name not known here) first."""
    named = [await at_meta(system, hotel, name=name) for name in ("aaa", "zzz")]
    assert (await hotel.admin.post(f"{PATH}/sync")).status_code == 200
    held = "SELECT id, graph_id FROM templates WHERE waba_id = $1 AND name = ANY($2) ORDER BY name"
    first, last = await as_owner(held, hotel.waba_id, [one["name"] for one in named])
    changes = [
        {"event": "PAUSED", "message_template_id": 987654321, "message_template_name": "unknown"},
        {"event": "PAUSED", "message_template_id": int(first["graph_id"]), "message_template_name": "aaa"},
    ]
    field, before = "message_template_status_update", deadlocks(home)
    language = {"message_template_language": "pt_BR"}
    entry = {"id": hotel.waba_id, "changes": [{"field": field, "value": one | language} for one in changes]}
    async with holding(home, "SELECT FROM templates WHERE id = $1 FOR NO KEY UPDATE", last["id"]) as row:
        listing = asyncio.create_task(hotel.admin.post(f"{PATH}/sync"))
        await eventually(row.waits)
        assert (await hotel.webhook({"entry": [entry]})).status_code == 200
        await eventually(partial(row.waiting, 2))
    assert ((await listing).status_code, deadlocks(home)) == (200, before)
    await eventually(partial(as_owner, "SELECT 1 FROM templates WHERE id = $1 AND status = 'PAUSED'", first["id"]))
