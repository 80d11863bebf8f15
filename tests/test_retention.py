"""What a hotel keeps no longer is blanked by night, once, whenever it came; what waits to be sent is not."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from crm.core import sql
from crm.core.rails import Rails
from crm.media.keeping import remove_of
from crm.privacy import forget_old
from crm.privacy.forgetting import forget_of
from ops.dev.home import Home
from tests.held import DOOR, FILE, UNHELD, holding
from tests.meta import becomes, script, send, told
from tests.people import Sql
from tests.system import Guest, Hotel, System, eventually, unique_phone
from tests.test_media import ended, held
from tests.test_media_look import picture
from tests.test_media_room import emptied
from tests.visitors import pointers


@pytest.fixture(scope="module")
async def hotel(system: System) -> Hotel:
    """Keeps messages for thirty days."""
    hotel = await system.hotel("Dunas")
    answer = await hotel.admin.patch("/api/tenant", json={"settings": {"retentionDays": 30}})
    assert answer.status_code == 200, answer.text
    return hotel


@pytest.fixture
def dora(hotel: Hotel) -> Guest:
    return Guest(hotel, unique_phone())


async def age(as_owner: Sql, message: dict[str, Any], days: int) -> None:
    """The message is from so many days ago."""
    older = "UPDATE messages SET created_at = created_at - $2 * INTERVAL '1 day' WHERE id = $1"
    await as_owner(older, message["id"], days)


async def night(laid: Rails, hotel: Hotel) -> int:
    return await forget_of(laid, UUID(hotel.id), lambda: True)


async def test_what_is_too_old_says_nothing_any_more_and_the_rest_does(
    laid: Rails, dora: Guest, system: System, as_owner: Sql
) -> None:
    data = picture("PNG", (8, 8)) + dora.wa_id.encode()
    media = await dora.writes(node={"type": "image", "image": {"id": await held(system, dora.hotel, data)}})
    await ended(dora.hotel, media)
    old, new = await dora.writes("Antiga"), await dora.writes("Nova")
    for message in (media, old):
        await age(as_owner, message, 31)
    await age(as_owner, new, 29)
    assert [await night(laid, dora.hotel) for _ in range(2)] == [2, 0]
    shown = [(message["id"], message["content"]) for message in await dora.history()]
    assert shown == [(new["id"], "Nova"), (old["id"], None), (media["id"], None)]
    await remove_of(laid, UUID(dora.hotel.id))
    assert await emptied(system, dora.hotel, data)


async def test_an_old_message_that_comes_in_after_the_night_goes_in_the_next(
    laid: Rails, dora: Guest, as_owner: Sql
) -> None:
    await night(laid, dora.hotel)
    await age(as_owner, await dora.writes("De outro sistema"), 400)
    assert (await night(laid, dora.hotel), (await dora.history())[0]["content"]) == (1, None)
    assert (await dora.conversation())["lastMessage"]["preview"] is None


async def test_what_waits_to_be_sent_stays_however_long_it_waits(laid: Rails, dora: Guest, as_owner: Sql) -> None:
    """In the hotel's first night, which looks at everything, and in the next, which looks at what came since."""
    await age(as_owner, await dora.writes(), 60)
    url = f"/api/conversations/{(await dora.conversation())['id']}/messages"
    later = {"content": "Feliz aniversário", "sendAt": (datetime.now(UTC) + timedelta(hours=20)).isoformat()}
    sent = (await dora.hotel.attendant.post(url, json=later)).json()
    await age(as_owner, sent, 60)
    await as_owner("DELETE FROM retentions WHERE tenant_id = $1", dora.hotel.id)
    assert [await night(laid, dora.hotel) for _ in range(2)] == [1, 0]
    [row] = await as_owner("SELECT content FROM messages WHERE id = $1", sent["id"])
    assert row["content"] == "Feliz aniversário"


async def test_what_failed_and_was_blanked_since_is_not_sent_again(
    laid: Rails, dora: Guest, system: System, as_owner: Sql
) -> None:
    """It was queued with no words, and held up its lane for half a minute."""
    await dora.writes()
    await script(system, dora.hotel, error={"status": 400, "code": 131026})
    failed = await becomes(dora.hotel, await send(dora.hotel, await dora.conversation()), "FAILED")
    await age(as_owner, failed, 31)
    assert await night(laid, dora.hotel) == 1
    answer = await dora.hotel.attendant.post(f"/api/messages/{failed['id']}/retry")
    assert (answer.status_code, "apagado" in answer.json()["detail"]) == (409, True)
    [row] = await as_owner("SELECT status FROM messages WHERE id = $1", failed["id"])
    assert row["status"] == "FAILED"


async def test_a_send_nobody_knows_the_end_of_goes_with_the_rest(
    laid: Rails, dora: Guest, system: System, as_owner: Sql
) -> None:
    """Nights passed it by, and whoever decided about it later kept its words for good."""
    await dora.writes()
    await script(system, dora.hotel, cut="after", status=False)
    message = await becomes(dora.hotel, await send(dora.hotel, await dora.conversation()), "UNCERTAIN")
    await age(as_owner, message, 31)
    await as_owner("UPDATE messages SET next_attempt_at = NULL WHERE id = $1", UUID(message["id"]))
    assert [await night(laid, dora.hotel) for _ in range(2)] == [1, 0]
    url = f"/api/messages/{message['id']}"
    answers = [await dora.hotel.attendant.post(f"{url}/{verb}") for verb in ("retry", "arrived")]
    assert [answer.status_code for answer in answers] == [409, 200]
    assert (answers[1].json()["status"], answers[1].json()["content"]) == ("SENT", None)


async def test_a_night_blanks_before_or_after_what_comes_in(
    laid: Rails, dora: Guest, home: Home, as_owner: Sql
) -> None:
    """Each held some of the conversations and waited for the other's. Now it waits at the door and holds none."""
    message = await dora.writes("Velha")
    await age(as_owner, message, 31)
    async with holding(home, DOOR, dora.hotel.id) as door:
        working = asyncio.create_task(night(laid, dora.hotel))
        await eventually(door.waits)
        assert len(await as_owner(UNHELD, message["id"])) == 1
    assert (await working, (await dora.history())[0]["content"]) == (1, None)


async def test_a_night_holds_a_file_before_its_message(
    laid: Rails, dora: Guest, system: System, home: Home, as_owner: Sql
) -> None:
    """Who fetches the file holds it, and then its message: each waited for the other, and one of them was ended."""
    data = picture("PNG", (8, 8)) + dora.wa_id.encode()
    message = await dora.writes(node={"type": "image", "image": {"id": await held(system, dora.hotel, data)}})
    file = await ended(dora.hotel, message)
    await age(as_owner, message, 31)
    async with holding(home, FILE, file["id"]) as fetching:
        working = asyncio.create_task(night(laid, dora.hotel))
        await eventually(fetching.waits)
        assert len(await as_owner(UNHELD, message["id"])) == 1
    assert (await working, (await dora.history())[0]["media"]["state"]) == (1, "DELETED")


LAST_NIGHT = """UPDATE retentions SET kept_since = now() - INTERVAL '40 days',
    seen_id = 'ffffffff-ffff-ffff-ffff-ffffffffffff' WHERE tenant_id = $1"""  # ten days ago; nothing came in since


async def test_what_left_the_list_as_it_was_goes_too(laid: Rails, dora: Guest, as_owner: Sql) -> None:
    """What a blocked guest writes, and a note: the newest message that the list shows may be of years ago."""
    await dora.writes("Olá")
    conversation = await dora.conversation()
    await dora.hotel.attendant.patch(f"/api/contacts/{conversation['contact']['id']}", json={"blocked": True})
    await told(dora.hotel, as_owner, dora.body(dora.message(text="Sou eu")))
    await dora.hotel.attendant.post(f"/api/conversations/{conversation['id']}/notes", json={"content": "De novo"})
    key = UUID(conversation["id"])
    await as_owner("UPDATE conversations SET last_message_at = now() - INTERVAL '1 year' WHERE id = $1", key)
    for table in ("messages", "conversation_entries"):
        past = f"UPDATE {table} SET created_at = now() - INTERVAL '35 days' WHERE conversation_id = $1"
        await as_owner(past, key)
    await night(laid, await _after_night(laid, dora.hotel, as_owner))
    said = "SELECT content FROM {} WHERE conversation_id = $1 AND content IS NOT NULL"
    assert [await as_owner(said.format(table), key) for table in ("messages", "conversation_entries")] == [[], []]


async def _after_night(laid: Rails, hotel: Hotel, as_owner: Sql) -> Hotel:
    """The hotel, which had its last night ten days ago."""
    async with laid.db.tenant(UUID(hotel.id)) as tx:
        await tx.none(sql.load("privacy").dawn, cut=datetime.now(UTC), seen=UUID(int=0))
    await as_owner(LAST_NIGHT, hotel.id)
    return hotel


async def test_what_is_canceled_after_its_term_goes_when_that_is_a_term_ago(
    laid: Rails, dora: Guest, as_owner: Sql
) -> None:
    """While it waited the nights passed it by."""
    await dora.writes()
    url = f"/api/conversations/{(await dora.conversation())['id']}/messages"
    later = {"content": "Parabéns", "sendAt": (datetime.now(UTC) + timedelta(hours=20)).isoformat()}
    message = (await dora.hotel.attendant.post(url, json=later)).json()
    await age(as_owner, message, 60)
    assert (await dora.hotel.attendant.delete(f"/api/messages/{message['id']}")).status_code == 204
    await age(as_owner, message, 31)
    await night(laid, await _after_night(laid, dora.hotel, as_owner))
    assert [one["content"] for one in await dora.history() if one["id"] == message["id"]] == [None]


async def test_a_night_is_worked_once_and_at_night(laid: Rails, dora: Guest, as_owner: Sql) -> None:
    work = partial(forget_old, laid, lambda: True)
    await night(laid, dora.hotel)
    await age(as_owner, await dora.writes("Velha"), 50)
    contents = []
    late = "UPDATE retentions SET ran_at = now() - INTERVAL '21 hours' WHERE tenant_id = $1"
    for hours, statement in (([*range(24)], "SELECT $1::uuid"), ([], late), ([*range(24)], "SELECT $1::uuid")):
        await as_owner(statement, dora.hotel.id)
        await work(hours)
        contents.append((await dora.history())[0]["content"])
    assert contents == ["Velha", "Velha", None]


async def test_less_than_thirty_days_or_no_number_is_refused(hotel: Hotel) -> None:
    for wrong in (29, 3651, "90", 40.5):
        answer = await hotel.admin.patch("/api/tenant", json={"settings": {"retentionDays": wrong}})
        assert (answer.status_code, pointers(answer)) == (422, {"/settings/retentionDays"})
