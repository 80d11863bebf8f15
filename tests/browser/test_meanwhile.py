"""What a person writes and does stays true, whatever comes meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fnmatch import fnmatch

import pytest
from playwright.async_api import Route, expect

from tests.browser.screens import Desk, Screens
from tests.system import Guest


@asynccontextmanager
async def slow(desk: Desk, path: str, method: str) -> AsyncIterator[None]:
    """The answers of a door come late."""

    async def late(route: Route) -> None:
        answer = await route.fetch()
        await asyncio.sleep(0.4 if route.request.method == method else 0)
        await route.fulfill(response=answer)

    await desk.page.route(path, late)
    async with desk.page.expect_response(lambda one: one.request.method == method and fnmatch(one.url, path)):
        yield
    await desk.page.unroute_all(behavior="wait")


@pytest.mark.parametrize("draft", [None, "Já estou vendo"])
async def test_what_is_written_before_the_draft_has_come_stays(bruno: Desk, dora: Guest, draft: str | None) -> None:
    await dora.writes()
    if draft:
        path = f"/api/conversations/{(await dora.conversation())['id']}/draft"
        assert (await dora.hotel.attendant.put(path, json={"content": draft})).is_success
    text = bruno.page.locator("#composer")
    async with slow(bruno, "**/draft", "GET"):
        await bruno.open(dora)
        await text.fill("Um momento, por favor")
    await asyncio.sleep(0.1)
    await text.press("Enter")
    await expect(bruno.message("Um momento, por favor")).to_have_count(1)


async def test_a_draft_that_comes_late_is_no_note(bruno: Desk, dora: Guest) -> None:
    await dora.writes()
    path = f"/api/conversations/{(await dora.conversation())['id']}/draft"
    assert (await dora.hotel.attendant.put(path, json={"content": "Já estou vendo"})).is_success
    text = bruno.page.locator("#composer")
    async with slow(bruno, "**/draft", "GET"):
        await bruno.open(dora)
        await bruno.page.get_by_role("tab", name="Nota interna").click()
    await bruno.page.get_by_role("tab", name="Mensagem").click()
    await expect(text).to_have_value("Já estou vendo")
    await bruno.page.get_by_role("tab", name="Nota interna").click()
    await expect(text).to_have_value("")


async def test_what_is_written_while_a_note_is_kept_stays(bruno: Desk, dora: Guest) -> None:
    await dora.writes()
    await bruno.open(dora)
    text = bruno.page.locator("#composer")
    await bruno.page.get_by_role("tab", name="Nota interna").click()
    async with slow(bruno, "**/notes", "POST"):
        await bruno.write("Vegetariana")
        await text.fill("E sem glúten")
    await expect(bruno.page.locator(".note")).to_contain_text("Vegetariana")
    await expect(text).to_have_value("E sem glúten")
    await bruno.page.route("**/notes", lambda route: route.abort(), times=1)
    await text.press("Enter")
    await expect(text).to_have_value("E sem glúten")
    await expect(bruno.page.locator(".note")).to_have_count(1)
    assert "ERR_FAILED" in bruno.faults.pop()  # the answer that was cut off
    await text.fill("")


async def test_what_is_written_behind_a_quick_reply_stays_behind_it(bruno: Desk, dora: Guest) -> None:
    await dora.writes()
    reply = {"shortcut": "bom", "content": "Bom dia, {{contact.name}}!"}
    assert (await dora.hotel.attendant.post("/api/quick-replies", json=reply)).is_success
    await bruno.open(dora)
    text = bruno.page.locator("#composer")
    await text.fill("/bom")
    await expect(bruno.page.locator(".suggest li")).to_have_count(1)
    async with slow(bruno, "**/render", "POST"):
        await text.press("Enter")
        await bruno.page.keyboard.type(" Tudo bem?")
    await expect(text).to_have_value("Bom dia, Dora! Tudo bem?")
    await text.fill("")


async def test_a_tag_that_is_being_written_is_not_drawn_away(bruno: Desk, dora: Guest) -> None:
    await dora.writes()
    await bruno.open(dora)
    tag = bruno.page.get_by_label("Nova etiqueta")
    await tag.press_sequentially("Aniver")
    await dora.writes("Posso levar um bolo?")
    await expect(bruno.message("Posso levar um bolo?")).to_be_visible()
    await bruno.page.keyboard.type("sário")
    await bruno.page.keyboard.press("Enter")
    await expect(bruno.page.locator(".details .tags")).to_contain_text("Aniversário")


async def test_an_answer_that_is_late_puts_nothing_old_into_the_list(bruno: Desk, screens: Screens) -> None:
    guest = screens.guest("Tardia")
    await guest.writes("Primeira")
    await bruno.open(guest)
    async with slow(bruno, "**/claim", "POST"):
        await bruno.page.get_by_role("button", name="Assumir").click()
        await expect(bruno.page.locator(".assignee")).to_have_text("Você")  # told by the socket
        await guest.writes("Segunda")
        await expect(bruno.message("Segunda")).to_be_visible()
    await asyncio.sleep(0.1)
    row = bruno.page.locator(".row", has_text="Tardia")
    await expect(row.locator(".preview")).to_have_text("Segunda", timeout=500)


async def test_what_a_slow_search_finds_is_not_shown_for_other_words(bruno: Desk, dora: Guest) -> None:
    await dora.writes("Tem bicicleta?")
    search = bruno.page.get_by_label("Buscar")
    async with slow(bruno, "**/search?q=*", "GET"):
        async with bruno.page.expect_request("**/search?q=*"):
            await search.fill("bicicleta")
        await search.fill("")
    await asyncio.sleep(0.1)
    await expect(bruno.page.locator(".hits")).to_be_hidden(timeout=500)
