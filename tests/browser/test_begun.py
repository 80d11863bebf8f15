"""What somebody has begun or said is not lost, and goes where and when it was meant to."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.async_api import Route, expect

from tests.browser.screens import Desk, Screens, picture
from tests.system import Guest, eventually

WEBP = {**picture("quarto.webp"), "mimeType": "image/webp"}
SLOW_PICTURES = """() => {
    window.reads ??= window.createImageBitmap;
    window.createImageBitmap = async (...given) => {
        await new Promise((resolve) => setTimeout(resolve, 400));
        return reads(...given);
    };
}"""


@pytest.fixture
async def two(screens: Screens) -> tuple[Guest, Guest]:
    """Two guests who have written."""
    guests = screens.guest("Uma"), screens.guest("Duas")
    for guest in guests:
        await guest.writes("Qual a senha do wifi?")
    return guests


async def said(guest: Guest) -> list[tuple[str, str]]:
    """What the hotel said to her, the oldest first."""
    mine = [one for one in await guest.history() if one["direction"] == "OUTBOUND"]
    return [(one["type"], one["content"]) for one in sorted(mine, key=lambda one: one["createdAt"])]


async def test_what_was_begun_is_there_after_a_look_at_another_conversation(
    bruno: Desk, two: tuple[Guest, Guest]
) -> None:
    text, figures = bruno.page.locator("#composer"), bruno.page.locator(".tray figure")
    await bruno.open(two[0])
    await bruno.page.get_by_role("tab", name="Nota interna").click()
    await text.fill("Três linhas sobre a reserva")
    await bruno.message("Qual a senha do wifi?").hover()
    await bruno.page.get_by_label("Ações da mensagem").click()
    await bruno.page.get_by_role("menuitem", name="Responder").click()
    await bruno.page.locator(".composer input[type=file]").set_input_files([picture("a.png"), picture("b.png")])
    await expect(figures).to_have_count(2)
    await bruno.open(two[1])
    await expect(figures).to_have_count(0)
    await bruno.open(two[0])
    await expect(figures).to_have_count(2)
    await expect(bruno.page.locator(".quote")).to_be_visible()
    await bruno.page.get_by_role("tab", name="Nota interna").click()
    await expect(text).to_have_value("Três linhas sobre a reserva")


async def test_a_note_that_could_not_be_kept_is_there_when_its_writer_is_back(
    bruno: Desk, two: tuple[Guest, Guest]
) -> None:
    go = asyncio.Event()

    async def cut(route: Route) -> None:
        await go.wait()
        await route.abort()

    await bruno.open(two[0])
    await bruno.page.route("**/notes", cut, times=1)
    await bruno.page.get_by_role("tab", name="Nota interna").click()
    await bruno.write("Alérgica a amendoim")
    await bruno.open(two[1])
    go.set()
    await expect(bruno.page.locator(".notice.bad")).to_be_visible()
    await bruno.open(two[0])
    await bruno.page.get_by_role("tab", name="Nota interna").click()
    await expect(bruno.page.locator("#composer")).to_have_value("Alérgica a amendoim")
    assert "ERR_FAILED" in bruno.faults.pop()


async def test_a_draft_that_was_sent_is_no_draft_any_more(bruno: Desk, dora: Guest) -> None:
    await dora.writes()
    door = f"/api/conversations/{(await dora.conversation())['id']}/draft"
    assert (await dora.hotel.attendant.put(door, json={"content": "Seu quarto é o 12"})).is_success
    await bruno.open(dora)
    text = bruno.page.locator("#composer")
    await expect(text).to_have_value("Seu quarto é o 12")
    async with bruno.page.expect_response(lambda answer: answer.request.method == "DELETE"):
        await text.press("Enter")
    assert not (await dora.hotel.attendant.get(door)).json()["content"]


async def test_what_is_said_arrives_in_its_order_though_the_first_is_slow(bruno: Desk, dora: Guest) -> None:
    await dora.writes()
    await bruno.open(dora)

    async def late(route: Route) -> None:
        await asyncio.sleep(0.4)
        await route.continue_()

    await bruno.page.route("**/messages", late, times=1)
    await bruno.write("Vire à direita")
    await bruno.write("Depois à esquerda")
    await expect(bruno.message("Depois à esquerda")).to_have_attribute("data-status", "READ")
    assert [text for _, text in await said(dora)] == ["Vire à direita", "Depois à esquerda"]


async def test_what_is_sent_while_the_proxy_has_no_api_goes_out_when_it_has(bruno: Desk, dora: Guest) -> None:
    await dora.writes()
    await bruno.open(dora)
    answer: dict[str, Any] = {"status": 502, "body": "<h1>Bad Gateway</h1>", "headers": {"Retry-After": "1"}}
    await bruno.page.route("**/messages", lambda route: route.fulfill(**answer), times=1)
    await bruno.write("Já volto")
    await expect(bruno.message("Já volto")).to_have_attribute("data-status", "READ")
    assert "502" in bruno.faults.pop()


async def test_nobody_is_told_that_what_was_refused_is_scheduled(bruno: Desk, dora: Guest) -> None:
    await dora.writes()
    await bruno.open(dora)
    await bruno.page.locator("#composer").fill("Feliz aniversário!")
    await bruno.page.get_by_role("button", name="Agendar").click()
    await bruno.page.get_by_label("Quando").fill("2031-01-01T08:00")
    await bruno.page.get_by_role("dialog").get_by_role("button", name="Agendar").click()
    await expect(bruno.message("Feliz aniversário!").locator(".trouble")).to_be_visible()
    await asyncio.sleep(0.1)
    await expect(bruno.page.locator(".notice", has_text="Agendada para")).to_have_count(0, timeout=100)
    assert "422" in bruno.faults.pop()


async def test_who_reads_above_sees_what_he_sends(bruno: Desk, dora: Guest) -> None:
    nodes = [dora.message(text=f"linha {number}\n\n\nfim") for number in range(30)]
    await dora.hotel.webhook(dora.body(*nodes))
    await eventually(lambda: dora.seen(nodes[-1]["id"]))
    await bruno.open(dora)
    await bruno.page.locator(".log-scroller").evaluate("node => (node.scrollTop -= 900)")
    await expect(bruno.page.locator(".to-end")).to_be_visible()
    await bruno.write("Aqui estou")
    await expect(bruno.message("Aqui estou")).to_be_in_viewport()


async def test_a_recording_goes_on_while_a_note_is_begun(bruno: Desk, dora: Guest) -> None:
    await dora.writes()
    await bruno.open(dora)
    await bruno.page.get_by_role("button", name="Gravar uma mensagem de voz").click()
    await expect(bruno.page.locator(".recording .clock")).to_have_text("0:01")
    await bruno.page.get_by_role("tab", name="Nota interna").click()
    await bruno.page.get_by_role("button", name="Enviar a gravação").click()
    await expect(bruno.page.locator(".message.out")).to_have_attribute("data-status", "READ")


async def test_the_words_beside_a_picture_that_is_being_made_smaller_go_with_it(bruno: Desk, dora: Guest) -> None:
    await dora.writes()
    await bruno.open(dora)
    await bruno.page.evaluate(SLOW_PICTURES)
    await bruno.page.locator(".composer input[type=file]").set_input_files([WEBP])
    await bruno.write("O seu quarto")
    await expect(bruno.message("O seu quarto")).to_have_attribute("data-status", "READ")
    await bruno.page.evaluate("() => (window.createImageBitmap = reads)")
    assert await said(dora) == [("image", "O seu quarto")]


async def test_of_too_many_files_none_is_left_out_without_a_word(bruno: Desk, dora: Guest) -> None:
    await dora.writes()
    await bruno.open(dora)
    await bruno.page.locator(".composer input[type=file]").set_input_files([picture(f"{n}.png") for n in range(11)])
    await expect(bruno.page.locator(".notice", has_text="10 arquivos")).to_be_visible()
    await expect(bruno.page.locator(".tray figure")).to_have_count(10)


async def test_two_tags_taken_off_quickly_are_both_off(bruno: Desk, dora: Guest) -> None:
    await dora.writes()
    door = f"/api/conversations/{(await dora.conversation())['id']}"
    assert (await dora.hotel.admin.patch(door, json={"tags": ["Uma", "Outra"]})).is_success
    await bruno.open(dora)

    async def late(route: Route) -> None:
        await asyncio.sleep(0.3 if route.request.method == "PATCH" else 0)
        await route.continue_()

    await bruno.page.route(f"**{door}", late)
    await bruno.page.get_by_label("Tirar Uma").click()
    await bruno.page.get_by_label("Tirar Outra").click()
    await expect(bruno.page.get_by_label("Tirar Outra")).to_have_count(0)
    await bruno.page.unroute_all(behavior="wait")
    await expect(bruno.page.get_by_label("Tirar Uma")).to_have_count(0)
    assert (await dora.conversation())["tags"] == []


async def test_the_window_closes_while_the_page_stays_open(screens: Screens, dora: Guest) -> None:
    await dora.writes()
    desk = await screens.desk("attendant")
    await desk.open(dora)
    await desk.page.locator("#composer").fill("Ainda escre")
    await desk.page.clock.install(time=datetime.now(UTC) + timedelta(hours=24, minutes=2))
    await dora.hotel.admin.post(f"/api/conversations/{(await dora.conversation())['id']}/claim")
    await expect(desk.page.locator(".shut")).to_contain_text("A janela de 24 horas")
    await desk.page.context.close()


async def test_who_leaves_the_page_with_something_unsent_is_asked(screens: Screens, dora: Guest) -> None:
    await dora.writes()
    desk = await screens.desk("attendant")
    await desk.open(dora)
    await desk.page.route("**/messages", lambda route: route.abort())
    await desk.write("Sai quando a conexão voltar")
    await expect(desk.message("Sai quando a conexão voltar")).to_have_attribute("data-status", "LOCAL")
    async with desk.page.expect_event("dialog") as asked:
        await desk.page.close(run_before_unload=True)
    await (await asked.value).accept()
    await desk.page.context.close()


async def test_what_a_guest_could_not_send_from_her_phone_is_not_lost(screens: Screens, dora: Guest) -> None:
    await dora.writes()
    phone = await screens.phone(dora)
    for door in ("**/_fake/inbound", "**/_fake/media?*"):
        await phone.route(door, lambda route: route.abort())
    await phone.locator("#text").fill("Uma longa história")
    await phone.locator("#file").set_input_files([picture("vista.png")])
    await expect(phone.locator("#alert")).to_contain_text("O arquivo não foi guardado")
    await phone.locator("#text").press("Enter")
    await expect(phone.locator("#alert")).to_contain_text("não responde")
    await expect(phone.locator("#text")).to_have_value("Uma longa história")
    await phone.context.close()
