"""The page when the API goes and comes back: a second API of its own, on the suite's servers."""

from playwright.async_api import expect

from crm import app
from crm.core.config import Settings
from ops.dev.processes import free_port
from tests.browser.screens import Screens
from tests.system import serving


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
