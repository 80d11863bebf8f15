"""What could not be worked: kept once, listed for those it belongs to, tried again or discarded by a person."""

import asyncio
from typing import Any

import httpx
import msgspec
import pytest

from crm import envelope
from crm.dead_letters import name_of
from tests.meta import dead_letter
from tests.people import Sql
from tests.system import Guest, System, eventually, unique_phone
from tests.visitors import told

OURS, ALL = "/api/dead-letters", "/api/admin/dead-letters"


@pytest.fixture
async def dora(system: System) -> Guest:
    """A guest of a hotel without letters."""
    return Guest(await system.hotel("Cartas"), unique_phone())


async def letters(client: httpx.AsyncClient, **params: Any) -> list[dict[str, Any]]:
    answer = await client.get(OURS, params={"limit": 100, **params})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


async def test_a_letter_says_what_why_how_often_and_since_when(dora: Guest) -> None:
    letter = await dead_letter(dora)
    [found] = await letters(dora.hotel.admin)
    assert (found["id"], found["kind"], found["status"], found["attempts"]) == (
        letter,
        "inbound.message",
        "WAITING",
        1,
    )
    assert (found["tenantId"], found["about"]) == (dora.hotel.id, found["item"]["node"]["id"])
    assert "a message without id or sender" in found["error"]
    assert found["firstAt"] == found["lastAt"]
    assert (found["endedAt"], found["endedBy"]) == (None, None)


async def test_the_same_poison_again_is_the_same_letter_once_more(dora: Guest) -> None:
    await dead_letter(dora)
    [found] = await letters(dora.hotel.admin)
    assert (await dora.hotel.webhook(dora.body(found["item"]["node"]))).status_code == 200

    async def twice() -> bool:
        return [letter["attempts"] for letter in await letters(dora.hotel.admin)] == [2]

    await eventually(twice)


async def test_a_letter_whose_cause_is_mended_is_worked_like_any_message(dora: Guest, as_owner: Sql) -> None:
    letter = await dead_letter(dora)
    mended = """UPDATE dead_letters SET item = jsonb_set(item, '{node,from}', to_jsonb($2::text))
                WHERE id = $1 RETURNING 1"""
    await as_owner(mended, letter, dora.wa_id)
    ended = await dora.hotel.admin.post(f"{OURS}/{letter}/retry")
    assert (ended.status_code, ended.json()["status"]) == (200, "RETRIED")
    wamid = ended.json()["about"]
    assert (await eventually(lambda: dora.seen(wamid)))["content"] == "Olá"
    assert (await dora.conversation())["contact"]["name"] == "Dora"
    assert await letters(dora.hotel.admin) == []
    assert [found["id"] for found in await letters(dora.hotel.admin, status="RETRIED")] == [letter]


async def test_a_letter_that_fails_again_waits_again(dora: Guest) -> None:
    letter = await dead_letter(dora)
    assert (await dora.hotel.admin.post(f"{OURS}/{letter}/retry")).json()["status"] == "RETRIED"

    async def back() -> bool:
        return [(found["id"], found["attempts"]) for found in await letters(dora.hotel.admin)] == [(letter, 2)]

    await eventually(back)


async def test_a_discarded_letter_stays_so_however_often_meta_repeats_it(dora: Guest) -> None:
    letter = await dead_letter(dora)
    [found] = await letters(dora.hotel.admin)
    ended = (await dora.hotel.admin.post(f"{OURS}/{letter}/discard")).json()
    me = (await dora.hotel.admin.get("/auth/me")).json()["user"]
    assert (ended["status"], ended["endedBy"], bool(ended["endedAt"])) == ("DISCARDED", me["id"], True)
    await dora.hotel.webhook(dora.body(found["item"]["node"], last := dora.message()))
    await eventually(lambda: dora.seen(last["id"]))
    assert await letters(dora.hotel.admin) == []
    for verb in ("retry", "discard"):
        assert told(await dora.hotel.admin.post(f"{OURS}/{letter}/{verb}")) == (409, "conflict")


async def test_the_platform_sees_every_letter_and_none_of_what_it_says(dora: Guest, system: System) -> None:
    letter = await dead_letter(dora)
    page = (await system.root.get(ALL, params={"tenantId": dora.hotel.id})).json()
    assert [(found["id"], found["item"]) for found in page["data"]] == [(letter, None)]
    assert page["pagination"]["total"] == 1
    assert letter in [found["id"] for found in (await system.root.get(ALL, params={"limit": 100})).json()["data"]]
    ended = await system.root.post(f"{ALL}/{letter}/discard")
    assert (ended.status_code, ended.json()["status"]) == (200, "DISCARDED")
    log = (await dora.hotel.admin.get("/api/tenant/audit")).json()["data"]
    assert (log[0]["action"], log[0]["actorRole"]) == ("dead_letter.discarded", "SUPER_ADMIN")


async def test_the_platform_retries_a_letter_of_any_hotel(dora: Guest, system: System) -> None:
    letter = await dead_letter(dora)
    assert (await system.root.post(f"{ALL}/{letter}/retry")).json()["status"] == "RETRIED"


async def test_of_many_who_discard_a_letter_one_does(dora: Guest, system: System) -> None:
    letter = await dead_letter(dora)
    who = [(dora.hotel.admin, OURS), (system.root, ALL)] * 3
    answers = await asyncio.gather(*(person.post(f"{path}/{letter}/discard") for person, path in who))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409, 409]


async def test_letters_are_read_page_by_page(dora: Guest) -> None:
    made = [await dead_letter(dora) for _ in range(3)]
    first = (await dora.hotel.admin.get(OURS, params={"limit": 2})).json()
    rest = (
        await dora.hotel.admin.get(OURS, params={"limit": 2, "cursor": first["pagination"]["nextCursor"]})
    ).json()
    assert [found["id"] for found in first["data"] + rest["data"]] == made[::-1]
    assert (first["pagination"]["total"], rest["pagination"]["nextCursor"]) == (3, None)


async def test_what_not_even_a_letter_can_hold_is_kept_as_a_text_and_holds_up_nobody(
    dora: Guest, as_owner: Sql
) -> None:
    await as_owner("ALTER TABLE dead_letters ADD CONSTRAINT picky CHECK (item ? 'text') NOT VALID")
    try:
        letter = await dead_letter(dora)
        assert (await dora.writes("depois"))["content"] == "depois"
    finally:
        await as_owner("ALTER TABLE dead_letters DROP CONSTRAINT picky")
    [found] = await letters(dora.hotel.admin)
    assert (found["id"], dora.hotel.number_id in found["item"]["text"]) == (letter, True)
    assert told(await dora.hotel.admin.post(f"{OURS}/{letter}/retry")) == (409, "conflict")


def test_a_thing_is_named_by_itself_or_by_its_digest() -> None:
    assert name_of("wamid.1", "read") == "wamid.1:read"
    assert len(name_of("x" * 3000)) == len(name_of("a\x00b")) == 64


def test_a_letter_holds_all_that_the_post_said_of_it(dora: Guest) -> None:
    [element] = envelope.elements(dora.body(dora.message()))
    _, _, item = envelope.letter(element)
    [again] = envelope.elements(msgspec.json.decode(envelope.posted(item)))
    assert again == element
