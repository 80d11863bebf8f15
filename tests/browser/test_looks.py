"""What the page looks like to those who see little, and on a phone."""

from datetime import UTC, datetime, timedelta

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from tests.browser.screens import Screens


async def barriers(page: Page) -> list[str]:
    """What axe calls serious or worse, each with the place."""
    found = (await Axe().run(page)).response["violations"]
    grave = [one for one in found if one["impact"] in ("serious", "critical")]
    return [f"{one['id']}: {node['html'][:120]}" for one in grave for node in one["nodes"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_there_is_no_serious_barrier(screens: Screens, scheme: str) -> None:
    page = await screens.blank(color_scheme=scheme)
    await page.goto(f"{screens.system.url}/inbox")
    assert await barriers(page) == []
    await page.context.close()
    dora = screens.guest()
    await dora.writes("Olá, tudo bem? https://aurora.example")
    desk = await screens.desk("attendant", color_scheme=scheme)
    await desk.page.get_by_role("button", name="Todas").click()
    await desk.open(dora)
    assert await barriers(desk.page) == []
    await desk.page.keyboard.press("?")
    assert await barriers(desk.page) == []
    await desk.page.context.close()


async def test_on_a_phone_nothing_scrolls_sideways(screens: Screens) -> None:
    dora = screens.guest("Maria das Dores do Nascimento Albuquerque e Silva")
    await dora.writes("https://aurora.example/" + "x" * 200)
    desk = await screens.desk("attendant", "phone")
    await desk.page.get_by_role("button", name="Menu").click()
    await desk.page.get_by_role("menuitem", name="Todas").click()
    await expect(desk.page.locator(".row").first).to_be_visible()
    assert await desk.sideways() <= 0
    await desk.open(dora)
    await expect(desk.page.locator(".list")).to_be_hidden()
    assert await desk.sideways() <= 0
    await desk.page.get_by_role("button", name="Voltar à lista").click()
    await expect(desk.page.locator(".list")).to_be_visible()
    assert desk.faults == []
    await desk.page.context.close()


async def test_what_is_scheduled_says_for_whom_on_one_line(screens: Screens) -> None:
    dora = screens.guest("Maria das Dores do Nascimento Albuquerque e Silva")
    await dora.writes()
    url = f"/api/conversations/{(await dora.conversation())['id']}"
    later = {"content": "Até amanhã", "sendAt": (datetime.now(UTC) + timedelta(hours=3)).isoformat()}
    assert (await screens.hotel.attendant.post(f"{url}/messages", json=later)).status_code == 201
    assert (await screens.hotel.attendant.post(f"{url}/archive")).status_code == 200  # so that no list shows it
    desk = await screens.desk("attendant", "phone")
    await desk.page.get_by_role("button", name="Menu").click()
    await desk.page.get_by_role("menuitem", name="Agendadas").click()
    name = desk.page.locator(".scheduled-list strong", has_text=dora.name)
    await expect(name).to_have_count(1)
    box = await name.bounding_box()
    assert box is not None
    assert box["height"] < 30
    assert await desk.sideways() <= 0
    await desk.page.context.close()


async def test_the_line_to_write_on_says_all_it_has_to_on_a_phone(screens: Screens) -> None:
    dora = screens.guest()
    await dora.writes()
    desk = await screens.desk("attendant", "phone")
    await desk.open(dora)
    await expect(desk.page.locator("#composer")).to_have_attribute("placeholder", "Mensagem")
    await desk.page.context.close()
