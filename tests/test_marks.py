"""Reactions, edits and deletions stand on the message they are about, in whatever order Meta tells of them."""

import asyncio
import json
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from ops.dev.home import Home
from tests.held import TALK, deadlocks, holding
from tests.meta import becomes, send, told
from tests.people import Sql
from tests.system import Guest, Hotel, eventually, unique_phone


@pytest.fixture
async def guest(hotel_a: Hotel) -> Guest:
    return Guest(hotel_a, unique_phone())


def reaction(target: str, emoji: str | None, at: int = 1795471200) -> dict[str, Any]:
    node = {"message_id": target} | ({} if emoji is None else {"emoji": emoji})
    return {"type": "reaction", "reaction": node, "timestamp": str(at)}


def edit(target: str, text: str) -> dict[str, Any]:
    inner = {"context": {"id": "M0"}, "type": "text", "text": {"body": text}}
    return {"type": "edit", "edit": {"original_message_id": target, "message": inner}}


async def stands(guest: Guest, wamid: str) -> dict[str, Any]:
    """The message as it stands now."""
    return dict(await eventually(lambda: guest.seen(wamid)))


async def test_a_customers_reaction_to_our_message_is_added_changed_and_removed_both_ways(guest: Guest) -> None:
    await guest.writes()
    ours = await becomes(guest.hotel, await send(guest.hotel, await guest.conversation()), "READ")
    seen = []
    for at, emoji in enumerate(["👍", "❤️", None, "😂", ""]):
        await guest.writes(node=reaction(ours["wamid"], emoji, 1795471200 + at))
        seen.append([one["emoji"] for one in (await stands(guest, ours["wamid"]))["reactions"]])
    assert seen == [["👍"], ["❤️"], [], ["😂"], []]


async def test_a_reaction_that_comes_late_does_not_bring_back_what_was_removed(guest: Guest) -> None:
    first = await guest.writes()
    await guest.writes(node=reaction(first["wamid"], "", 1795471300))
    await guest.writes(node=reaction(first["wamid"], "👍", 1795471200))
    assert (await stands(guest, first["wamid"]))["reactions"] == []


async def test_each_of_a_group_reacts_and_takes_back_the_own_reaction_alone(guest: Guest, as_owner: Sql) -> None:
    group, said = {"group_id": f"group-{guest.wa_id}"}, guest.message(text="para todos")
    beto = Guest(guest.hotel, unique_phone(), "Beto")
    await told(guest.hotel, as_owner, guest.body({**said, **group}))
    seen = []
    for at, (who, emoji) in enumerate([(guest, "👍"), (beto, "❤️"), (beto, ""), (guest, "😂")]):
        node = who.message(reaction(said["id"], emoji, 1795471200 + at))
        await told(guest.hotel, as_owner, who.body({**node, **group}))
        [row] = await as_owner("SELECT reactions FROM messages WHERE wamid = $1", said["id"])
        stand = json.loads(row["reactions"])
        seen.append([one["emoji"] for one in stand if one["emoji"]])
        assert {one["by"] for one in stand} == {"contact"}
    assert seen == [["👍"], ["👍", "❤️"], ["👍"], ["😂"]]


async def test_an_edit_takes_the_place_of_the_text_and_keeps_the_row_of_its_own(guest: Guest) -> None:
    first = await guest.writes("um quarto")
    mark = await guest.writes(node=edit(first["wamid"], "dois quartos"))
    found = await stands(guest, first["wamid"])
    assert (found["content"], bool(found["editedAt"])) == ("dois quartos", True)
    assert mark["payload"]["edit"]["original_message_id"] == first["wamid"]


async def test_a_deleted_message_says_so(guest: Guest) -> None:
    first = await guest.writes()
    await guest.writes(node={"type": "revoke", "revoke": {"original_message_id": first["wamid"]}})
    assert (await stands(guest, first["wamid"]))["revokedAt"]


@pytest.mark.parametrize("kind", ["edit", "revoke", "reaction"])
async def test_a_mark_that_comes_before_its_message_is_put_on_it_later(kind: str, guest: Guest) -> None:
    late = guest.message(text="um")
    nodes = {
        "edit": edit(late["id"], "dois"),
        "revoke": {"type": "revoke", "revoke": {"original_message_id": late["id"]}},
        "reaction": reaction(late["id"], "👍"),
    }
    await guest.writes(node=nodes[kind])
    assert (await guest.hotel.webhook(guest.body(late))).status_code == 200
    found = await stands(guest, late["id"])
    marked = {"edit": found["editedAt"], "revoke": found["revokedAt"], "reaction": found["reactions"]}
    assert {name for name, mark in marked.items() if mark} == {kind}


async def test_a_mark_is_told_to_those_who_watch(guest: Guest, as_owner: Sql) -> None:
    first = await guest.writes()
    await guest.writes(node=reaction(first["wamid"], "👍"))
    query = "SELECT data FROM feed_events WHERE tenant_id = $1 AND event = 'message:updated' AND data LIKE $2"
    assert len(await as_owner(query, guest.hotel.id, f"%{first['id']}%👍%")) == 1


async def test_a_reaction_from_the_phone_app_is_the_hotels(guest: Guest, as_owner: Sql) -> None:
    first = await guest.writes()
    await guest.writes(node=reaction(first["wamid"], "🙏"))
    node = {**guest.message(node=reaction(first["wamid"], "👍")), "from": "15550783881", "to": guest.wa_id}
    body = guest.hotel.envelope(message_echoes=[node])
    body["entry"][0]["changes"][0]["field"] = "smb_message_echoes"
    await told(guest.hotel, as_owner, body)
    shown = {one["emoji"]: one["by"] for one in (await stands(guest, first["wamid"]))["reactions"]}
    assert shown == {"🙏": "contact", "👍": "phone"}


async def test_the_same_reaction_told_twice_at_once_stands_once(guest: Guest, as_owner: Sql) -> None:
    first = await guest.writes()
    body = guest.body(guest.message(node=reaction(first["wamid"], "👍")))
    await asyncio.gather(told(guest.hotel, as_owner, body), guest.hotel.webhook(body))
    found = await eventually(lambda: stands(guest, first["wamid"]))
    assert [one["emoji"] for one in found["reactions"]] == ["👍"]


async def test_who_reacts_to_what_the_customer_just_edits_gets_both(guest: Guest, home: Home) -> None:
    """Who reacts holds the message and waits for the conversation, which the edit held before the message."""
    first, talk = await guest.writes("um quarto"), await guest.conversation()
    mark, before = guest.message(edit(first["wamid"], "dois quartos")), deadlocks(home)
    url, hand = f"/api/conversations/{talk['id']}/messages", {"messageId": first["id"], "emoji": "👍"}
    async with holding(home, TALK, UUID(talk["id"])) as held:
        assert (await guest.hotel.webhook(guest.body(mark))).status_code == 200
        await eventually(held.waits)
        reacting = asyncio.create_task(guest.hotel.attendant.post(url, json={"type": "reaction", "reaction": hand}))
        await eventually(partial(held.waiting, 2))
    assert (await reacting).status_code == 201
    await eventually(partial(guest.seen, mark["id"]))
    found = await stands(guest, first["wamid"])
    assert (found["content"], [one["emoji"] for one in found["reactions"]]) == ("dois quartos", ["👍"])
    assert deadlocks(home) == before
