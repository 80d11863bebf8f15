"""The page when the API goes and comes back: a second API of its own, on the suite's servers."""

import asyncio

from playwright.async_api import Page, WebSocketRoute, expect

from crm import app
from crm.core.config import Settings
from ops.dev.processes import free_port
from tests.browser.screens import Screens
from tests.browser.test_inbox import long_ago
from tests.system import PASSWORD, serving


async def test_what_was_said_while_the_api_was_away_is_there_when_it_is_back(
    screens: Screens, settings: Settings
) -> None:
    dora, port = screens.guest(), free_port()
    await dora.writes("Antes")
    async with serving(app.build(settings), port=port) as url:
        bruno = await screens.desk("attendant", url=url)
        await bruno.open(dora)
    await dora.writes("Enquanto isso")
    await bruno.write("Já volto")
    await expect(bruno.page.get_by_text("Sem conexão. O que você escrever sai")).to_be_visible()
    await expect(bruno.message("Já volto")).to_have_attribute("data-status", "LOCAL")
    async with serving(app.build(settings), port=port):
        await bruno.page.evaluate("dispatchEvent(new Event('online'))")  # as when the network is back
        await expect(bruno.message("Enquanto isso")).to_be_visible()
        await expect(bruno.message("Já volto")).to_have_attribute("data-status", "READ")
        await expect(bruno.message("Já volto")).to_have_count(1)
        await expect(bruno.page.locator(".offline")).to_be_hidden()
        await bruno.page.context.close()


async def _held(page: Page) -> asyncio.Event:
    """The page's socket reaches the server when this is set."""
    listens = asyncio.Event()

    async def late(socket: WebSocketRoute) -> None:
        await listens.wait()
        socket.connect_to_server()

    await page.route_web_socket("**/ws", late)
    return listens


async def test_what_comes_before_the_socket_listens_is_there_when_it_does(screens: Screens) -> None:
    dora, page = screens.guest(), await screens.blank()
    listens = await _held(page)
    await dora.writes("Antes")
    await screens.sign_in(page, screens.hotel.logins["attendant"], PASSWORD)
    await page.get_by_role("button", name="Todas").click()
    await page.locator(".row", has_text="Antes").click()
    await expect(page.locator(".message", has_text="Antes")).to_be_visible()
    await dora.writes("Enquanto isso")
    listens.set()
    await expect(page.locator(".message", has_text="Enquanto isso")).to_be_visible()
    await expect(page.locator(".row", has_text="Enquanto isso")).to_be_visible()
    await page.context.close()


async def test_who_looks_at_something_old_goes_on_looking_at_it_when_the_page_reads_again(screens: Screens) -> None:
    dora, page = screens.guest(), await screens.blank()
    listens = await _held(page)
    await long_ago(dora, "Lá no alto")
    await screens.sign_in(page, screens.hotel.logins["attendant"], PASSWORD)
    await page.get_by_label("Buscar").fill("Lá no alto")
    await page.locator(".hits a").click()
    old = page.locator(".message", has_text="Lá no alto")
    await expect(old).to_be_in_viewport()
    async with page.expect_response("**/messages?limit=50*") as again:
        listens.set()
    assert (await again.value).ok
    await page.get_by_label("Buscar").fill("")
    await expect(page.locator(".hits")).to_be_hidden()
    await expect(old).to_be_in_viewport()
    await page.context.close()


async def test_what_could_not_be_read_is_read_when_the_connection_is_back(
    screens: Screens, settings: Settings
) -> None:
    dora, port = screens.guest(), free_port()
    await dora.writes("Lá do começo")
    async with serving(app.build(settings), port=port) as url:
        bruno = await screens.desk("attendant", url=url)
        await expect(bruno.page.locator(".list-state")).to_contain_text("Nenhuma conversa")
    await bruno.page.get_by_role("button", name="Todas").click()
    await bruno.page.evaluate("id => (location.hash = `#/c/${id}`)", (await dora.conversation())["id"])
    again = bruno.page.get_by_role("button", name="Tentar de novo")
    await expect(again).to_have_count(2)
    async with serving(app.build(settings), port=port):
        await bruno.page.evaluate("dispatchEvent(new Event('online'))")
        await expect(bruno.message("Lá do começo")).to_be_visible()
        await expect(bruno.page.locator(".row", has_text="Lá do começo")).to_be_visible()
        await expect(again).to_have_count(0)
        await bruno.page.context.close()
