"""pywa, an independent client, sends every type through the fake, which judges each body as Meta does."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from pywa_async import WhatsApp, types
from pywa_async.errors import WhatsAppError
from pywa_async.types.templates import (
    BodyText,
    Carousel,
    CarouselCard,
    CopyCodeButton,
    HeaderImage,
    LimitedTimeOffer,
    QuickReplyButton,
    TemplateLanguage,
)

from .actors import DORA_DIALLED, WABA, Meta

Sent = Callable[[WhatsApp, str], Awaitable[Any]]
PT = TemplateLanguage.PORTUGUESE_BR
CARD = types.Contact(
    name=types.Contact.Name(formatted_name="Recepção", first_name="Recepção"),
    phones=[types.Contact.Phone(phone="+55 48 3222-1000", type="WORK")],
    emails=[types.Contact.Email(email="oi@aurora.example")],
)
LIST = types.SectionList(
    "Ver passeios",
    [
        types.Section("Mar", [types.SectionRow("Barco", "b", "Duas horas")]),
        types.Section("Terra", [types.SectionRow("Trilha", "t")]),
    ],
)
BUTTONS = [types.Button("Mar", "mar"), types.Button("Jardim", "jardim")]
MIMES = {"image": "image/png", "video": "video/mp4", "audio": "audio/mpeg", "voice": "audio/ogg",
         "document": "application/pdf", "sticker": "image/webp"}  # fmt: skip


async def _upload(wa: WhatsApp, mime: str) -> str:
    return (await wa.upload_media(b"bytes", mime_type=mime, filename="arquivo")).id


async def _body(fake: Meta) -> dict[str, Any]:
    """The one body that the fake took."""
    [taken] = await fake.log("sent")
    return dict(taken["body"])


@pytest.mark.parametrize("kind", MIMES)
async def test_pywa_sends_a_file_by_the_id_of_its_upload(kind: str, pywa: WhatsApp, fake: Meta) -> None:
    media = await _upload(pywa, MIMES[kind])
    more = {"filename": "Conta.pdf", "caption": "Sua conta"} if kind == "document" else {}
    await getattr(pywa, f"send_{kind}")(DORA_DIALLED, media, **more)
    body = await _body(fake)
    sent = "audio" if kind == "voice" else kind
    assert (body["type"], body[sent]["id"]) == (sent, media)
    assert bool(body[sent].get("voice")) == (kind == "voice")


ASKED: dict[str, tuple[Sent, str]] = {
    "text": (lambda wa, _: wa.send_message(DORA_DIALLED, "https://aurora.example", preview_url=True), "text"),
    "reply": (lambda wa, wamid: wa.send_message(DORA_DIALLED, "Sim", reply_to_message_id=wamid), "text"),
    "location": (lambda wa, _: wa.send_location(DORA_DIALLED, -27.6, -48.45, "Hotel", "Rua 1"), "location"),
    "contacts": (lambda wa, _: wa.send_contact(DORA_DIALLED, CARD), "contacts"),
    "reaction": (lambda wa, wamid: wa.send_reaction(DORA_DIALLED, "👍🏽", wamid), "reaction"),
    "no reaction": (lambda wa, wamid: wa.remove_reaction(DORA_DIALLED, wamid), "reaction"),
    "buttons": (lambda wa, _: wa.send_message(DORA_DIALLED, "Qual?", "Quarto", "Aurora", BUTTONS), "interactive"),
    "list": (lambda wa, _: wa.send_message(DORA_DIALLED, "O quê?", "Passeios", "9h", LIST), "interactive"),
    "link": (
        lambda wa, _: wa.send_message(DORA_DIALLED, "Aqui", buttons=types.URLButton("Ver", "https://a.example")),
        "interactive",
    ),
    "location request": (lambda wa, _: wa.request_location(DORA_DIALLED, "Onde está?"), "interactive"),
    "catalog": (lambda wa, _: wa.send_catalog(DORA_DIALLED, "Loja"), "interactive"),
}


@pytest.mark.parametrize("name", ASKED)
async def test_pywa_sends_each_type_without_a_file(name: str, pywa: WhatsApp, fake: Meta) -> None:
    wamid = (await fake.say(text="Oi"))["wamid"]
    send, kind = ASKED[name]
    await send(pywa, wamid)
    assert (await _body(fake))["type"] == kind


async def test_pywa_puts_a_picture_above_buttons(pywa: WhatsApp, fake: Meta) -> None:
    media = await _upload(pywa, "image/png")
    await pywa.send_image(DORA_DIALLED, media, caption="Qual vista?", buttons=BUTTONS)
    assert (await _body(fake))["interactive"]["header"] == {"type": "image", "image": {"id": media}}


async def test_a_picture_that_nobody_uploaded_is_refused_above_buttons(pywa: WhatsApp) -> None:
    with pytest.raises(WhatsAppError):
        await pywa.send_image(DORA_DIALLED, "1234567890", caption="Qual vista?", buttons=BUTTONS)


@pytest.fixture
async def templates(fake: Meta, pywa: WhatsApp) -> None:
    """What pywa fills below."""
    picture = {"type": "HEADER", "format": "IMAGE"}
    buttons = {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Sim"}, {"type": "COPY_CODE"}]}
    made = {
        "welcome": [picture, {"type": "BODY", "text": "Olá {{1}}, quarto {{2}}"}, buttons],
        "named": [{"type": "BODY", "text": "Olá {{guest}}"}],
    }
    for name, components in made.items():
        new = {"name": name, "language": "pt_BR", "category": "UTILITY", "components": components}
        await fake.post("templates", wabaId=WABA, **new)


@pytest.mark.usefixtures("templates")
async def test_pywa_fills_header_body_and_buttons_of_a_template(pywa: WhatsApp, fake: Meta) -> None:
    media = await _upload(pywa, "image/png")
    params = [
        HeaderImage.params(image=media),
        BodyText.params("Dora", "12"),
        QuickReplyButton.params(callback_data="sim", index=0),
        CopyCodeButton.params(coupon_code="AURORA", index=1),
    ]
    await pywa.send_template(DORA_DIALLED, "welcome", PT, params)
    components = (await _body(fake))["template"]["components"]
    assert [part["type"].lower() for part in components] == ["header", "body", "button", "button"]
    assert components[0]["parameters"][0]["image"] == {"id": media}


@pytest.mark.usefixtures("templates")
async def test_pywa_fills_a_template_by_names(pywa: WhatsApp, fake: Meta) -> None:
    await pywa.send_template(DORA_DIALLED, "named", PT, [BodyText.params(guest="Dora")])
    [body] = (await _body(fake))["template"]["components"]
    assert body["parameters"] == [{"type": "text", "text": "Dora", "parameter_name": "guest"}]


@pytest.mark.usefixtures("templates")
async def test_a_template_filled_by_too_few_is_refused(pywa: WhatsApp) -> None:
    with pytest.raises(WhatsAppError, match="132000"):
        await pywa.send_template(DORA_DIALLED, "welcome", PT, [BodyText.params("Dora")])


CARD_PARTS = [{"type": "HEADER", "format": "IMAGE", "example": {"header_handle": ["4::x"]}}]
CODES = [{"type": "COPY_CODE", "example": "A"}, {"type": "URL", "text": "Ver", "url": "https://a.example/"}]
FOR_MARKETING = {
    "rooms": [{"type": "CAROUSEL", "cards": [{"components": CARD_PARTS}] * 2}],
    "summer": [
        {"type": "LIMITED_TIME_OFFER", "limited_time_offer": {"text": "Hoje", "has_expiration": True}},
        {"type": "BUTTONS", "buttons": CODES},
    ],
}


@pytest.fixture
async def marketing(fake: Meta, pywa: WhatsApp) -> None:
    """A carousel and an offer that ends."""
    for name, parts in FOR_MARKETING.items():
        new = {"name": name, "language": "pt_BR", "category": "MARKETING"}
        await fake.post("templates", wabaId=WABA, components=[{"type": "BODY", "text": "Veja"}, *parts], **new)


@pytest.mark.usefixtures("marketing")
async def test_pywa_fills_the_cards_of_a_carousel(pywa: WhatsApp, fake: Meta) -> None:
    media = await _upload(pywa, "image/png")
    cards = [CarouselCard.params(params=[HeaderImage.params(image=media)], index=place) for place in range(2)]
    await pywa.send_template(DORA_DIALLED, "rooms", PT, [Carousel.params(cards=cards)])
    [carousel] = (await _body(fake))["template"]["components"]
    assert [card["card_index"] for card in carousel["cards"]] == [0, 1]
    assert carousel["cards"][1]["components"][0]["parameters"][0]["image"] == {"id": media}
    with pytest.raises(WhatsAppError, match="132012"):
        await pywa.send_template(DORA_DIALLED, "rooms", PT, [Carousel.params(cards=cards[:1])])


@pytest.mark.usefixtures("marketing")
async def test_pywa_fills_an_offer_that_ends(pywa: WhatsApp, fake: Meta) -> None:
    ends = LimitedTimeOffer.params(expiration_time=datetime(2027, 1, 1, tzinfo=UTC))
    await pywa.send_template(DORA_DIALLED, "summer", PT, [ends, CopyCodeButton.params(coupon_code="A", index=0)])
    assert (await _body(fake))["template"]["components"][0]["type"].lower() == "limited_time_offer"
    with pytest.raises(WhatsAppError, match="132012"):
        await pywa.send_template(DORA_DIALLED, "summer", PT, [CopyCodeButton.params(coupon_code="A", index=0)])
