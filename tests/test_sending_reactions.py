"""Reactions: an emoji of ours on a message of the conversation, one at a time."""

from typing import Any

import pytest

from tests.meta import becomes, script, send, status, told
from tests.people import Sql
from tests.sends import arrive, ask
from tests.sockets import heard_by, listening
from tests.system import Guest, Hotel, System, unique_phone

NOBODY = "0198c0de-0000-7000-8000-000000000001"
AGED = "UPDATE messages SET created_at = now() - INTERVAL '31 days' WHERE id = $1"


@pytest.fixture
async def dora(hotel_a: Hotel) -> Guest:
    """A guest who has just written."""
    guest = Guest(hotel_a, unique_phone())
    await guest.writes()
    return guest


async def _shown(guest: Guest, message: dict[str, Any]) -> list[tuple[str, str]]:
    """The emoji that stand on a message, and whose they are."""
    [found] = [item for item in await guest.history() if item["id"] == message["id"]]
    return [(one["emoji"], one["by"]) for one in found["reactions"]]


@pytest.mark.parametrize("more", [{"type": "reaction"}, {}])
async def test_a_reaction_names_the_message_to_meta_and_quotes_nothing(
    more: dict[str, Any], dora: Guest, system: System
) -> None:
    target = (await dora.history())[0]
    message, taken = await arrive(dora, system, reaction={"messageId": target["id"], "emoji": "👍🏽"}, **more)
    assert taken == {"type": "reaction", "reaction": {"message_id": target["wamid"], "emoji": "👍🏽"}}
    assert (message["content"], message["replyTo"]) == ("[Reação] 👍🏽", target["id"])


async def test_a_reaction_stands_on_its_message_one_a_side(dora: Guest, as_owner: Sql) -> None:
    target = (await dora.history())[0]
    theirs = """UPDATE messages SET reactions = '[{"emoji": "🙏", "by": "contact", "at": "x"}]' WHERE id = $1"""
    await as_owner(theirs, target["id"])
    me = (await dora.hotel.attendant.get("/auth/me")).json()["user"]["id"]
    for emoji, ours in (("👍", [("👍", me)]), ("❤️", [("❤️", me)]), ("", [])):
        answer = await ask(dora, type="reaction", reaction={"messageId": target["id"], "emoji": emoji})
        assert answer.status_code == 201, answer.text
        assert await _shown(dora, target) == [("🙏", "contact"), *ours]


async def test_an_empty_emoji_takes_the_reaction_away_at_meta(dora: Guest, system: System) -> None:
    target = (await dora.history())[0]
    _, taken = await arrive(dora, system, type="reaction", reaction={"messageId": target["id"], "emoji": ""})
    assert taken["reaction"]["emoji"] == ""


async def test_everybody_hears_that_the_message_has_changed(dora: Guest) -> None:
    target = (await dora.history())[0]
    async with listening(dora.hotel.admin) as alice:
        await ask(dora, type="reaction", reaction={"messageId": target["id"], "emoji": "😀"})
        told = await alice.hear("message:updated")
    assert told["data"]["message"]["id"] == target["id"]
    assert [one["emoji"] for one in told["data"]["message"]["reactions"]] == ["😀"]


async def _react(guest: Guest, target: dict[str, Any], emoji: str) -> dict[str, Any]:
    """Bruno's reaction, once it is settled."""
    answer = await ask(guest, type="reaction", reaction={"messageId": target["id"], "emoji": emoji})
    assert answer.status_code == 201, answer.text
    return await becomes(guest.hotel, answer.json(), "SENT", "FAILED")


@pytest.mark.parametrize("action", ["error", "failure"])
async def test_a_reaction_that_fails_is_taken_off_until_it_is_sent_again(
    action: str, dora: Guest, system: System
) -> None:
    target = (await dora.history())[0]
    await _react(dora, target, "👍")
    refusal = {"code": 131009, "status": 400} if action == "error" else {"code": 131009, "title": "x"}
    await script(system, dora.hotel, to=f"+{dora.wa_id}", **{action: refusal})
    async with listening(dora.hotel.admin) as alice:
        failed = await _react(dora, target, "❤️")
        while failed["status"] != "FAILED":
            failed = await becomes(dora.hotel, failed, "FAILED")
        heard = [(await heard_by(alice, "message:updated", target["id"]))["data"]["message"] for _ in range(2)]
    assert [[one["emoji"] for one in message["reactions"]] for message in heard] == [["❤️"], ["👍"]]
    assert [emoji for emoji, _ in await _shown(dora, target)] == ["👍"]
    again = await dora.hotel.attendant.post(f"/api/messages/{failed['id']}/retry")
    assert again.status_code == 200, again.text
    assert [emoji for emoji, _ in await _shown(dora, target)] == ["❤️"]


async def test_a_reaction_that_fails_leaves_the_customers_and_a_newer_one(
    dora: Guest, system: System, as_owner: Sql
) -> None:
    target = (await dora.history())[0]
    theirs = """UPDATE messages SET reactions = '[{"emoji": "🙏", "by": "contact", "at": "x"}]' WHERE id = $1"""
    await as_owner(theirs, target["id"])
    first = await _react(dora, target, "👍")
    await _react(dora, target, "😀")
    failed = status(first["wamid"], "failed", errors=[{"code": 131009, "title": "x"}])
    await told(dora.hotel, as_owner, dora.hotel.envelope(statuses=[failed]))
    assert (await becomes(dora.hotel, first, "FAILED"))["error"]["code"] == 131009
    assert [emoji for emoji, _ in await _shown(dora, target)] == ["🙏", "😀"]


async def test_taking_a_reaction_away_that_fails_leaves_it_there(dora: Guest, system: System) -> None:
    target = (await dora.history())[0]
    await _react(dora, target, "👍")
    await script(system, dora.hotel, to=f"+{dora.wa_id}", error={"status": 400, "code": 131009})
    assert (await _react(dora, target, ""))["status"] == "FAILED"
    assert [emoji for emoji, _ in await _shown(dora, target)] == ["👍"]


async def test_our_own_messages_take_a_reaction_once_whatsapp_has_them(dora: Guest) -> None:
    ours = await becomes(dora.hotel, await send(dora.hotel, await dora.conversation()), "READ")
    answer = await ask(dora, type="reaction", reaction={"messageId": ours["id"], "emoji": "👍"})
    assert answer.status_code == 201


async def test_a_message_elsewhere_or_too_old_or_a_reaction_takes_none(dora: Guest, as_owner: Sql) -> None:
    other = Guest(dora.hotel, unique_phone())
    foreign, old = await other.writes(), (await dora.history())[0]
    made = await ask(dora, type="reaction", reaction={"messageId": old["id"], "emoji": "👍"})
    await becomes(dora.hotel, made.json(), "SENT")
    await as_owner(AGED, old["id"])
    for target in (foreign["id"], old["id"], made.json()["id"]):
        answer = await ask(dora, type="reaction", reaction={"messageId": target, "emoji": "👍"})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/reaction/messageId")


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"reaction": {"messageId": "eu", "emoji": "bom dia"}}, {"/reaction/messageId", "/reaction/emoji"}),
        ({"reaction": {"emoji": "👍" * 33}}, {"/reaction/messageId", "/reaction/emoji"}),
        (
            {"content": "x", "replyTo": "0198c0de-0000-7000-8000-000000000001"},
            {"/reaction", "/content", "/replyTo"},
        ),
    ],
)
async def test_a_wrong_reaction_is_refused_by_every_name(
    body: dict[str, Any], pointers: set[str], dora: Guest
) -> None:
    answer = await ask(dora, type="reaction", **body)
    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == pointers
