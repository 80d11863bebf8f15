"""Misbehaviour by script: errors, delays, cut connections, odd orders."""

import asyncio
from typing import Any

import httpx
import pytest

from .actors import HOTEL, TEXT, Crm, Meta


async def test_statuses_come_in_the_scripted_order(crm: Crm, fake: Meta) -> None:
    await fake.script({"action": {"statuses": ["read", "sent", "delivered"]}}, {"action": {"status": False}})
    await fake.send(TEXT)
    await fake.send(TEXT)
    await crm.until(3)
    await asyncio.sleep(0.1)
    assert crm.statuses() == ["read", "sent", "delivered"]


async def test_a_message_can_fail_after_it_was_sent(crm: Crm, fake: Meta) -> None:
    failure = {"code": 131026, "title": "Message undeliverable"}
    await fake.script({"action": {"statuses": ["sent", "failed"], "failure": failure}})
    await fake.send(TEXT)
    await crm.until(2)
    assert crm.statuses() == ["sent", "failed"]
    assert crm.values()[1]["statuses"][0]["errors"][0]["code"] == 131026


async def test_a_connection_cut_after_accepting_leaves_the_message_sent(crm: Crm, fake: Meta) -> None:
    await fake.script({"action": {"cut": "after"}})
    with pytest.raises(httpx.RemoteProtocolError):
        await fake.send({**TEXT, "biz_opaque_callback_data": "our-id"})
    assert [row["callback"] for row in await fake.log("sent")] == ["our-id"]
    await crm.until(3)
    assert crm.statuses() == ["sent", "delivered", "read"]


@pytest.mark.parametrize(
    ("action", "seen"), [({"cut": "before"}, httpx.RemoteProtocolError), ({"hang": True}, httpx.ReadTimeout)]
)
async def test_a_connection_cut_before_or_hanging_accepts_nothing(
    action: dict[str, Any], seen: type[Exception], crm: Crm, fake: Meta
) -> None:
    await fake.script({"action": action})
    with pytest.raises(seen):
        await fake.send(TEXT)
    assert await fake.log("sent") == []
    assert (await fake.send(TEXT)).status_code == 200


async def test_statuses_overtake_an_answer_that_is_delayed(crm: Crm, fake: Meta) -> None:
    await fake.script({"action": {"delayMs": 200}})
    slow = asyncio.create_task(fake.send(TEXT))
    await crm.until(3)
    assert not slow.done()
    assert (await slow).status_code == 200


async def test_rules_match_type_path_and_number_and_end_with_their_times(crm: Crm, fake: Meta) -> None:
    gateway = {"error": {"status": 502}}
    maintenance = {"error": {"status": 500, "code": 131057, "isTransient": True}}
    await fake.script(
        {"match": {"type": "image"}, "action": gateway},
        {"match": {"path": f"/{HOTEL}"}, "action": maintenance},
        {"times": 2, "action": gateway},
    )
    assert [(await fake.send(TEXT)).status_code for _ in range(3)] == [502, 502, 200]
    node = await fake.graph("GET", HOTEL)
    assert (node.status_code, node.json()["error"]["is_transient"]) == (500, True)


async def test_a_script_for_ever_ends_when_it_is_deleted(crm: Crm, fake: Meta) -> None:
    throttle = {"status": 429, "code": 130429, "headers": {"Retry-After": "7"}}
    await fake.script({"times": None, "action": {"error": throttle}})
    answers = [await fake.send(TEXT) for _ in range(3)]
    assert [answer.headers["Retry-After"] for answer in answers] == ["7"] * 3
    await fake.client.delete("/_fake/script")
    assert (await fake.send(TEXT)).status_code == 200


async def test_a_wrong_script_is_refused_with_the_field_named(crm: Crm, fake: Meta) -> None:
    answer = await fake.client.post("/_fake/script", json={"rules": [{"action": {"explode": True}}]})
    assert answer.status_code == 400
    assert "explode" in answer.text
