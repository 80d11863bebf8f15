"""What is to be sent later: seen as a calendar, changed while it waits, never past its window but by template."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from crm import messages
from crm.core.rails import Rails
from ops.dev.home import Home
from tests.held import TALK, deadlocks, holding
from tests.meta import accepted, becomes, send, status
from tests.people import Sql
from tests.system import Guest, System, eventually, unique_phone

URL = "/api/messages/scheduled"
OVERDUE = """
    INSERT INTO messages (tenant_id, conversation_id, channel_id, direction, type, status, content, send_at)
    SELECT c.tenant_id, c.id, c.channel_id, 'OUTBOUND', 'text', 'SCHEDULED', place::text,
        now() - INTERVAL '1 hour' + place * INTERVAL '1 second'
    FROM conversations AS c, generate_series($3::int, 1, -1) AS place
    WHERE c.tenant_id = $1 AND c.id = $2 ORDER BY place DESC"""


def at(hours: float) -> str:
    """So many hours from now, as exact as answers tell it: what is cut off would hide an end that is inclusive."""
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat(timespec="milliseconds")


@pytest.fixture
async def dora(guest: Guest) -> Guest:
    """A customer who has just written."""
    await guest.writes()
    return guest


async def later(dora: Guest, hours: float, **more: Any) -> dict[str, Any]:
    """A message to be sent in so many hours."""
    return await send(dora.hotel, await dora.conversation(), "depois", sendAt=at(hours), **more)


async def test_a_calendar_shows_what_is_to_be_sent_from_a_moment_until_before_another(dora: Guest) -> None:
    made = [await later(dora, hours) for hours in (5.1, 5.3, 5.2)]
    ids = {message["id"] for message in made}
    stretch = {"from": made[0]["sendAt"], "to": made[1]["sendAt"], "limit": 1}
    shown: list[str] = []
    while True:
        page = (await dora.hotel.attendant.get(URL, params=stretch)).json()
        shown += [item["id"] for item in page["data"] if item["id"] in ids]
        if not (cursor := page["pagination"]["nextCursor"]):
            break
        stretch["cursor"] = cursor
    assert shown == [made[0]["id"], made[2]["id"]]


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
async def test_a_time_outside_the_calendar_is_named_wherever_one_is_taken(dora: Guest, at: str) -> None:
    history = f"/api/conversations/{(await dora.conversation())['id']}/messages"
    asked = [
        (URL, "from"),
        (URL, "to"),
        (history, "at"),
        ("/api/messages/search", "from"),
        ("/api/messages/search", "to"),
    ]
    for url, name in asked:
        words = {"q": "oi"} if "search" in url else {}
        answer = await dora.hotel.attendant.get(url, params={name: at, **words})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, f"/{name}")


@pytest.mark.parametrize("verb", ["suspend", "cancel"])
async def test_what_falls_due_while_its_hotel_is_stopped_is_not_sent_until_a_person_says_so(
    verb: str, system: System, as_owner: Sql
) -> None:
    dora = Guest(await system.hotel("Pausa"), unique_phone())
    await dora.writes()
    message = await later(dora, 5)
    url = f"/api/tenants/{dora.hotel.id}"
    assert (await system.root.post(f"{url}/{verb}")).status_code == 200
    await as_owner("UPDATE messages SET send_at = now() WHERE id = $1", UUID(message["id"]))
    await eventually(
        lambda: as_owner("SELECT 1 FROM messages WHERE id = $1 AND status = 'FAILED'", UUID(message["id"]))
    )
    assert (await system.root.post(f"{url}/activate")).status_code == 200
    error = (await becomes(dora.hotel, message, "FAILED"))["error"]
    assert ("suspended" in error["title"], "suspenso" in error["detail"]) == (True, True)
    assert await accepted(system, dora.hotel) == []
    assert (await dora.hotel.attendant.post(f"/api/messages/{message['id']}/retry")).status_code == 200
    await becomes(dora.hotel, message, "READ")


async def test_the_time_and_the_text_of_what_waits_can_be_changed(dora: Guest) -> None:
    message = await later(dora, 5)
    change = {"sendAt": at(6), "content": "mais tarde"}
    answer = await dora.hotel.attendant.patch(f"/api/messages/{message['id']}", json=change)
    assert (answer.status_code, answer.json()["content"]) == (200, "mais tarde")
    assert answer.json()["sendAt"][:19] == change["sendAt"][:19]
    soon = {"sendAt": at(1 / 3600)}
    assert (await dora.hotel.attendant.patch(f"/api/messages/{message['id']}", json=soon)).status_code == 200
    assert (await becomes(dora.hotel, message, "READ"))["content"] == "mais tarde"
    refused = await dora.hotel.attendant.patch(f"/api/messages/{message['id']}", json=change)
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")


async def test_a_time_past_the_window_is_refused_and_says_so(dora: Guest) -> None:
    message, conversation = await later(dora, 5), await dora.conversation()
    late = {"sendAt": at(30)}
    url = f"/api/conversations/{conversation['id']}/messages"
    for answer in (
        await dora.hotel.attendant.post(url, json={"content": "x", **late}),
        await dora.hotel.attendant.patch(f"/api/messages/{message['id']}", json=late),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "window_closed")
        assert "windowExpiresAt" in answer.json()["detail"]


async def test_what_cannot_be_changed_is_named(dora: Guest) -> None:
    place = {"latitude": -27.6, "longitude": -48.5}
    conversation = await dora.conversation()
    body = {"type": "location", "location": place, "sendAt": at(5)}
    made = await dora.hotel.attendant.post(f"/api/conversations/{conversation['id']}/messages", json=body)
    url = f"/api/messages/{made.json()['id']}"
    for change, pointer in (({"content": "x"}, "/content"), ({"sendAt": "2020-01-01T00:00:00Z"}, "/sendAt")):
        answer = await dora.hotel.attendant.patch(url, json=change)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    inbound = (await dora.history())[-1]
    assert (await dora.hotel.attendant.patch(f"/api/messages/{inbound['id']}", json={})).status_code == 404


async def test_what_falls_due_together_goes_in_the_order_of_its_times(
    dora: Guest, system: System, as_owner: Sql
) -> None:
    """However the rows lie in the table: here the last one lies first."""
    conversation = (await dora.conversation())["id"]
    await as_owner(OVERDUE, dora.hotel.id, conversation, 40)
    mine = lambda rows: [row["body"]["text"]["body"] for row in rows if row["to"] == f"+{dora.wa_id}"]  # noqa: E731

    async def sent() -> list[str] | None:
        texts = mine(await accepted(system, dora.hotel))
        return texts if len(texts) == 40 else None

    assert await eventually(sent, 30) == [str(place) for place in range(1, 41)]


async def test_while_one_worker_takes_what_is_due_of_a_hotel_another_takes_none_of_it(
    dora: Guest, system: System, laid: Rails, as_owner: Sql
) -> None:
    """Two batches at once would part a conversation, and whichever was committed first would be sent first."""
    hotel, conversation = UUID(dora.hotel.id), (await dora.conversation())["id"]
    async with laid.db.tenant(hotel) as first:
        await messages.fall_due(first)
        await as_owner(OVERDUE, hotel, conversation, 3)
        async with laid.db.tenant(hotel) as second:
            assert await messages.fall_due(second) == ([], [])
        assert len((await messages.fall_due(first))[1]) == 4
        before = "SELECT 1 FROM messages WHERE conversation_id = $1 AND status = 'SCHEDULED' HAVING count(*) = 3"
        assert await as_owner(before, conversation)


async def test_what_falls_due_opens_a_closed_conversation_again_and_says_so(dora: Guest) -> None:
    message, conversation = await later(dora, 1.5 / 3600), await dora.conversation()
    url = f"/api/conversations/{conversation['id']}"
    assert (await dora.hotel.attendant.post(f"{url}/close")).status_code == 200
    await becomes(dora.hotel, message, "READ")
    assert (await dora.conversation())["status"] == "OPEN"
    timeline = (await dora.hotel.attendant.get(f"{url}/timeline")).json()["data"]
    assert [(entry["type"], entry["by"] is None) for entry in timeline] == [("reopened", True), ("closed", False)]


async def test_of_two_closed_conversations_of_a_guest_that_fall_due_the_last_one_opens(
    dora: Guest, as_owner: Sql
) -> None:
    """Both opened at once are one too many for the table: nothing of the hotel's fell due any more."""
    hotel, talks = dora.hotel, []
    assert (await hotel.admin.patch("/api/tenant", json={"settings": {"reopenHours": 0}})).status_code == 200
    for _ in range(2):
        await dora.writes()
        talks.append((await dora.conversation())["id"])
        assert (await hotel.attendant.post(f"/api/conversations/{talks[-1]}/close")).status_code == 200
    due = "INSERT INTO messages (tenant_id, conversation_id, channel_id, direction, type, status, content, send_at)"
    each = "SELECT tenant_id, id, channel_id, 'OUTBOUND', 'text', 'SCHEDULED', 'já', now() FROM conversations"
    made = await as_owner(f"{due} {each} WHERE id = ANY($1::uuid[]) RETURNING id, conversation_id", talks)
    for message, talk in made:
        await becomes(hotel, {"id": str(message), "conversationId": str(talk)}, "READ")
    stand = [(await hotel.attendant.get(f"/api/conversations/{talk}")).json()["status"] for talk in talks]
    assert stand == ["CLOSED", "OPEN"]


async def test_what_falls_due_and_what_comes_in_do_not_wait_for_each_other(
    dora: Guest, home: Home, as_owner: Sql
) -> None:
    """Both change both: a status in the later conversation and a message in the first, and what is due in each."""
    hotel, elias, before = dora.hotel, Guest(dora.hotel, unique_phone(), "Elias"), deadlocks(home)
    await elias.writes()
    talks = [await dora.conversation(), await elias.conversation()]
    ours = await becomes(hotel, await send(hotel, talks[1]), "READ")
    node, played = dora.message(), [status(ours["wamid"], "played")]
    async with holding(home, TALK, UUID(talks[0]["id"])) as held:
        for talk in talks:
            await as_owner(OVERDUE, hotel.id, talk["id"], 1)
        await eventually(held.waits)
        body = hotel.envelope(contacts=[dora.profile()], messages=[node], statuses=played)
        assert (await hotel.webhook(body)).status_code == 200
        await eventually(partial(held.waiting, 2))
    await eventually(partial(dora.seen, node["id"]))
    await becomes(hotel, ours, "PLAYED")
    assert deadlocks(home) == before
