"""Quick replies: kept under a shortcut, found by its beginning, filled for the conversation they are used in."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.system import Guest

URL = "/api/quick-replies"


async def made(client: httpx.AsyncClient, content: str, shortcut: str = "") -> dict[str, Any]:
    """A new quick reply."""
    answer = await client.post(URL, json={"shortcut": shortcut or uuid4().hex, "content": content})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_quick_reply_is_found_by_the_beginning_of_its_shortcut(bruno: httpx.AsyncClient) -> None:
    start = uuid4().hex[:12]
    kept = [await made(bruno, "Olá", f"{start}{end}") for end in ("b", "A")]
    answer = (await bruno.get(URL, params={"search": start.upper()})).json()
    assert answer["data"] == kept[::-1]
    assert answer["pagination"]["total"] == 2


async def test_it_is_filled_for_a_conversation(bruno: httpx.AsyncClient, guest: Guest) -> None:
    guest.name = "Dora de Souza"
    await guest.writes()
    content = "Oi {{contact.firstName}} ({{ contact.name }}), aqui é {{attendant.name}} do {{tenant.name}}."
    reply = await made(bruno, content)
    place = {"conversationId": (await guest.conversation())["id"]}
    answer = await bruno.post(f"{URL}/{reply['id']}/render", json=place)
    assert answer.json() == {"content": "Oi Dora (Dora de Souza), aqui é Bruno do Aurora."}


async def test_placeholders_nobody_knows_are_named(bruno: httpx.AsyncClient) -> None:
    new = {"shortcut": uuid4().hex, "content": "{{contact.name}} {{room}} {{contact.age}}"}
    answer = await bruno.post(URL, json=new, headers={"Accept-Language": "en"})
    faults = [(fault["pointer"], fault["message"].split("`")[1]) for fault in answer.json()["errors"]]
    assert (answer.status_code, faults) == (422, [("/content", "room"), ("/content", "contact.age")])
    reply = await made(bruno, "Olá")
    assert (await bruno.patch(f"{URL}/{reply['id']}", json={"content": "{{x}}"})).status_code == 422


async def test_a_shortcut_is_taken_once_whatever_its_case(bruno: httpx.AsyncClient) -> None:
    first, other = await made(bruno, "Olá"), await made(bruno, "Oi")
    taken = {"shortcut": first["shortcut"].upper()}
    for answer in (
        await bruno.post(URL, json={**taken, "content": "Oi"}),
        await bruno.patch(f"{URL}/{other['id']}", json=taken),
    ):
        assert (answer.status_code, answer.json()["existingId"]) == (409, first["id"])


async def test_it_is_changed_and_taken_away(bruno: httpx.AsyncClient) -> None:
    reply = await made(bruno, "Olá")
    changed = await bruno.patch(f"{URL}/{reply['id']}", json={"content": "Oi"})
    assert changed.json() == {**reply, "content": "Oi"}
    assert [(await bruno.delete(f"{URL}/{reply['id']}")).status_code for _ in range(2)] == [204, 404]


@pytest.mark.parametrize(("method", "end"), [("PATCH", ""), ("DELETE", ""), ("POST", "/render")])
async def test_carla_finds_none_of_hotel_as(
    method: str, end: str, bruno: httpx.AsyncClient, carla: httpx.AsyncClient
) -> None:
    reply = await made(bruno, "Olá")
    body = {"PATCH": {"content": "x"}, "POST": {"conversationId": str(uuid4())}}.get(method)
    answer = await carla.request(method, f"{URL}/{reply['id']}{end}", json=body)
    assert answer.status_code == 404
    assert (await carla.get(URL, params={"search": reply["shortcut"]})).json()["data"] == []
