"""A real browser for the inbox page: Debian's Chromium (or CHROMIUM), driven by Playwright."""

import os
import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, async_playwright

from tests.browser.screens import Desk, Screens
from tests.system import Guest, Hotel, System

USUAL = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = [
    "--no-sandbox", "--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
]  # fmt: skip


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where the browser is; without one these tests are skipped, and say so loudly."""
    found = os.environ.get("CHROMIUM") or next((path for name in USUAL if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("NO BROWSER: tests/browser is skipped. Install chromium, or name one in CHROMIUM.")
    return found


@pytest.fixture(scope="session")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield browser
        await browser.close()


@pytest.fixture(scope="module")
async def hotel(system: System) -> Hotel:
    """A hotel that only this file's people look at."""
    return await system.hotel("Pagina")


@pytest.fixture(scope="module")
async def screens(browser: Browser, system: System, hotel: Hotel) -> AsyncIterator[Screens]:
    """What opens pages of the hotel; all are closed behind the file's last test."""
    screens = Screens(browser, system, hotel)
    yield screens
    for context in browser.contexts:
        await context.close()


@pytest.fixture(scope="module")
async def bruno(screens: Screens) -> Desk:
    """The attendant at his computer."""
    return await screens.desk("attendant")


@pytest.fixture(scope="module")
async def alice(screens: Screens) -> Desk:
    """The admin at hers."""
    return await screens.desk("admin")


@pytest.fixture
def dora(screens: Screens) -> Guest:
    """A guest of whom nobody has heard yet."""
    return screens.guest("Dora")
