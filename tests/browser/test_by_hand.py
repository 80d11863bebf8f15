"""What people do by hand at the inbox: decide, drop and paste files, turn notifications on."""

import re

import pytest
from playwright.async_api import JSHandle, Page, expect

from tests.browser.screens import Desk, Screens, picture
from tests.meta import accepted, becomes, script
from tests.people import Sql
from tests.system import PASSWORD, Guest, Hotel, System

AGO = "UPDATE messages SET next_attempt_at = now() - INTERVAL '1 second' WHERE id = $1 RETURNING 1"
CARRIED = """([name, bytes]) => {
    const carried = new DataTransfer();
    carried.items.add(new File([new Uint8Array(bytes)], name, { type: "image/png" }));
    return carried;
}"""
PASTE = """(node, clipboardData) =>
    node.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }))"""
# Headless, the browser itself refuses: so it is played here that nobody was asked yet.
UNASKED = """window.asked = [];
    Object.defineProperty(Notification, "permission", { get: () => "default" });
    Notification.requestPermission = async () => (asked.push(navigator.userActivation.isActive), "default");"""


async def carried(page: Page, name: str) -> JSHandle:
    """A picture as a mouse or a clipboard holds it."""
    return await page.evaluate_handle(CARRIED, [name, list(picture(name)["buffer"])])


async def unsure(bruno: Desk, dora: Guest, system: System, text: str, cut: str) -> dict[str, str]:
    """A message nobody knows the end of, as Bruno sees it."""
    await dora.writes()
    await bruno.open(dora)
    await script(system, dora.hotel, to=dora.wa_id, cut=cut, status=False)
    await bruno.write(text)
    await expect(bruno.message(text)).to_have_attribute("data-status", "UNCERTAIN")
    return dict((await dora.history())[0])


async def test_the_title_counts_what_is_unread(bruno: Desk, dora: Guest) -> None:
    await expect(bruno.page).to_have_title(re.compile(r"^[^(]"))
    await dora.writes("Uma")
    await expect(bruno.page).to_have_title(re.compile(r"^\(1\) "))
    await bruno.open(dora)
    await expect(bruno.page).to_have_title(re.compile(r"^[^(]"))


@pytest.mark.parametrize("way", [("before", "Enviar de novo", "READ"), ("after", "Chegou", "SENT")])
async def test_what_is_uncertain_is_decided_after_the_wait_and_not_before(
    bruno: Desk, dora: Guest, system: System, as_owner: Sql, way: tuple[str, str, str]
) -> None:
    cut, button, end = way
    text = f"Será que vai {cut}?"
    message = await unsure(bruno, dora, system, text, cut)
    trouble = bruno.message(text).locator(".trouble")
    await expect(trouble).to_contain_text("Em até 15 minutos você poderá decidir")
    await expect(trouble.get_by_role("button")).to_have_count(0)
    await as_owner(AGO, message["id"])
    await trouble.get_by_role("button", name=button).click()
    await expect(bruno.message(text)).to_have_attribute("data-status", end)
    await expect(trouble).to_have_count(0)
    await becomes(dora.hotel, message, end)
    sent = [one for one in await accepted(system, dora.hotel) if text in str(one["body"])]
    assert len(sent) == 1


async def test_a_dropped_and_a_pasted_file_go_out(bruno: Desk, dora: Guest, system: System) -> None:
    await dora.writes()
    await bruno.open(dora)
    page, body, tray = bruno.page, bruno.page.locator("body"), bruno.page.locator(".composer .tray figure")
    mouse = await carried(page, "solta.png")
    await body.dispatch_event("dragover", {"dataTransfer": mouse})
    await expect(page.locator(".drop")).to_be_visible()
    await body.dispatch_event("drop", {"dataTransfer": mouse})
    await expect(page.locator(".drop")).to_be_hidden()
    await expect(tray).to_have_count(1)
    await page.locator("#composer").evaluate(PASTE, await carried(page, "colada.png"))
    await expect(tray).to_have_count(2)
    await page.get_by_label("Tirar colada.png").click()
    await expect(tray).to_have_count(1)
    await page.locator("#composer").evaluate(PASTE, await carried(page, "colada.png"))
    await expect(tray).to_have_count(2)
    await bruno.write("As duas")

    out = page.locator(".message.out")
    await expect(out).to_have_count(2)
    for at in (0, 1):
        await expect(out.nth(at)).to_have_attribute("data-status", "READ")
    ours = [one for one in await dora.history() if one["direction"] == "OUTBOUND"]
    assert sorted((one["type"], one["content"] == "As duas") for one in ours) == [("image", False), ("image", True)]


async def test_notifications_are_asked_for_by_a_click_alone(screens: Screens, hotel: Hotel, dora: Guest) -> None:
    page = await screens.blank()
    await page.add_init_script(UNASKED)
    await screens.sign_in(page, hotel.logins["attendant"], PASSWORD)
    await expect(page.locator(".frame")).to_be_visible()
    await dora.writes("Alguém?")
    await expect(page).to_have_title(re.compile(r"^\(\d+\) "))
    assert await page.evaluate("asked") == []
    await page.locator(".account").click()
    await page.get_by_role("menuitem", name="Ligar notificações").click()
    assert await page.evaluate("asked") == [True]
    await page.context.close()


async def test_the_page_has_no_fault_of_its_own(bruno: Desk) -> None:
    assert bruno.faults == []
