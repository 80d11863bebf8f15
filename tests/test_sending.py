"""Every type a person sends: what Meta gets of it is what section 6 of Meta's facts says."""

from typing import Any

import pytest

from tests.files import uploaded
from tests.meta import accepted, becomes
from tests.people import Sql
from tests.sends import ASK, BUTTONS, CARD, CATALOG, LINK, LIST, PLACE, arrive
from tests.system import Guest, Hotel, System, eventually, unique_phone


@pytest.fixture(scope="module")
async def hotel(system: System) -> Hotel:
    """A hotel of this module."""
    return await system.hotel("Vazia")


@pytest.fixture
async def dora(hotel: Hotel) -> Guest:
    """A guest who has just written."""
    guest = Guest(hotel, unique_phone())
    await guest.writes()
    return guest


@pytest.mark.parametrize(
    ("text", "more", "shown"),
    [
        ("Veja https://aurora.example", {}, {"preview_url": True}),
        ("Veja https://aurora.example", {"previewUrl": False}, {}),
        ("Veja a praia", {"type": "text"}, {}),
    ],
)
async def test_a_text_shows_its_link_unless_it_is_not_to(
    text: str, more: dict[str, Any], shown: dict[str, Any], dora: Guest, system: System
) -> None:
    message, taken = await arrive(dora, system, content=text, **more)
    assert (message["type"], message["content"]) == ("text", text)
    assert taken == {"type": "text", "text": {"body": text, **shown}}


@pytest.mark.parametrize(
    ("kind", "mime", "words"),
    [
        ("image", "image/png", "[Imagem]"),
        ("video", "video/mp4", "[Vídeo]"),
        ("sticker", "image/webp", "[Figurinha]"),
        ("audio", "audio/mpeg", "[Áudio]"),
    ],
)
async def test_a_file_goes_by_the_id_of_its_upload(
    kind: str, mime: str, words: str, dora: Guest, system: System, as_owner: Sql
) -> None:
    media, graph_id = await uploaded(system, as_owner, dora.hotel, mime)
    message, taken = await arrive(dora, system, type=kind, mediaId=media)
    assert taken == {"type": kind, kind: {"id": graph_id}}
    assert (message["type"], message["content"]) == (kind, words)
    shown = {name: message["media"][name] for name in ("id", "mimeType", "state", "filename")}
    assert shown == {"id": media, "mimeType": mime, "state": "READY", "filename": None}
    assert message["media"]["size"] > 0


async def test_a_caption_is_what_people_read(dora: Guest, system: System, as_owner: Sql) -> None:
    media, graph_id = await uploaded(system, as_owner, dora.hotel, "image/jpeg")
    message, taken = await arrive(dora, system, type="image", mediaId=media, caption="A vista 😀")
    assert taken["image"] == {"id": graph_id, "caption": "A vista 😀"}
    assert message["content"] == "A vista 😀"
    assert (await dora.conversation())["lastMessage"]["preview"] == "A vista 😀"


async def test_a_voice_message_is_an_audio_that_says_so(dora: Guest, system: System, as_owner: Sql) -> None:
    media, graph_id = await uploaded(system, as_owner, dora.hotel, "audio/ogg; codecs=opus")
    message, taken = await arrive(dora, system, type="voice", mediaId=media)
    assert taken == {"type": "audio", "audio": {"id": graph_id, "voice": True}}
    assert (message["type"], message["content"]) == ("voice", "[Mensagem de voz]")


@pytest.mark.parametrize(("name", "sent"), [("Fatura 7.pdf", "Fatura 7.pdf"), (None, "documento.pdf")])
async def test_a_document_always_has_a_name_with_an_extension(
    name: str | None, sent: str, dora: Guest, system: System, as_owner: Sql
) -> None:
    media, graph_id = await uploaded(system, as_owner, dora.hotel, "application/pdf", name)
    _, taken = await arrive(dora, system, type="document", mediaId=media, caption="Sua conta")
    assert taken == {"type": "document", "document": {"id": graph_id, "filename": sent, "caption": "Sua conta"}}


async def test_a_place_keeps_its_numbers_and_names(dora: Guest, system: System) -> None:
    message, taken = await arrive(dora, system, type="location", location=PLACE)
    assert taken == {"type": "location", "location": PLACE}
    assert (message["content"], message["payload"]) == ("[Localização] Hotel Aurora", {"location": PLACE})


async def test_address_cards_go_out_in_metas_shape(dora: Guest, system: System) -> None:
    message, taken = await arrive(dora, system, type="contacts", contacts=[CARD])
    assert taken == {"type": "contacts", "contacts": [CARD]}
    assert message["content"] == "[Contato] Recepção"


async def test_a_card_with_only_a_whole_name_gets_the_part_that_meta_wants(dora: Guest, system: System) -> None:
    _, taken = await arrive(dora, system, type="contacts", contacts=[{"name": {"formatted_name": "Spa"}}])
    assert taken["contacts"] == [{"name": {"formatted_name": "Spa", "first_name": "Spa"}}]


@pytest.mark.parametrize("node", [BUTTONS, LIST, LINK, ASK, CATALOG], ids=lambda node: node["type"])
async def test_an_interactive_message_goes_out_as_it_was_given(
    node: dict[str, Any], dora: Guest, system: System
) -> None:
    message, taken = await arrive(dora, system, type="interactive", interactive=node)
    assert taken == {"type": "interactive", "interactive": node}
    assert (message["content"], message["payload"]) == (node["body"]["text"], {"interactive": node})


@pytest.mark.parametrize(("kind", "node"), [("location", PLACE), ("contacts", [CARD]), ("interactive", BUTTONS)])
async def test_what_stands_alone_tells_the_type(kind: str, node: Any, dora: Guest, system: System) -> None:
    for more in ({}, {"type": None, "content": None}):
        message, taken = await arrive(dora, system, **{kind: node}, **more)
        assert (message["type"], message["payload"], taken) == (kind, {kind: node}, {"type": kind, kind: node})


async def test_a_picture_above_buttons_is_one_of_ours(dora: Guest, system: System, as_owner: Sql) -> None:
    media, graph_id = await uploaded(system, as_owner, dora.hotel, "image/png")
    node = {**BUTTONS, "header": {"type": "image", "image": {"id": media}}}
    message, taken = await arrive(dora, system, type="interactive", interactive=node)
    assert taken["interactive"]["header"] == {"type": "image", "image": {"id": graph_id}}
    assert message["media"]["id"] == media


async def test_every_type_but_a_reaction_may_quote(dora: Guest, system: System) -> None:
    asked = (await dora.history())[0]
    message, taken = await arrive(dora, system, type="location", location=PLACE, replyTo=asked["id"])
    assert (message["replyTo"], taken["context"]) == (asked["id"], {"message_id": asked["wamid"]})


async def test_any_type_goes_to_a_phone_number_too(dora: Guest, system: System) -> None:
    body = {"to": f"+{dora.wa_id}", "interactive": BUTTONS}
    answer = await dora.hotel.attendant.post("/api/messages/send", json=body)
    assert (answer.status_code, answer.json()["type"]) == (201, "interactive")
    await becomes(dora.hotel, answer.json(), "READ")
    assert [row["type"] for row in await accepted(system, dora.hotel) if row["to"] == body["to"]] == ["interactive"]


async def test_who_has_no_phone_is_written_to_by_bsuid(system: System) -> None:
    guest = Guest(await system.hotel("Vazia"), unique_phone())
    bsuid = f"BR.{guest.wa_id}"
    node = {name: value for name, value in guest.message().items() if name != "from"}
    body = guest.hotel.envelope(messages=[{**node, "from_user_id": bsuid}])
    assert (await guest.hotel.webhook(body)).status_code == 200
    message = await _answered(guest.hotel)
    await becomes(guest.hotel, message, "SENT", "DELIVERED", "READ")
    [taken] = await accepted(system, guest.hotel)
    assert (taken["body"]["recipient"], "to" in taken["body"]) == (bsuid, False)


async def _answered(hotel: Hotel) -> dict[str, Any]:
    """Bruno sends a place to the only conversation of the hotel, once it is there."""

    async def only() -> Any:
        return (await hotel.attendant.get("/api/conversations")).json()["data"]

    [conversation] = await eventually(only)
    url = f"/api/conversations/{conversation['id']}/messages"
    answer = await hotel.attendant.post(url, json={"type": "location", "location": PLACE})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())
