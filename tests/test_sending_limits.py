"""Meta's limits, checked before a call is spent: each wrong, missing or strange field is named by its place."""

from typing import Any
from uuid import uuid4

import pytest

from tests.files import stored
from tests.people import Sql
from tests.sends import ASK, BUTTONS, CARD, LINK, LIST, PLACE, ask
from tests.system import Guest, Hotel, System, unique_phone

KB, MB = 1024, 1024 * 1024
ID = "0198c0de-0000-7000-8000-000000000001"
OFFICE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


@pytest.fixture(scope="module")
async def hotel(system: System) -> Hotel:
    """A hotel of this module."""
    hotel = await system.hotel("Limites")
    return hotel


@pytest.fixture(scope="module")
async def dora(hotel: Hotel) -> Guest:
    """A guest who has just written."""
    guest = Guest(hotel, unique_phone())
    await guest.writes()
    return guest


async def refused(guest: Guest, **body: Any) -> set[str]:
    """The places of what is wrong with it."""
    answer = await ask(guest, **body)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed"), answer.text
    assert all(error["message"] for error in answer.json()["errors"])
    return {error["pointer"] for error in answer.json()["errors"]}


def buttons(*titles: str, ids: list[str] | None = None) -> list[dict[str, Any]]:
    names = ids or [str(place) for place in range(len(titles))]
    return [{"type": "reply", "reply": {"id": id, "title": title}} for id, title in zip(names, titles, strict=True)]


def rows(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"id": f"r{place}", "title": "Linha", **more} for place in range(count)]


def asking(*titles: str, ids: list[str] | None = None) -> dict[str, Any]:
    return {**BUTTONS, "action": {"buttons": buttons(*titles, ids=ids)}}


def listing(*sections: Any, button: str = "Ver") -> dict[str, Any]:
    return {**LIST, "action": {"button": button, "sections": list(sections)}}


def leading(text: str, url: str) -> dict[str, Any]:
    return {**LINK, "action": {"name": "cta_url", "parameters": {"display_text": text, "url": url}}}


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"location": PLACE, "contacts": [CARD]}, {"/content", "/contacts", "/location"}),
        ({"location": PLACE, "content": "x"}, {"/location"}),
        ({"location": PLACE, "mediaId": ID}, {"/content", "/location", "/mediaId"}),
        ({"location": PLACE, "caption": "x"}, {"/caption"}),
        ({"location": {"latitude": 91}, "type": None}, {"/location/latitude", "/location/longitude"}),
        ({"interactive": {}}, {"/interactive/type"}),
        ({"mediaId": ID}, {"/mediaId"}),
        ({"mediaId": ID, "content": "x"}, {"/mediaId"}),
        ({"mediaId": ID, "previewUrl": False}, {"/previewUrl"}),
        ({"type": None}, {"/content"}),
        ({"type": "image"}, {"/mediaId"}),
        ({"type": "image", "mediaId": ID, "content": "x", "location": PLACE}, {"/content", "/location"}),
        ({"type": "image", "mediaId": "x", "caption": "c" * 1025, "link": "y"}, {"/mediaId", "/caption", "/link"}),
        ({"type": "audio", "mediaId": ID, "caption": "x"}, {"/caption"}),
        ({"type": "voice", "mediaId": ID, "caption": "x"}, {"/caption"}),
        ({"type": "sticker", "mediaId": ID, "caption": "x"}, {"/caption"}),
        ({"type": "document", "mediaId": ID, "previewUrl": False}, {"/previewUrl"}),
        ({"type": "text", "content": "x" * 4097, "mediaId": ID}, {"/content", "/mediaId"}),
        ({"type": "location", "location": {"latitude": 91, "longitude": "x", "zoom": 1}},
         {"/location/latitude", "/location/longitude", "/location/zoom"}),
        ({"type": "location", "location": {}}, {"/location/latitude", "/location/longitude"}),
        ({"type": "contacts", "contacts": []}, {"/contacts"}),
        ({"type": "contacts", "contacts": [CARD] * 258}, {"/contacts"}),
        ({"type": "contacts", "contacts": [CARD, {"phones": [{}], "birthday": "ontem"}]},
         {"/contacts/1/name", "/contacts/1/phones/0/phone", "/contacts/1/birthday"}),
        ({"type": "interactive"}, {"/interactive"}),
        ({"type": "interactive", "interactive": {}}, {"/interactive/type"}),
        ({"type": "interactive", "interactive": {"type": ["list"]}}, {"/interactive/type"}),
        ({"type": "interactive", "interactive": {"type": "flow", "x": "y" * 17000}}, {"/interactive"}),
    ],
)  # fmt: skip
async def test_what_a_type_does_not_take_is_named(body: dict[str, Any], pointers: set[str], dora: Guest) -> None:
    assert await refused(dora, **body) == pointers


PLACES = "/action/sections"


@pytest.mark.parametrize(
    ("node", "pointers"),
    [
        ({**BUTTONS, "body": {"text": "x" * 1025}, "footer": {"text": "x" * 61}}, {"/body/text", "/footer/text"}),
        ({**BUTTONS, "header": {"type": "text", "text": "x" * 61}}, {"/header/text"}),
        ({**BUTTONS, "header": {"type": "text"}}, {"/header/text"}),
        ({**BUTTONS, "header": {"type": "image", "text": "x"}}, {"/header/text", "/header/image"}),
        ({**BUTTONS, "header": {"type": "image", "image": {"link": "https://x"}}},
         {"/header/image/id", "/header/image/link"}),
        (asking(), {"/action/buttons"}),
        (asking("a", "b", "c", "d"), {"/action/buttons"}),
        (asking("é" * 21, "", ids=["i" * 257, "2"]),
         {"/action/buttons/0/reply/title", "/action/buttons/0/reply/id", "/action/buttons/1/reply/title"}),
        (asking("a", "b", ids=["1", "1"]), {"/action/buttons"}),
        ({**LIST, "body": {"text": "x" * 4097}}, {"/body/text"}),
        ({**LIST, "header": {"type": "image", "image": {"id": ID}}},
         {"/header/type", "/header/text", "/header/image"}),
        (listing(button="x" * 21), {"/action/button", PLACES}),
        (listing({"title": "x" * 25, "rows": rows(1, description="x" * 73)}),
         {f"{PLACES}/0/title", f"{PLACES}/0/rows/0/description"}),
        (listing({"rows": [{"id": "x" * 201, "title": "x" * 25}]}),
         {f"{PLACES}/0/rows/0/id", f"{PLACES}/0/rows/0/title"}),
        (listing({"rows": []}), {f"{PLACES}/0/rows"}),
        (listing({"rows": rows(11)}), {f"{PLACES}/0/rows"}),
        (listing({"title": "a", "rows": rows(6)}, {"title": "b", "rows": rows(5)}), {PLACES}),
        (listing({"title": "a", "rows": rows(1)}, {"rows": [{"id": "x", "title": "x"}]}), {f"{PLACES}/1/title"}),
        (listing(*[{"title": "a", "rows": rows(1)}] * 11), {PLACES}),
        (leading("x" * 21, "aurora.example"),
         {"/action/parameters/display_text", "/action/parameters/url"}),
        (leading("Ver", "https://x/" + "y" * 2000), {"/action/parameters/url"}),
        ({**LINK, "action": {"name": "other"}}, {"/action/name", "/action/parameters"}),
        ({**ASK, "action": {"name": "send"}, "body": {}}, {"/action/name", "/body/text"}),
        ({**ASK, "footer": {"text": "x"}}, {"/footer"}),
        ({**ASK, "body": {"text": "x" * 1025}}, {"/body/text"}),
        ({**LINK, "body": {"text": "x" * 1025}}, {"/body/text"}),
        ({**LIST, "footer": {"text": "x" * 61}, "header": {"type": "text", "text": "x" * 61}},
         {"/footer/text", "/header/text"}),
        (listing({"title": "a", "rows": rows(1)}, {"title": "b", "rows": rows(1)}), {PLACES}),
    ],
)  # fmt: skip
async def test_a_limit_of_an_interactive_message_is_named(
    node: dict[str, Any], pointers: set[str], dora: Guest
) -> None:
    assert await refused(dora, type="interactive", interactive=node) == {
        f"/interactive{place}" for place in pointers
    }


@pytest.mark.parametrize(
    "body",
    [
        {"content": "😀" * 4096},
        {"type": "interactive", "interactive": {**BUTTONS, "body": {"text": "é" * 1024}}},
        {"type": "interactive", "interactive": {**BUTTONS, "footer": {"text": "😀" * 60}}},
        {"type": "interactive", "interactive": asking("😀" * 20, "b" * 20, "c", ids=["i" * 256, "2", "3"])},
        {"type": "interactive", "interactive": listing({"rows": rows(10, description="é" * 72)}, button="é" * 20)},
        {"type": "interactive", "interactive": leading("x" * 20, "https://x/" + "y" * 1990)},
        {"type": "contacts", "contacts": [CARD] * 257},
        {"type": "location", "location": {"latitude": -90, "longitude": 180}},
        {"type": "location", "location": {"latitude": 90, "longitude": -180}},
        {"type": "interactive", "interactive": {**BUTTONS, "header": {"type": "text", "text": "é" * 60}}},
        {"type": "interactive", "interactive": {**LIST, "body": {"text": "é" * 4096}}},
        {"type": "interactive", "interactive": {**LIST, "footer": {"text": "é" * 60}}},
        {"type": "interactive", "interactive": {**LIST, "header": {"type": "text", "text": "é" * 60}}},
        {"type": "interactive", "interactive": listing(
            {"title": "é" * 24, "rows": [{"id": "i" * 200, "title": "é" * 24}]})},
        {"type": "interactive", "interactive": listing(
            *[{"title": "a", "rows": [{"id": str(place), "title": "x"}]} for place in range(10)])},
        {"type": "interactive", "interactive": {**LINK, "body": {"text": "é" * 1024}}},
        {"type": "interactive", "interactive": {**ASK, "body": {"text": "é" * 1024}}},
    ],
)  # fmt: skip
async def test_what_is_just_within_a_limit_passes(body: dict[str, Any], dora: Guest) -> None:
    answer = await ask(dora, **body)
    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize(
    ("kind", "mime", "size", "taken"),
    [
        ("image", "image/png", 5 * MB, True), ("image", "image/jpeg", 5 * MB + 1, False),
        ("image", "image/webp", 9, False), ("video", "video/3gpp", 16 * MB, True),
        ("video", "video/mp4", 16 * MB + 1, False), ("video", "image/png", 9, False),
        ("audio", "audio/ogg; codecs=opus", 9, True), ("audio", "audio/mpeg", 16 * MB + 1, False),
        ("audio", "audio/wav", 9, False), ("voice", "audio/ogg", 9, True), ("voice", "audio/mpeg", 9, False),
        ("document", "application/pdf", 100 * MB, True), ("document", OFFICE, 9, True),
        ("document", "text/plain", 100 * MB + 1, False), ("document", "application/zip", 9, False),
        ("sticker", "image/webp", 100 * KB, True), ("sticker", "image/webp", 100 * KB + 1, False),
        ("sticker", "image/png", 9, False),
        ("video", "video/mp4", 16 * MB, True), ("audio", "audio/aac", 16 * MB, True),
        ("voice", "audio/ogg", 16 * MB, True), ("voice", "audio/ogg", 16 * MB + 1, False),
    ],
)  # fmt: skip
async def test_a_type_takes_the_files_that_meta_takes(
    kind: str, mime: str, size: int, taken: bool, dora: Guest, as_owner: Sql
) -> None:
    media = await stored(as_owner, dora.hotel, mime, size=size)
    if taken:
        assert (await ask(dora, type=kind, mediaId=media)).status_code == 201
    else:
        assert await refused(dora, type=kind, mediaId=media) == {"/mediaId"}


async def test_a_file_alone_goes_as_what_it_is(dora: Guest, as_owner: Sql) -> None:
    mimes = ("image/png", "video/mp4", "audio/ogg; codecs=opus", "image/webp", "application/pdf")
    files = [await stored(as_owner, dora.hotel, mime) for mime in mimes]
    made = [await ask(dora, mediaId=file) for file in files]
    assert [one.json()["type"] for one in made] == ["image", "video", "audio", "sticker", "document"]
    captioned = await dora.hotel.attendant.post(
        "/api/messages/send", json={"to": f"+{dora.wa_id}", "mediaId": files[0], "caption": "A vista"}
    )
    assert (captioned.status_code, captioned.json()["type"]) == (201, "image")
    assert await refused(dora, mediaId=files[2], caption="Ouça") == {"/caption"}


@pytest.mark.parametrize(
    ("kind", "mime"), [("image", "image/png"), ("video", "video/mp4"), ("document", "text/plain")]
)
async def test_a_caption_has_1024_characters(kind: str, mime: str, dora: Guest, as_owner: Sql) -> None:
    media = await stored(as_owner, dora.hotel, mime)
    assert (await ask(dora, type=kind, mediaId=media, caption="😀" * 1024)).status_code == 201
    assert await refused(dora, type=kind, mediaId=media, caption="x" * 1025) == {"/caption"}


@pytest.mark.parametrize(("size", "status"), [(500 * KB, 201), (500 * KB + 1, 422)])
async def test_a_sticker_that_moves_may_be_larger(size: int, status: int, dora: Guest, as_owner: Sql) -> None:
    media = await stored(as_owner, dora.hotel, "image/webp", size=size, animated=True)
    assert (await ask(dora, type="sticker", mediaId=media)).status_code == status


async def test_a_file_must_be_there_and_ready_and_the_hotels_own(
    dora: Guest, hotel_b: Hotel, as_owner: Sql
) -> None:
    coming = await stored(as_owner, dora.hotel, "image/png", state="PENDING")
    foreign = await stored(as_owner, hotel_b, "image/png")
    for media in (str(uuid4()), coming, foreign):
        assert await refused(dora, type="image", mediaId=media) == {"/mediaId"}


@pytest.mark.parametrize(
    "body",
    [
        {"content": "Oi"},
        {"type": "location", "location": PLACE},
        {"type": "contacts", "contacts": [CARD]},
        {"type": "interactive", "interactive": BUTTONS},
    ],
    ids=lambda body: body.get("type", "text"),
)
async def test_outside_the_window_nothing_but_a_template_goes(body: dict[str, Any], hotel: Hotel) -> None:
    answer = await hotel.attendant.post("/api/messages/send", json={"to": f"+{unique_phone()}", **body})
    assert (answer.status_code, answer.json()["code"]) == (409, "window_closed")


async def test_outside_the_window_neither_a_file_nor_a_reaction_goes(hotel: Hotel, as_owner: Sql) -> None:
    guest = Guest(hotel, unique_phone())
    message = await guest.writes()
    media = await stored(as_owner, hotel, "image/png")
    closed = "UPDATE conversations SET window_expires_at = now() WHERE id = $1"
    await as_owner(closed, message["conversationId"])
    for body in (
        {"type": "image", "mediaId": media},
        {"type": "reaction", "reaction": {"messageId": message["id"], "emoji": "👍"}},
    ):
        answer = await ask(guest, **body)
        assert (answer.status_code, answer.json()["code"]) == (409, "window_closed")
    assert (await guest.history())[0]["reactions"] == []
