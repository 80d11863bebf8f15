"""What a person writes and does stays true, whatever comes meanwhile."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from fnmatch import fnmatch

import pytest
from playwright.async_api import Route, expect

from tests.browser.screens import Desk, Screens
from tests.system import Guest, eventually


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


async def test_a_button_pressed_while_an_answer_comes_is_heard(bruno: Desk, dora: Guest) -> None:
    await dora.writes()
    conversation = await dora.conversation()
    door = f"/api/conversations/{conversation['id']}"
    assert (await dora.hotel.admin.patch(door, json={"tags": ["VIP"]})).is_success
    off = bruno.page.get_by_label("Tirar VIP")
    async with slow(bruno, f"**/api/contacts/{conversation['contact']['id']}", "GET"):
        await bruno.open(dora)
        await off.hover()
        await bruno.page.mouse.down()
    await asyncio.sleep(0.2)
    await bruno.page.mouse.up()
    await expect(off).to_have_count(0)


async def test_a_button_pressed_by_who_was_writing_a_tag_is_heard(bruno: Desk, dora: Guest) -> None:
    await dora.writes()
    await bruno.open(dora)
    await bruno.page.get_by_label("Nova etiqueta").focus()
    await dora.writes("Alguém?")
    await expect(bruno.message("Alguém?")).to_be_visible()
    await bruno.page.locator(".details").get_by_role("button", name="Transferir").hover()
    await bruno.page.mouse.down()
    await asyncio.sleep(0.2)
    await bruno.page.mouse.up()
    await expect(bruno.page.get_by_role("dialog")).to_be_visible()
    await bruno.page.keyboard.press("Escape")


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


async def test_who_writes_when_a_colleague_closes_it_presses_no_keys(bruno: Desk, dora: Guest) -> None:
    """The rest of a word is none of the commands: a takes a conversation, e closes it, t opens templates."""
    await dora.writes("Oi")
    await bruno.open(dora)
    await bruno.page.locator("#composer").press_sequentially("Boa tarde, ")
    door = f"/api/conversations/{(await dora.conversation())['id']}"
    assert (await dora.hotel.admin.post(f"{door}/close")).is_success
    await expect(bruno.page.locator(".shut")).to_be_visible()
    await bruno.page.keyboard.type("at")
    await asyncio.sleep(0.3)
    await expect(bruno.page.get_by_role("dialog")).to_have_count(0)
    assert (await dora.hotel.attendant.get(door)).json()["assignedTo"] is None


async def test_who_marks_as_unread_and_goes_on_is_not_thrown_out_of_the_next(bruno: Desk, screens: Screens) -> None:
    one, two = screens.guest("Uma"), screens.guest("Duas")
    for guest in (one, two):
        await guest.writes()
    await bruno.open(one)
    async with slow(bruno, "**/unread", "POST"):
        await bruno.do("Marcar como não lida")
        await bruno.open(two)
    await asyncio.sleep(0.1)
    await expect(bruno.page.locator(".who h2")).to_have_text("Duas")


async def test_who_walks_by_keys_keeps_her_place_when_something_comes(bruno: Desk, dora: Guest) -> None:
    await dora.writes()
    await bruno.page.get_by_role("button", name="Todas").click()
    await bruno.open(dora)
    row = bruno.page.locator(".row a").first
    places = [bruno.page.get_by_label("Mais ações"), bruno.page.locator(".details .wide-button"), row]
    for number, place in enumerate(places):
        await place.focus()
        await dora.writes(f"Mais {number}")
        await expect(row).to_contain_text(f"Mais {number}")
        await expect(bruno.message(f"Mais {number}")).to_be_visible()
        await expect(place).to_be_focused()
    await places[0].focus()
    await bruno.page.keyboard.press("Enter")
    await bruno.page.keyboard.press("Escape")
    await expect(places[0]).to_be_focused()


async def test_a_name_put_into_the_middle_of_a_note_leaves_the_pen_there(bruno: Desk, dora: Guest) -> None:
    await dora.writes()
    await bruno.open(dora)
    await bruno.page.get_by_role("tab", name="Nota interna").click()
    text = bruno.page.locator("#composer")
    await text.fill("Pedir  o berço")
    await text.evaluate("node => node.setSelectionRange(6, 6)")
    await text.press_sequentially("@Al")
    await expect(bruno.page.locator(".suggest li")).to_have_count(1)
    await text.press("Enter")
    await bruno.page.keyboard.type("hoje")
    await expect(text).to_have_value("Pedir @Alice hoje o berço")
    await text.fill("")


async def test_a_message_found_while_the_newest_are_slow_leaves_no_gap(bruno: Desk, dora: Guest) -> None:
    nodes = [dora.message(text=f"Mensagem nº {number:03}.") for number in range(200)]
    for at, node in enumerate(nodes):
        node["timestamp"] = str(int(time.time()) - 900 + at)
    for some in (nodes[:100], nodes[100:]):
        await dora.hotel.webhook(dora.body(*some))
    await eventually(lambda: dora.seen(nodes[-1]["id"]))
    conversation = (await dora.conversation())["id"]
    old = datetime.fromtimestamp(int(nodes[10]["timestamp"]), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    go = "place => (location.hash = `#/c/${place}`)"
    async with slow(bruno, "**/messages?limit=50", "GET"):
        async with bruno.page.expect_request("**/messages?limit=50"):
            await bruno.page.evaluate(go, conversation)
        await bruno.page.evaluate(go, f"{conversation}/{old}")
        await expect(bruno.message("Mensagem nº 010.")).to_be_in_viewport()
    await asyncio.sleep(0.2)
    await expect(bruno.message("Mensagem nº 010.")).to_be_in_viewport()
    said = await bruno.page.locator(".message .words").all_text_contents()
    numbers = [int(one[-4:-1]) for one in said]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


async def test_what_a_message_quotes_is_seen_once_it_is_read(bruno: Desk, dora: Guest) -> None:
    nodes = [dora.message(text=f"Mensagem nº {number:03}.") for number in range(70)]
    for at, node in enumerate(nodes):
        node["timestamp"] = str(int(time.time()) - 900 + at)
    await dora.hotel.webhook(dora.body(*nodes[:-1]))
    await eventually(lambda: dora.seen(nodes[-2]["id"]))
    nodes[-1]["context"] = {"from": dora.wa_id, "id": nodes[5]["id"]}
    await dora.hotel.webhook(dora.body(nodes[-1]))
    await eventually(lambda: dora.seen(nodes[-1]["id"]))
    await bruno.open(dora)
    quote = bruno.message("Mensagem nº 069.").locator("blockquote")
    await expect(quote).to_have_text("Mensagem anterior")
    await bruno.page.locator(".log-scroller").evaluate("node => (node.scrollTop = 10)")
    await expect(quote).to_contain_text("Mensagem nº 005.")


async def test_a_text_from_right_to_left_ends_at_its_left(bruno: Desk, dora: Guest) -> None:
    await dora.writes("مرحبا!")
    await bruno.open(dora)
    first, last = (
        await bruno.message("مرحبا!")
        .locator(".words")
        .evaluate("""(node) => [0, 5].map((from) => {
        const range = document.createRange();
        range.setStart(node.firstChild, from);
        range.setEnd(node.firstChild, from + 1);
        return range.getBoundingClientRect().left;
    })""")
    )
    assert last < first
