"""People at their screens: an attendant's inbox, a guest's phone."""

import io
import os
from dataclasses import dataclass
from typing import Any

from PIL import Image
from playwright.async_api import Browser, FilePayload, Locator, Page, expect

from tests.system import PASSWORD, Guest, Hotel, System, unique_phone

expect.set_options(timeout=12_000)
PIXELS = {"computer": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}


@dataclass
class Desk:
    """A signed-in inbox."""

    page: Page
    faults: list[str]

    async def open(self, guest: Guest) -> None:
        """Look at a guest's conversation; what is unread is read then."""
        await self.page.evaluate("id => (location.hash = `#/c/${id}`)", (await guest.conversation())["id"])
        await expect(self.page.locator(".who h2")).to_have_text(guest.name)
        await expect(self.page.locator(".bubble-skeleton")).to_have_count(0)

    async def write(self, text: str) -> None:
        """Write and send."""
        await self.page.locator("#composer").fill(text)
        await self.page.keyboard.press("Enter")

    async def do(self, action: str) -> None:
        """Choose from the conversation's menu."""
        await self.page.get_by_label("Mais ações").click()
        await self.page.get_by_role("menuitem", name=action).click()

    def message(self, text: str) -> Locator:
        """The bubble that says this."""
        return self.page.locator(".message", has_text=text)

    async def sideways(self) -> int:
        """By how many pixels the page is wider than the screen."""
        width = "Math.max(...[...document.querySelectorAll('*')].map((node) => node.getBoundingClientRect().right))"
        return int(await self.page.evaluate(f"{width} - innerWidth"))


class Screens:
    """Opens pages. A fault of a page's own program is told by `desk.faults`."""

    def __init__(self, browser: Browser, system: System, hotel: Hotel) -> None:
        self.browser, self.system, self.hotel = browser, system, hotel

    async def blank(self, size: str = "computer", **more: Any) -> Page:
        """A page with a memory of its own, as a Brazilian has it."""
        given = {"viewport": PIXELS[size], "locale": "pt-BR", "timezone_id": "America/Sao_Paulo", **more}
        page = await (await self.browser.new_context(**given)).new_page()
        page.set_default_timeout(8_000)
        return page

    async def desk(self, who: str, size: str = "computer", url: str = "", **more: Any) -> Desk:
        """The hotel's admin or attendant, signed in through the form."""
        page = await self.blank(size, **more)
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda line: line.type == "error" and faults.append(line.text))
        await self.sign_in(page, self.hotel.logins[who], PASSWORD, url)
        await expect(page.locator(".frame")).to_be_visible()
        return Desk(page, faults)

    async def sign_in(self, page: Page, email: str, password: str, url: str = "") -> None:
        """Fill the form and send it."""
        await page.goto(f"{url or self.system.url}/inbox?tenant={self.hotel.slug}")
        await page.get_by_label("E-mail").fill(email)
        await page.get_by_label("Senha").fill(password)
        await page.get_by_role("button", name="Entrar").click()

    async def phone(self, guest: Guest) -> Page:
        """The guest's phone."""
        page = await self.blank("phone")
        query = f"number={self.hotel.number_id}&as=%2B{guest.wa_id}&name={guest.name}"
        await page.goto(f"{self.system.graph_url}/phone?{query}")
        await expect(page.locator("#presence")).to_have_text("online")
        return page

    def guest(self, name: str = "Dora") -> Guest:
        """Somebody nobody knows yet."""
        return Guest(self.hotel, unique_phone(), name)


def picture(name: str) -> FilePayload:
    """A small PNG that no other test has."""
    file = io.BytesIO()
    Image.frombytes("RGB", (32, 24), os.urandom(32 * 24 * 3)).save(file, "PNG")
    return {"name": name, "mimeType": "image/png", "buffer": file.getvalue()}
