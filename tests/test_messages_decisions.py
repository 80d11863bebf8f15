"""What people decide about a message: send it again, it arrived, do not send it; and what is sent later."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from crm import outbound
from ops.dev.home import Home
from tests.held import holding
from tests.meta import accepted, becomes, now, script, send, status
from tests.people import Sql
from tests.sockets import listening
from tests.system import Guest, System, calling, eventually, unique_phone
from tests.visitors import pointers, told

pytestmark = pytest.mark.usefixtures("brisk")

AGO = "UPDATE messages SET next_attempt_at = now() - INTERVAL '1 second' WHERE id = $1 RETURNING 1"
CLOSE = "UPDATE conversations SET window_expires_at = now() - INTERVAL '1 second' WHERE id = $1 RETURNING 1"
RETRIED = """UPDATE messages SET status = 'QUEUED', error = NULL, failed_at = NULL, next_attempt_at = now(),
    retired_wamids = retired_wamids || wamid, wamid = NULL WHERE id = $1"""
TRIES = (
    "UPDATE messages SET attempts = $2, next_attempt_at = now() - INTERVAL '2 seconds' WHERE id = $1 RETURNING 1"
)


@pytest.fixture
async def dora(system: System) -> Guest:
    """A guest who has just written to a hotel that has no other."""
    guest = Guest(await system.hotel("Decide"), unique_phone())
    await guest.writes()
    return guest


async def decide(dora: Guest, message: dict[str, Any], verb: str) -> httpx.Response:
    return await dora.hotel.attendant.post(f"/api/messages/{message['id']}/{verb}")


async def uncertain(dora: Guest, system: System, cut: str = "before") -> dict[str, Any]:
    """A message nobody knows the end of."""
    await script(system, dora.hotel, cut=cut, status=False)
    return await becomes(dora.hotel, await send(dora.hotel, await dora.conversation(), "chegou?"), "UNCERTAIN")


async def offered(dora: Guest, system: System, as_owner: Sql, cut: str = "before") -> dict[str, Any]:
    """The same after a quarter of an hour."""
    message = await uncertain(dora, system, cut)
    await as_owner(AGO, message["id"])

    async def may_be_decided() -> dict[str, Any] | None:
        found = await now(dora.hotel, message)
        return found if found["error"]["action"] == "send_again_or_arrived" else None

    return await eventually(may_be_decided)


async def failed(dora: Guest, system: System, code: int = 131026) -> dict[str, Any]:
    """A message Meta refused."""
    await script(system, dora.hotel, error={"status": 400, "code": code})
    return await becomes(dora.hotel, await send(dora.hotel, await dora.conversation(), "de novo"), "FAILED")


async def test_an_uncertain_message_waits_a_quarter_of_an_hour_for_meta(dora: Guest, system: System) -> None:
    message = await uncertain(dora, system)
    assert message["error"]["action"] == "wait_15_minutes"
    for verb in ("retry", "arrived"):
        assert told(await decide(dora, message, verb)) == (409, "conflict")
    assert await accepted(system, dora.hotel) == []


async def test_then_everybody_is_told_that_a_person_may_decide(dora: Guest, system: System, as_owner: Sql) -> None:
    async with listening(dora.hotel.attendant) as ear:
        message = await offered(dora, system, as_owner)
        while (frame := await ear.hear("message:status"))["data"].get("error", {}).get("action") != (
            "send_again_or_arrived"
        ):
            pass
        assert (frame["data"]["messageId"], frame["data"]["status"]) == (message["id"], "UNCERTAIN")


async def test_send_again_sends_it_once_more(dora: Guest, system: System, as_owner: Sql) -> None:
    message = await offered(dora, system, as_owner)
    again = await decide(dora, message, "retry")
    assert (again.status_code, again.json()["status"], again.json()["error"]) == (200, "QUEUED", None)
    await becomes(dora.hotel, message, "READ")
    assert len(await accepted(system, dora.hotel)) == 1
    assert (await dora.conversation())["lastMessage"]["status"] == "READ"


async def test_it_arrived_is_believed_and_metas_statuses_go_on(dora: Guest, system: System, as_owner: Sql) -> None:
    message = await offered(dora, system, as_owner, cut="after")
    arrived = await decide(dora, message, "arrived")
    assert (arrived.json()["status"], arrived.json()["error"], bool(arrived.json()["sentAt"])) == (
        "SENT",
        None,
        True,
    )
    [taken] = await accepted(system, dora.hotel)
    node = status(taken["wamid"], "read", biz_opaque_callback_data=message["id"])
    await dora.hotel.webhook(dora.hotel.envelope(statuses=[node]))
    await becomes(dora.hotel, message, "READ")
    assert len(await accepted(system, dora.hotel)) == 1


async def test_of_many_who_decide_at_once_one_does(dora: Guest, system: System, as_owner: Sql) -> None:
    message = await offered(dora, system, as_owner)
    answers = await asyncio.gather(*(decide(dora, message, verb) for verb in ("retry", "arrived") * 3))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409, 409]


async def test_a_failed_message_is_sent_again(dora: Guest, system: System) -> None:
    message = await failed(dora, system)
    assert (await decide(dora, message, "retry")).json()["status"] == "QUEUED"
    sent = await becomes(dora.hotel, message, "READ")
    assert (sent["error"], sent["failedAt"]) == (None, None)


async def test_a_late_status_of_the_first_try_does_not_touch_the_second(dora: Guest, system: System) -> None:
    await script(system, dora.hotel, failure={"code": 131026, "title": "Undeliverable", "details": "x"})
    message = await becomes(dora.hotel, await send(dora.hotel, await dora.conversation()), "FAILED")
    first = message["wamid"]
    await script(system, dora.hotel, delayMs=600, status=False)
    await decide(dora, message, "retry")
    node = status(first, "failed", biz_opaque_callback_data=message["id"], errors=[{"code": 131026, "title": "x"}])
    for _ in range(2):
        await dora.hotel.webhook(dora.hotel.envelope(statuses=[node]))
    sent = await becomes(dora.hotel, message, "SENT")
    assert (sent["wamid"] != first, sent["error"]) == (True, None)


async def test_a_late_status_of_an_uncertain_try_does_not_touch_the_one_sent_again(
    dora: Guest, system: System, as_owner: Sql
) -> None:
    message = await offered(dora, system, as_owner, cut="after")
    await script(system, dora.hotel, status=False)
    await decide(dora, message, "retry")
    sent = await becomes(dora.hotel, message, "SENT")
    first, second = [taken["wamid"] for taken in await accepted(system, dora.hotel)]
    node = status(first, "failed", biz_opaque_callback_data=message["id"], errors=[{"code": 131026, "title": "x"}])
    await dora.hotel.webhook(dora.hotel.envelope(statuses=[node]))
    await dora.hotel.webhook(dora.hotel.envelope(statuses=[status(second, "read")]))
    assert (sent["wamid"], (await becomes(dora.hotel, message, "READ", "FAILED"))["status"]) == (second, "READ")


async def test_a_status_of_the_first_try_that_comes_during_the_retry_does_not_touch_the_second(
    dora: Guest, system: System, home: Home
) -> None:
    """The retry is not committed yet when Meta tells once more, without our id, that the first try failed."""
    await script(system, dora.hotel, failure={"code": 131026, "title": "Undeliverable", "details": "x"})
    message = await becomes(dora.hotel, await send(dora.hotel, await dora.conversation()), "FAILED")
    await script(system, dora.hotel, status=False)
    node = status(message["wamid"], "failed", errors=[{"code": 131026, "title": "x"}])
    async with holding(home, RETRIED, message["id"]) as retry:
        await dora.hotel.webhook(dora.hotel.envelope(statuses=[node]))
        await eventually(retry.waits, 20)
    sent = await becomes(dora.hotel, message, "SENT", "FAILED")
    assert (sent["status"], sent["wamid"] != message["wamid"], sent["error"]) == ("SENT", True, None)


async def test_a_message_that_exhausts_its_tries_is_a_dead_letter_and_may_be_put_back(
    dora: Guest, system: System, as_owner: Sql
) -> None:
    await script(system, dora.hotel, times=2, error={"status": 503, "code": 131016, "message": "Fora"})
    message = await send(dora.hotel, await dora.conversation(), "insiste")
    queued = "SELECT 1 FROM messages WHERE id = $1 AND status = 'QUEUED' AND attempts = 1"
    await eventually(lambda: as_owner(queued, message["id"]))
    await as_owner(TRIES, message["id"], outbound.TRIES - 1)
    assert (await becomes(dora.hotel, message, "FAILED"))["error"]["code"] == 131016
    [letter] = (await dora.hotel.admin.get("/api/dead-letters")).json()["data"]
    assert (letter["kind"], letter["about"]) == ("outbound.message", message["id"])
    assert letter["item"]["error"]["code"] == 131016
    put_back = await dora.hotel.admin.post(f"/api/dead-letters/{letter['id']}/retry")
    assert (put_back.status_code, put_back.json()["status"]) == (200, "RETRIED")
    await becomes(dora.hotel, message, "READ")


async def test_retrying_the_message_ends_its_letter_too(dora: Guest, system: System, as_owner: Sql) -> None:
    await script(system, dora.hotel, times=2, error={"status": 503, "code": 131016})
    message = await send(dora.hotel, await dora.conversation())
    queued = "SELECT 1 FROM messages WHERE id = $1 AND status = 'QUEUED' AND attempts = 1"
    await eventually(lambda: as_owner(queued, message["id"]))
    await as_owner(TRIES, message["id"], outbound.TRIES - 1)
    await becomes(dora.hotel, message, "FAILED")
    await decide(dora, message, "retry")
    await becomes(dora.hotel, message, "READ")
    assert (await dora.hotel.admin.get("/api/dead-letters")).json()["data"] == []


async def test_outside_the_window_nothing_is_sent_again(dora: Guest, system: System, as_owner: Sql) -> None:
    message = await failed(dora, system)
    await as_owner(CLOSE, message["conversationId"])
    assert told(await decide(dora, message, "retry")) == (409, "window_closed")
    assert (await now(dora.hotel, message))["status"] == "FAILED"


async def test_what_is_sent_received_or_unknown_is_not_decided(dora: Guest, system: System) -> None:
    sent = await becomes(dora.hotel, await send(dora.hotel, await dora.conversation()), "READ")
    received = (await dora.history())[-1]
    assert received["direction"] == "INBOUND"
    for verb in ("retry", "arrived"):
        assert told(await decide(dora, sent, verb)) == (409, "conflict")
        assert told(await decide(dora, received, verb)) == (404, "not_found")
    assert told(await dora.hotel.attendant.delete(f"/api/messages/{sent['id']}")) == (409, "conflict")


# -- a channel that must rest


async def test_a_token_that_ran_out_stops_the_number_until_a_new_one_comes(dora: Guest, system: System) -> None:
    await script(system, dora.hotel, times=None, error={"status": 401, "code": 190, "message": "Expired"})
    conversation = await dora.conversation()
    sends = [await send(dora.hotel, conversation, text) for text in ("um", "dois")]

    async def rests() -> dict[str, Any] | None:
        [channel] = (await dora.hotel.admin.get("/api/channels?limit=100")).json()["data"]
        return channel["paused"]

    paused = await eventually(rests)
    assert (paused["until"], paused["error"]["code"], paused["error"]["action"]) == (None, 190, "update_token")
    await asyncio.sleep(2.5)  # two sweeps: nobody asks Meta again
    async with calling() as client:
        await client.delete(f"{system.graph_url}/_fake/script")
    assert [(await now(dora.hotel, each))["status"] for each in sends] == ["QUEUED", "QUEUED"]
    token = {"whatsappAccessToken": f"token-of-{dora.hotel.number_id}"}
    await dora.hotel.admin.patch(f"/api/channels/{dora.hotel.channel_id}", json=token)
    await becomes(dora.hotel, sends[-1], "READ")
    assert [taken["body"]["text"]["body"] for taken in await accepted(system, dora.hotel)] == ["um", "dois"]


async def test_a_throttled_number_rests_and_no_message_loses_a_try(
    dora: Guest, system: System, as_owner: Sql
) -> None:
    await script(system, dora.hotel, error={"status": 429, "code": 130429, "headers": {"Retry-After": "30"}})
    message = await send(dora.hotel, await dora.conversation())
    rests = """SELECT extract(EPOCH FROM paused_until - now())::float8 AS left FROM channels
               WHERE id = $1 AND pause IS NOT NULL"""
    [row] = await eventually(lambda: as_owner(rests, dora.hotel.channel_id))
    assert 25 < row["left"] <= 45
    [tries] = await as_owner("SELECT attempts, status FROM messages WHERE id = $1", message["id"])
    assert (tries["attempts"], tries["status"]) == (0, "QUEUED")
    resumed = await dora.hotel.admin.post(f"/api/channels/{dora.hotel.channel_id}/resume")
    assert resumed.json()["paused"] is None
    await becomes(dora.hotel, message, "READ")


async def test_a_limit_of_the_account_rests_all_its_numbers(dora: Guest, system: System, as_owner: Sql) -> None:
    other = await system.channel(dora.hotel.admin, f"{dora.hotel.number_id}9", dora.hotel.waba_id)
    await script(system, dora.hotel, error={"status": 400, "code": 80007})
    await send(dora.hotel, await dora.conversation())
    rests = "SELECT id FROM channels WHERE tenant_id = $1 AND paused_until > now() + INTERVAL '55 seconds'"

    async def both() -> bool:
        found = {str(row["id"]) for row in await as_owner(rests, dora.hotel.id)}
        return found == {dora.hotel.channel_id, other["id"]}

    await eventually(both)


async def test_a_clock_that_was_set_back_holds_up_nothing(dora: Guest, system: System, as_owner: Sql) -> None:
    """What was to wait until a moment that the clock has left behind waits no longer than an hour."""
    await script(system, dora.hotel, error={"status": 503, "code": 131016})
    message = await send(dora.hotel, await dora.conversation())
    ahead = """UPDATE messages SET next_attempt_at = now() + INTERVAL '3 hours'
               WHERE id = $1 AND status = 'QUEUED' AND attempts = 1 RETURNING 1"""
    await eventually(lambda: as_owner(ahead, message["id"]))
    await becomes(dora.hotel, message, "READ")


# -- later


def at(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


async def scheduled(dora: Guest, seconds: float, content: str = "depois") -> dict[str, Any]:
    return await send(dora.hotel, await dora.conversation(), content, sendAt=at(seconds))


async def test_a_scheduled_message_is_sent_when_its_time_has_come(dora: Guest, system: System) -> None:
    before = await dora.conversation()
    message = await scheduled(dora, 1.5)
    assert (message["status"], bool(message["sendAt"])) == ("SCHEDULED", True)
    assert (await dora.conversation())["lastMessage"]["id"] == before["lastMessage"]["id"]
    first = await send(dora.hotel, before, "antes")
    sent = await becomes(dora.hotel, message, "READ")
    assert [taken["body"]["text"]["body"] for taken in await accepted(system, dora.hotel)] == ["antes", "depois"]
    assert sent["createdAt"] > first["createdAt"]
    assert (await dora.conversation())["lastMessage"]["id"] == message["id"]


async def test_what_is_scheduled_is_listed_the_next_first_and_may_be_cancelled(dora: Guest) -> None:
    made = [await scheduled(dora, seconds) for seconds in (7200, 3600, 10800)]
    url = "/api/messages/scheduled"
    first = (await dora.hotel.attendant.get(url, params={"limit": 2})).json()
    rest = (
        await dora.hotel.attendant.get(url, params={"limit": 2, "cursor": first["pagination"]["nextCursor"]})
    ).json()
    assert [item["id"] for item in first["data"] + rest["data"]] == [made[1]["id"], made[0]["id"], made[2]["id"]]
    assert first["pagination"]["total"] == 3
    gone = await dora.hotel.attendant.delete(f"/api/messages/{made[1]['id']}")
    assert (gone.status_code, (await now(dora.hotel, made[1]))["status"]) == (204, "CANCELED")
    assert told(await dora.hotel.attendant.delete(f"/api/messages/{made[1]['id']}")) == (409, "conflict")
    assert (await dora.hotel.attendant.get(url)).json()["pagination"]["total"] == 2


async def test_a_schedule_outside_the_window_is_refused(dora: Guest) -> None:
    url = f"/api/conversations/{(await dora.conversation())['id']}/messages"
    answer = await dora.hotel.attendant.post(url, json={"content": "x", "sendAt": at(25 * 3600)})
    assert told(answer) == (409, "window_closed")


async def test_a_schedule_whose_window_closes_before_it_is_due_fails_and_says_why(
    dora: Guest, system: System, as_owner: Sql
) -> None:
    message = await scheduled(dora, 1)
    await as_owner(CLOSE, message["conversationId"])
    late = await becomes(dora.hotel, message, "FAILED")
    assert (late["error"]["code"], late["error"]["action"]) == (131047, "send_template")
    assert await accepted(system, dora.hotel) == []


@pytest.mark.parametrize("when", ["2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z", "2026-12-01T10:00:00", "soon", 5])
async def test_a_time_that_is_no_time_to_come_is_refused(dora: Guest, when: Any) -> None:
    url = f"/api/conversations/{(await dora.conversation())['id']}/messages"
    assert pointers(await dora.hotel.attendant.post(url, json={"content": "x", "sendAt": when})) == {"/sendAt"}
