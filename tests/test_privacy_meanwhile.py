"""A person is erased while others are just writing to them, on them, or for them."""

import asyncio
from functools import partial
from uuid import UUID

import httpx
import pytest

from crm import messages
from crm.core.rails import Rails
from ops.dev.home import Home
from tests.held import HEAD, TALK, deadlocks, holding
from tests.meta import becomes, script, send
from tests.people import Sql
from tests.system import Guest, System, eventually
from tests.test_privacy_others import erased


@pytest.mark.parametrize("door", ["messages", "notes"])
async def test_who_is_erased_while_somebody_writes_to_or_on_them_is_erased_after_it(
    door: str, guest: Guest, alice: httpx.AsyncClient, home: Home, as_owner: Sql
) -> None:
    """What was written and not yet committed was not seen, and stayed for ever."""
    await guest.writes()
    hotel, talk = guest.hotel, await guest.conversation()
    async with holding(home, HEAD, hotel.id) as head:
        word = {"content": f"{guest.name}, CPF 123"}
        writing = asyncio.create_task(hotel.attendant.post(f"/api/conversations/{talk['id']}/{door}", json=word))
        await eventually(head.waits)
        erasing = asyncio.create_task(erased(alice, talk["contact"]["id"]))
        await eventually(partial(head.waiting, 2))
    assert ((await writing).status_code, (await erasing)["contacts"]) == (201, 1)
    written = "SELECT content FROM messages WHERE conversation_id = $1 UNION ALL"
    written += " SELECT content FROM conversation_entries WHERE conversation_id = $1"
    assert {row["content"] for row in await as_owner(written, talk["id"])} == {None}


async def test_what_is_sent_while_its_contact_is_erased_is_refused(
    guest: Guest, alice: httpx.AsyncClient, home: Home, as_owner: Sql
) -> None:
    await guest.writes()
    hotel, talk = guest.hotel, await guest.conversation()
    async with holding(home, TALK, UUID(talk["id"])) as held:
        erasing = asyncio.create_task(erased(alice, talk["contact"]["id"]))
        await eventually(held.waits)
        url, word = f"/api/conversations/{talk['id']}/messages", {"content": "CPF 123"}
        sending = asyncio.create_task(hotel.attendant.post(url, json=word))
        await eventually(partial(held.waiting, 2))
    assert ((await erasing)["messages"], (await sending).json()["code"]) == (1, "window_closed")
    loud = "SELECT FROM messages WHERE conversation_id = $1 AND content IS NOT NULL"
    assert await as_owner(loud, talk["id"]) == []


async def test_who_is_erased_while_a_stay_of_theirs_is_put_waits_for_it(
    guest: Guest, alice: httpx.AsyncClient, home: Home
) -> None:
    """The stay held its guest and then the stay, the erasure the stays and then the guest."""
    await guest.writes()
    contact, before = (await guest.conversation())["contact"]["id"], deadlocks(home)
    url, stay = f"/api/contacts/{contact}/stays/R1", {"checkIn": "2027-01-01", "checkOut": "2027-01-03"}
    assert (await alice.put(url, json=stay)).status_code == 200
    identities = "SELECT FROM contact_identities WHERE contact_id = $1 FOR UPDATE"
    async with holding(home, identities, contact) as held:  # between its stays and the contact itself
        erasing = asyncio.create_task(erased(alice, contact))
        await eventually(held.waits)
        putting = asyncio.create_task(alice.put(url, json={**stay, "checkOut": "2027-01-04"}))
        await eventually(partial(held.waiting, 2))
    assert ((await erasing)["contacts"], (await putting).status_code, deadlocks(home)) == (1, 200, before)


async def test_what_meta_refuses_for_now_is_not_tried_again_once_its_person_is_erased(
    guest: Guest, alice: httpx.AsyncClient, system: System
) -> None:
    await guest.writes()
    hotel, talk = guest.hotel, await guest.conversation()
    await script(system, hotel, delayMs=2500, error={"status": 503, "code": 131000, "message": "later"})
    message = await becomes(hotel, await send(hotel, talk), "SENDING")
    assert (await erased(alice, talk["contact"]["id"]))["messages"] == 2
    await becomes(hotel, message, "CANCELED")
    shown = (await alice.get(f"/api/conversations/{talk['id']}")).json()["lastMessage"]
    assert (shown["status"], shown["preview"]) == ("CANCELED", None)


async def test_what_is_given_back_untried_does_not_go_once_its_person_is_erased(
    guest: Guest, alice: httpx.AsyncClient, laid: Rails, as_owner: Sql
) -> None:
    await guest.writes()
    hotel, talk = guest.hotel, await guest.conversation()
    message = await becomes(hotel, await send(hotel, talk), "READ")
    sending = "UPDATE messages SET status = 'SENDING', lease_until = now() + INTERVAL '1 minute' WHERE id = $1"
    await as_owner(sending, UUID(message["id"]))
    await erased(alice, talk["contact"]["id"])
    claimed = messages.ClaimedRow(
        id=UUID(message["id"]), conversation_id=UUID(talk["id"]), channel_id=UUID(hotel.channel_id),
        contact_id=UUID(talk["contact"]["id"]), type="text", content="Sim", payload=None, media_id=None,
        media=None, reply_to_wamid=None, attempts=1, blocked=False,
    )  # fmt: skip
    async with laid.db.tenant(UUID(hotel.id)) as tx:
        [event] = await messages.put_back(tx, claimed, 5)
    assert event.data["status"] == "CANCELED"
    shown = (await alice.get(f"/api/conversations/{talk['id']}")).json()["lastMessage"]
    assert shown["status"] == "CANCELED"


async def test_who_is_erased_while_their_conversation_is_closed_and_tagged_waits_for_that(
    guest: Guest, alice: httpx.AsyncClient, home: Home
) -> None:
    """Its second change asked for the contact, which the erasure held while it waited for the conversation."""
    await guest.writes()
    hotel, talk, before = guest.hotel, await guest.conversation(), deadlocks(home)
    change = {"status": "CLOSED", "tags": ["vip"]}
    async with holding(home, HEAD, hotel.id) as head:
        changing = asyncio.create_task(hotel.attendant.patch(f"/api/conversations/{talk['id']}", json=change))
        await eventually(head.waits)
        erasing = asyncio.create_task(erased(alice, talk["contact"]["id"]))
        await eventually(partial(head.waiting, 2))
    answer = await changing
    assert (answer.status_code, answer.json()["status"], answer.json()["tags"]) == (200, "CLOSED", ["vip"])
    assert ((await erasing)["contacts"], deadlocks(home)) == (1, before)
