"""The inbox page in a browser: attendants and a guest, each at a screen, live."""

import asyncio
import re
import time

from playwright.async_api import Route, expect

from tests.browser.screens import Desk, Screens, picture
from tests.meta import script
from tests.system import PASSWORD, Guest, Hotel, System, calling, eventually, unique_phone

OFFER = [
    {"type": "LIMITED_TIME_OFFER", "limited_time_offer": {"text": "Só hoje", "has_expiration": True}},
    {"type": "BUTTONS", "buttons": [
        {"type": "COPY_CODE", "example": "VERAO"}, {"type": "URL", "text": "Ver", "url": "https://a.example/"},
    ]},
]  # fmt: skip
ENDLESS = """() => {
    const { play } = HTMLMediaElement.prototype;
    HTMLMediaElement.prototype.play = function () {
        this.loop = true;
        return play.call(this);
    };
}"""
BODY = {"type": "BODY", "text": "Olá, {{1}}! Seu quarto é o {{2}}."}


async def test_a_guest_and_an_attendant_chat_live_both_ways(screens: Screens, bruno: Desk, dora: Guest) -> None:
    phone = await screens.phone(dora)
    await phone.locator("#text").fill("Olá <b>hotel</b>")
    await phone.keyboard.press("Enter")
    await bruno.open(dora)
    await expect(bruno.message("Olá <b>hotel</b>")).to_be_visible()
    await bruno.write("Boa tarde, Dora!")
    await expect(phone.locator(".chat")).to_contain_text("Boa tarde, Dora!")
    await expect(bruno.message("Boa tarde, Dora!")).to_have_count(1)
    await expect(bruno.message("Boa tarde, Dora!")).to_have_attribute("data-status", "READ")
    await phone.context.close()


async def test_of_two_who_look_one_takes_it_and_the_other_sees_who(alice: Desk, bruno: Desk, dora: Guest) -> None:
    await dora.writes("Tem alguém aí?")
    await asyncio.gather(alice.open(dora), bruno.open(dora))
    await expect(alice.page.locator(".who p")).to_have_text("Bruno também está aqui")
    await bruno.page.get_by_role("button", name="Assumir").click()
    await expect(alice.page.locator(".assignee")).to_have_text("Bruno")
    await expect(bruno.page.locator(".assignee")).to_have_text("Você")
    await bruno.page.locator("#composer").press_sequentially("Oi")
    await expect(alice.page.locator(".who p")).to_have_text("Bruno está escrevendo…")
    await bruno.page.locator("#composer").fill("")


async def test_a_button_pressed_while_something_comes_is_heard(alice: Desk, bruno: Desk, dora: Guest) -> None:
    """What came drew the button anew under the pointer, and the click was lost."""
    await dora.writes("Boa noite")
    await asyncio.gather(alice.open(dora), bruno.open(dora))
    await bruno.page.get_by_role("button", name="Assumir").hover()
    await bruno.page.mouse.down()
    await dora.writes("Alguém?")
    await expect(alice.message("Alguém?")).to_be_visible()
    await asyncio.sleep(0.5)  # it has come to him too
    await bruno.page.mouse.up()
    await expect(bruno.page.locator(".assignee")).to_have_text("Você")
    await expect(bruno.message("Alguém?")).to_be_visible()


async def test_pictures_go_both_ways(screens: Screens, bruno: Desk, dora: Guest) -> None:
    phone = await screens.phone(dora)
    await phone.locator("#file").set_input_files([picture("vista.png")])
    await bruno.open(dora)
    await expect(bruno.page.locator(".message.in .picture img")).to_have_js_property("complete", True)
    await eventually(lambda: bruno.page.locator(".message.in .picture img").evaluate("image => image.naturalWidth"))
    await bruno.page.locator(".composer input[type=file]").set_input_files([picture("quarto.png")])
    await bruno.write("O seu quarto")
    await expect(phone.locator(".bubble:not(.mine) img")).to_be_visible()
    await expect(phone.locator(".chat")).to_contain_text("O seu quarto")
    await phone.context.close()


async def test_a_recorded_voice_arrives_as_one(system: System, bruno: Desk, dora: Guest) -> None:
    await dora.writes("Pode me mandar um áudio?")
    await bruno.open(dora)
    await bruno.page.get_by_role("button", name="Gravar uma mensagem de voz").click()
    await expect(bruno.page.locator(".recording .clock")).to_have_text("0:01")
    await bruno.page.get_by_role("button", name="Enviar a gravação").click()
    await expect(bruno.page.locator(".message.out")).to_have_attribute("data-status", "READ")
    async with calling() as client:
        sent = (await client.get(f"{system.graph_url}/_fake/sent?phoneNumberId={dora.hotel.number_id}")).json()
    assert [one["body"]["audio"]["voice"] for one in sent if one["type"] == "audio"] == [True]
    assert (await dora.history())[0]["media"]["mimeType"].startswith("audio/ogg")


async def test_a_voice_is_fetched_again_and_can_be_silenced_when_its_bubble_has_changed(
    bruno: Desk, dora: Guest
) -> None:
    await dora.writes("Pode me mandar um áudio?")
    await bruno.open(dora)
    await bruno.page.get_by_role("button", name="Gravar uma mensagem de voz").click()
    await expect(bruno.page.locator(".recording .clock")).to_have_text("0:01")
    await bruno.page.get_by_role("button", name="Enviar a gravação").click()
    voice = bruno.page.locator(".message.out")
    await expect(voice).to_have_attribute("data-status", "READ")
    await bruno.page.evaluate(ENDLESS)
    await bruno.page.route("**/api/media/*", lambda route: route.abort(), times=1)
    async with bruno.page.expect_event("requestfailed"):
        await voice.get_by_label("Ouvir").click()
    await voice.get_by_label("Ouvir").click()
    await expect(voice.get_by_label("Pausar")).to_be_visible()
    sent = {"message_id": (await dora.history())[0]["wamid"], "emoji": "👍"}
    await dora.hotel.webhook(dora.body(dora.message({"type": "reaction", "reaction": sent})))
    await expect(voice).to_contain_text("👍")
    await voice.get_by_label("Pausar").click()
    await expect(voice.get_by_label("Ouvir")).to_be_visible()
    assert "ERR_FAILED" in bruno.faults.pop()


async def test_what_failed_says_why_and_goes_out_again(system: System, bruno: Desk, dora: Guest) -> None:
    await dora.writes()
    await script(system, dora.hotel, to=dora.wa_id, error={"status": 400, "code": 131026, "message": "x"})
    await bruno.open(dora)
    await bruno.write("Chegou?")
    trouble = bruno.message("Chegou?").locator(".trouble")
    await expect(trouble).to_contain_text("Confira o número com o cliente")
    await trouble.get_by_role("button", name="Enviar de novo").click()
    await expect(bruno.message("Chegou?")).to_have_attribute("data-status", "READ")
    await expect(trouble).to_have_count(0)


async def test_a_closed_window_offers_templates_with_a_preview(
    system: System, screens: Screens, bruno: Desk, hotel: Hotel
) -> None:
    rita = screens.guest("Rita")
    old = {**rita.message(), "timestamp": str(int(time.time()) - 90_000)}
    await hotel.webhook(rita.body(old))
    made = {
        "wabaId": hotel.waba_id,
        "name": "quarto",
        "language": "pt_BR",
        "category": "UTILITY",
        "components": [BODY],
    }
    async with calling() as client:
        for template in (made, {**made, "name": "verao", "category": "MARKETING", "components": [BODY, *OFFER]}):
            assert (await client.post(f"{system.graph_url}/_fake/templates", json=template)).is_success
    await hotel.admin.post("/api/templates/sync")
    await bruno.open(rita)
    await bruno.page.get_by_role("button", name="Escolher um modelo").click()
    offer = bruno.page.get_by_role("button", name="Verao")
    await expect(offer).to_be_disabled()
    await expect(offer).to_contain_text("esta página não preenche o prazo de uma oferta")
    await bruno.page.get_by_role("button", name="Quarto Utilidade").click()
    await bruno.page.get_by_label("{{2}}").fill("204")
    await expect(bruno.page.get_by_label("Prévia")).to_have_text("Olá, Rita! Seu quarto é o 204.")
    await bruno.page.get_by_role("button", name="Enviar modelo").click()
    await expect(bruno.message("Olá, Rita! Seu quarto é o 204.")).to_have_attribute(
        "data-status", re.compile("SENT|DELIVERED|READ")
    )


async def test_history_loads_upwards_and_the_place_stays(bruno: Desk, dora: Guest) -> None:
    nodes = [dora.message(text=f"mensagem {number}") for number in range(120)]
    for at, node in enumerate(nodes):
        node["timestamp"] = str(int(time.time()) - 600 + at)
    await dora.hotel.webhook(dora.body(*nodes))
    await eventually(lambda: dora.seen(nodes[-1]["id"]))
    await bruno.open(dora)
    await expect(bruno.message("mensagem 119")).to_be_in_viewport()
    await bruno.page.locator(".log-scroller").evaluate("node => (node.scrollTop = 420)")
    first = bruno.page.locator(".message", has_text="mensagem 80")
    before = await first.bounding_box()
    await bruno.page.locator(".log-scroller").evaluate("node => (node.scrollTop -= 30)")
    await expect(bruno.page.locator(".message")).to_have_count(100)
    after = await first.bounding_box()
    assert before
    assert after
    assert abs(after["y"] - before["y"] - 30) < 2


async def test_what_comes_while_the_page_reads_is_not_lost(bruno: Desk, dora: Guest) -> None:
    read = await dora.writes("Antes")
    reaction = {"type": "reaction", "reaction": {"message_id": read["wamid"], "emoji": "👍"}}

    async def slowly(route: Route) -> None:
        answer = await route.fetch()
        await dora.hotel.webhook(dora.body(dora.message(reaction)))  # changes what the page has not got yet
        await dora.writes("Enquanto lia")
        await asyncio.sleep(0.2)  # the socket tells it first
        await route.fulfill(response=answer)

    await bruno.page.route("**/messages?limit=50", slowly, times=1)
    await bruno.open(dora)
    await expect(bruno.message("Enquanto lia")).to_be_visible()
    await expect(bruno.message("Antes")).to_contain_text("👍")


async def test_the_lists_total_stays_true_when_somebody_beyond_its_page_writes(bruno: Desk, dora: Guest) -> None:
    crowd = [Guest(dora.hotel, unique_phone()) for _ in range(45)]
    earlier = str(int(time.time()) - 60)
    nodes = [{**guest.message(), "timestamp": earlier} for guest in crowd]
    profiles = [guest.profile() for guest in crowd]
    await dora.hotel.webhook(dora.hotel.envelope(contacts=profiles, messages=nodes))
    await eventually(lambda: crowd[-1].seen(nodes[-1]["id"]))
    page = await dora.hotel.attendant.get("/api/conversations", params={"limit": 1})
    whole = str(page.json()["pagination"]["total"])
    await bruno.page.reload()
    await bruno.page.locator(".sidebar").get_by_text("Todas").click()
    await expect(bruno.page.locator(".list .count")).to_have_text(whole)
    await crowd[0].writes("ainda aqui")
    await expect(bruno.page.locator(".list .rows")).to_contain_text("ainda aqui")
    await asyncio.sleep(4)  # what is uncertain has been counted again
    await expect(bruno.page.locator(".list .count")).to_have_text(whole)


async def test_a_note_that_was_begun_never_stands_as_a_message(bruno: Desk, alice: Desk, dora: Guest) -> None:
    await dora.writes()
    await asyncio.gather(bruno.open(dora), alice.open(dora))
    text = bruno.page.locator("#composer")
    await bruno.page.get_by_role("tab", name="Nota interna").click()
    await bruno.write("Cuidado: alérgica a nozes")
    await expect(alice.page.locator(".note")).to_contain_text("Cuidado: alérgica a nozes")
    await text.fill("Mais uma coisa")
    await bruno.page.get_by_role("tab", name="Mensagem").click()
    await expect(text).to_have_value("")
    await bruno.page.get_by_role("tab", name="Nota interna").click()
    await expect(text).to_have_value("Mais uma coisa")
    await text.fill("")


async def long_ago(guest: Guest, text: str) -> None:
    """The guest's text, and after it more than the page shows when it opens."""
    nodes = [guest.message(text=text), *(guest.message(text=f"mensagem {number}") for number in range(80))]
    for at, node in enumerate(nodes):
        node["timestamp"] = str(int(time.time()) - 600 + at)
    await guest.hotel.webhook(guest.body(*nodes))
    await eventually(lambda: guest.seen(nodes[-1]["id"]))


async def test_a_quick_reply_is_filled_and_a_found_message_stands_in_its_place(bruno: Desk, dora: Guest) -> None:
    await long_ago(dora, "Preciso de um berço azul")
    await dora.hotel.attendant.post(
        "/api/quick-replies", json={"shortcut": "ola", "content": "Olá, {{contact.name}}!"}
    )
    await bruno.open(dora)
    text = bruno.page.locator("#composer")
    await text.fill("/ol")
    await expect(bruno.page.locator(".suggest li")).to_have_count(1)
    await text.press("Enter")
    await expect(text).to_have_value("Olá, Dora!")
    await text.fill("")
    await expect(bruno.message("Preciso de um berço azul")).to_have_count(0)
    await bruno.page.get_by_label("Buscar").fill("berço azul")
    await bruno.page.locator(".hits a").click()
    await expect(bruno.message("Preciso de um berço azul")).to_be_in_viewport()
    await bruno.page.get_by_label("Buscar").fill("")
    await expect(bruno.page.locator(".hits")).to_be_hidden()


async def test_the_keys_walk_the_list_and_show_their_sheet(bruno: Desk, screens: Screens) -> None:
    page = bruno.page
    await page.get_by_role("button", name="Todas").click()
    for name in ("Um", "Dois"):
        await screens.guest(name).writes("Oi")
    await expect(page.locator(".row .name").first).to_have_text("Dois")
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")
    for keys, name in (("j", "Dois"), ("j", "Um"), ("k", "Dois")):
        await page.keyboard.press(keys)
        await expect(page.locator(".who h2")).to_have_text(name)
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_contain_text("próxima conversa")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await page.keyboard.press("Enter")
    await expect(page.locator("#composer")).to_be_focused()


async def test_enter_right_after_a_sheet_has_closed_means_to_write(bruno: Desk, dora: Guest) -> None:
    """Its button keeps the focus until the next frame is drawn."""
    await dora.writes()
    await bruno.open(dora)
    await bruno.page.evaluate("document.activeElement.blur()")
    await bruno.page.keyboard.press("?")
    await expect(bruno.page.get_by_role("dialog")).to_be_visible()
    await bruno.page.evaluate("""() => {
        document.querySelector("dialog").close();
        document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key: "Enter", bubbles: true}));
    }""")
    await expect(bruno.page.locator("#composer")).to_be_focused()


async def test_a_reload_stays_signed_in_and_a_temporary_password_is_changed(screens: Screens, hotel: Hotel) -> None:
    new = {"name": "Eva", "email": f"eva@{hotel.slug}.example", "role": "ATTENDANT"}
    made = (await hotel.admin.post("/api/users", json=new)).json()
    page = await screens.blank()
    await screens.sign_in(page, new["email"], made["temporaryPassword"])
    await page.get_by_label("Nova senha").fill(PASSWORD)
    await page.get_by_role("button", name="Guardar").click()
    await expect(page.locator(".frame")).to_be_visible()
    await page.reload()
    await expect(page.locator(".account")).to_contain_text("Eva")
    await page.context.close()


async def test_the_page_has_no_fault_of_its_own(bruno: Desk, alice: Desk) -> None:
    assert [*bruno.faults, *alice.faults] == []
