"""Tags: one of each name in a hotel, and what bears one follows when it changes."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from crm import tags
from ops.dev.home import Home
from tests.held import DOOR, holding
from tests.people import Sql
from tests.system import Guest, Hotel, eventually, unique_phone

URL = "/api/tags"


async def made(client: httpx.AsyncClient) -> dict[str, Any]:
    """A new tag."""
    answer = await client.post(URL, json={"name": f"vip {uuid4().hex[:12]}", "color": "#ff8800"})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def borne(guest: Guest, as_owner: Sql, tags: list[str]) -> dict[str, Any]:
    """Their conversation, which bears these tags, as they do themselves."""
    await guest.writes()
    conversation = await guest.conversation()
    await guest.hotel.attendant.patch(f"/api/conversations/{conversation['id']}", json={"tags": tags})
    await as_owner("UPDATE contacts SET tags = $2 WHERE id = $1", UUID(conversation["contact"]["id"]), tags)
    return conversation


async def tags_of(guest: Guest, as_owner: Sql) -> list[list[str]]:
    """The tags of their conversation, and their own."""
    conversation = await guest.conversation()
    own = await as_owner("SELECT tags FROM contacts WHERE id = $1", UUID(conversation["contact"]["id"]))
    return [conversation["tags"], own[0]["tags"]]


async def test_a_tag_has_a_name_of_its_own_whatever_its_case(bruno: httpx.AsyncClient) -> None:
    first, other = await made(bruno), await made(bruno)
    taken = {"name": first["name"].upper()}
    for answer in (await bruno.post(URL, json=taken), await bruno.patch(f"{URL}/{other['id']}", json=taken)):
        assert (answer.status_code, answer.json()["existingId"]) == (409, first["id"])
    wrong = await bruno.post(URL, json={"name": " ", "color": "red"})
    assert {fault["pointer"] for fault in wrong.json()["errors"]} == {"/name", "/color"}


async def test_what_bears_a_tag_follows_its_name(bruno: httpx.AsyncClient, guest: Guest, as_owner: Sql) -> None:
    tag = await made(bruno)
    await borne(guest, as_owner, ["outra", tag["name"]])
    renamed = await bruno.patch(f"{URL}/{tag['id']}", json={"name": f"x{tag['name']}"})
    assert renamed.json() == {**tag, "name": f"x{tag['name']}"}
    assert await tags_of(guest, as_owner) == [["outra", f"x{tag['name']}"]] * 2
    listed = await bruno.get("/api/conversations", params={"tag": f"x{tag['name']}"})
    assert len(listed.json()["data"]) == 1


async def test_a_tag_taken_away_leaves_what_bore_it(bruno: httpx.AsyncClient, guest: Guest, as_owner: Sql) -> None:
    tag = await made(bruno)
    await borne(guest, as_owner, [tag["name"], "outra"])
    assert [(await bruno.delete(f"{URL}/{tag['id']}")).status_code for _ in range(2)] == [204, 404]
    assert await tags_of(guest, as_owner) == [["outra"]] * 2
    assert tag not in (await bruno.get(URL)).json()["data"]


async def test_a_tag_goes_before_or_after_what_comes_in(guest: Guest, home: Home, as_owner: Sql) -> None:
    """Each held some of the conversations and waited for the other's. Now it waits at the door, and holds none."""
    bruno, free = guest.hotel.attendant, "SELECT id FROM conversations WHERE id = $1 FOR UPDATE NOWAIT"
    tag = await made(bruno)
    conversation, url = await borne(guest, as_owner, [tag["name"]]), f"{URL}/{tag['id']}"
    for change in (bruno.patch(url, json={"name": uuid4().hex}), bruno.delete(url)):
        async with holding(home, DOOR, guest.hotel.id) as door:
            changing = asyncio.create_task(change)
            await eventually(door.waits)
            assert len(await as_owner(free, UUID(conversation["id"]))) == 1
        assert (await changing).status_code in (200, 204)
    assert await tags_of(guest, as_owner) == [[], []]


@pytest.fixture
def two_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five are three transactions."""
    monkeypatch.setattr(tags, "AT_ONCE", 2)


@pytest.mark.usefixtures("two_at_once")
async def test_all_that_bear_a_tag_follow_however_many(hotel_a: Hotel, as_owner: Sql) -> None:
    bruno, tag = hotel_a.attendant, await made(hotel_a.attendant)
    crowd = [Guest(hotel_a, unique_phone()) for _ in range(5)]
    for guest in crowd:
        await borne(guest, as_owner, [tag["name"], "outra"])
    await bruno.patch(f"{URL}/{tag['id']}", json={"name": f"x{tag['name']}"})
    assert [await tags_of(guest, as_owner) for guest in crowd] == [[[f"x{tag['name']}", "outra"]] * 2] * 5
    assert (await bruno.delete(f"{URL}/{tag['id']}")).status_code == 204
    assert [await tags_of(guest, as_owner) for guest in crowd] == [[["outra"]] * 2] * 5


async def test_another_hotels_tag_does_not_exist(
    bruno: httpx.AsyncClient, carla: httpx.AsyncClient, guest: Guest, as_owner: Sql
) -> None:
    tag = await made(bruno)
    await borne(guest, as_owner, [tag["name"]])
    assert (await carla.patch(f"{URL}/{tag['id']}", json={"name": "x"})).status_code == 404
    own = await carla.post(URL, json={"name": tag["name"]})
    assert (await carla.delete(f"{URL}/{own.json()['id']}")).status_code == 204
    assert await tags_of(guest, as_owner) == [[tag["name"]]] * 2
