"""Carousels and offers that end: created by Meta's rules, filled as Meta wants them, each wrong part named."""

import hashlib
import io
import json
import time
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from crm import media
from crm.core import rails
from crm.privacy.forgetting import forget_of
from tests.files import stored, uploaded
from tests.meta import becomes
from tests.people import Sql
from tests.sends import arrive, ask
from tests.system import Guest, Hotel, System, calling, unique_phone
from tests.test_media_doors import upload
from tests.test_media_look import picture
from tests.test_sending_templates import INSERT, use
from tests.test_templates import PATH, at_meta, made, new
from tests.visitors import pointers, told

SAMPLE = {"header_handle": ["4::aW1hZ2U="]}
BODY = {"type": "BODY", "text": "Olá, {{1}}, veja!", "example": {"body_text": [["Dora"]]}}
CARD: list[dict[str, Any]] = [
    {"type": "HEADER", "format": "IMAGE", "example": SAMPLE},
    {"type": "BODY", "text": "Suíte {{1}} com vista.", "example": {"body_text": [["Mar"]]}},
    {"type": "BUTTONS", "buttons": [
        {"type": "QUICK_REPLY", "text": "Quero"},
        {"type": "URL", "text": "Ver", "url": "https://a.example/{{1}}", "example": ["mar"]},
    ]},
]  # fmt: skip
CAROUSEL = {"type": "CAROUSEL", "cards": [{"components": CARD}, {"components": CARD}]}
CARDS = {"category": "MARKETING", "components": [BODY, CAROUSEL]}
CODE = {"type": "COPY_CODE", "example": "VERAO25"}
LINK = {"type": "URL", "text": "Reservar", "url": "https://a.example/r"}
OFFER_PART = {
    "type": "LIMITED_TIME_OFFER",
    "limited_time_offer": {"text": "Só até domingo", "has_expiration": True},
}
OFFER = {"category": "MARKETING", "components": [OFFER_PART, BODY, {"type": "BUTTONS", "buttons": [CODE, LINK]}]}


def changed(whole: dict[str, Any], *path: Any, to: Any) -> dict[str, Any]:
    """The same with another value at this place; None takes it out."""
    copy = json.loads(json.dumps(whole))  # not deepcopy: the cards are one object
    node: Any = copy
    for step in path[:-1]:
        node = node[step]
    if to is None:
        del node[path[-1]]
    else:
        node[path[-1]] = to
    return copy


def card(*path: Any, to: Any) -> dict[str, Any]:
    """The carousel with something else in its second card."""
    return changed(CARDS, "components", 1, "cards", 1, "components", *path, to=to)


FOOTER, TITLE = {"type": "FOOTER", "text": "Aurora"}, {"type": "HEADER", "format": "TEXT", "text": "Oi"}
AT, SECOND = "/components", "/components/1/cards/1/components"


@pytest.mark.parametrize("whole", [CARDS, OFFER])
async def test_it_is_taken_as_meta_wants_it(whole: dict[str, Any], hotel_a: Hotel) -> None:
    first = await made(hotel_a, **whole)
    assert (first["status"], first["components"]) == ("PENDING", whole["components"])


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({**CARDS, "category": "UTILITY"}, {"/category"}),
        (changed(CARDS, "components", to=[BODY, CAROUSEL, {"type": "FOOTER", "text": "Aurora"}]), {f"{AT}/2"}),
        (changed(CARDS, "components", 1, "cards", to=[{"components": CARD}]), {f"{AT}/1/cards"}),
        (changed(CARDS, "components", 1, "cards", to=[{"components": CARD}] * 11), {f"{AT}/1/cards"}),
        (card(0, "example", to=None), {f"{SECOND}/0/example/header_handle"}),
        (card(0, "format", to="DOCUMENT"), {f"{SECOND}/0/format", SECOND}),
        (card(0, "format", to="VIDEO"), {SECOND}),
        (card(0, to=None), {SECOND}),
        (card(1, "text", to="Suíte {{1}} " + "é" * 150), {f"{SECOND}/1/text"}),
        (card(1, "example", to=None), {f"{SECOND}/1/example/body_text"}),
        (card(2, "buttons", 0, "text", to="x" * 26), {f"{SECOND}/2/buttons/0/text"}),
        (card(2, "buttons", 0, to=CODE), {f"{SECOND}/2/buttons/0/type", SECOND}),
        (card(2, "buttons", to=[LINK]), {SECOND}),
        ({**OFFER, "category": "UTILITY"}, {"/category"}),
        (changed(OFFER, "components", 0, "limited_time_offer", "text", to="x" * 17),
         {f"{AT}/0/limited_time_offer/text"}),
        (changed(OFFER, "components", 0, "limited_time_offer", "has_expiration", to="yes"),
         {f"{AT}/0/limited_time_offer/has_expiration"}),
        (changed(OFFER, "components", 1, "text", to="Olá, {{1}}, " + "é" * 590), {f"{AT}/1/text"}),
        (changed(OFFER, "components", 2, "buttons", to=[LINK, CODE]),
         {f"{AT}/2/buttons/1"}),
        (changed(OFFER, "components", 2, "buttons", to=[LINK]), {AT}),
        (changed(OFFER, "components", 2, "buttons", to=[CODE]), {AT}),
        (changed(OFFER, "components", 2, "buttons", 0, "example", to="x" * 16), {f"{AT}/2/buttons/0/example"}),
        (changed(OFFER, "components", to=[*OFFER["components"], FOOTER]), {f"{AT}/3"}),
        (changed(OFFER, "components", to=[*OFFER["components"], TITLE]),
         {f"{AT}/3/format"}),
    ],
)  # fmt: skip
async def test_what_meta_would_refuse_is_named(wrong: dict[str, Any], named: set[str], hotel_a: Hotel) -> None:
    assert pointers(await hotel_a.admin.post(PATH, json=new(**wrong))) == named


@pytest.fixture(scope="module")
async def hotel(system: System, as_owner: Sql) -> Hotel:
    """A hotel with a carousel and an offer that Meta has approved."""
    hotel = await system.hotel("Cartoes")
    for name, whole in (("rooms", CARDS), ("summer", OFFER)):
        parts = json.dumps(whole["components"])
        await as_owner(INSERT, hotel.id, hotel.waba_id, name, "MARKETING", "APPROVED", parts)
        await at_meta(system, hotel, name=name, status="APPROVED", **whole)
    return hotel


@pytest.fixture
async def dora(hotel: Hotel) -> Guest:
    guest = Guest(hotel, unique_phone())
    await guest.writes()
    return guest


def text(kind: str, value: str) -> dict[str, Any]:
    return {"type": kind, "parameters": [{"type": "text", "text": value}]}


def filled(place: int, file: str) -> dict[str, Any]:
    """A card with its picture, its text, and the end of its link."""
    picture = {"type": "header", "parameters": [{"type": "image", "image": {"id": file}}]}
    link = {**text("button", f"s{place}"), "sub_type": "url", "index": 1}
    return {"card_index": place, "components": [picture, text("body", f"Mar {place}"), link]}


def rooms(*files: str) -> dict[str, Any]:
    cards = [filled(place, file) for place, file in enumerate(files)]
    return use("rooms", components=[text("body", "Dora"), {"type": "carousel", "cards": cards}])


async def test_a_carousel_goes_out_with_the_picture_of_each_card(
    dora: Guest, system: System, as_owner: Sql
) -> None:
    files = [await uploaded(system, as_owner, dora.hotel, "image/png") for _ in range(2)]
    message, taken = await arrive(dora, system, **rooms(*(ours for ours, _ in files)))
    assert taken["template"]["components"] == rooms(*(metas for _, metas in files))["template"]["components"]
    assert message["content"] == "Olá, Dora, veja!\n\nSuíte Mar 0 com vista.\n\nSuíte Mar 1 com vista."
    assert message["media"]["id"] == files[0][0]


@pytest.mark.parametrize(
    ("path", "to", "pointer"),
    [
        (("cards", 1), None, "/cards"),
        (("cards", 1, "card_index"), 0, "/cards/1/card_index"),
        (("cards", 1, "components", 0), None, "/cards/1/components"),
        (("cards", 1, "components", 1, "parameters", 0, "text"), "x" * 160, "/cards/1/components/1/parameters"),
        (("cards", 1, "components", 2), None, "/cards/1/components"),
        (("cards", 1, "components", 0, "parameters", 0, "image"), {"link": "https://a.example/b.png"},
         "/cards/1/components/0/parameters/0/image/id"),
        (("cards", 1, "components", 0, "parameters"), 5, "/cards/1/components/0/parameters"),
        (("cards", 1, "components"), "x", "/cards/1/components"),
    ],
)  # fmt: skip
async def test_a_card_that_is_not_filled_is_named(
    path: tuple[Any, ...], to: Any, pointer: str, dora: Guest, as_owner: Sql
) -> None:
    body = rooms(*[await stored(as_owner, dora.hotel, "image/png") for _ in range(2)])
    answer = await ask(dora, **changed(body, "template", "components", 1, *path, to=to))
    assert pointers(answer) == {f"/template/components/1{pointer}"}


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize(
    ("mime", "more"),
    [("image/png", {"size": 6 * 1024 * 1024}), ("image/png", {"state": "PENDING"}), ("application/pdf", {})],
)
async def test_the_file_of_a_card_that_does_not_fit_is_named(
    place: int, mime: str, more: dict[str, Any], dora: Guest, as_owner: Sql
) -> None:
    files = [await stored(as_owner, dora.hotel, "image/png") for _ in range(2)]
    files[place] = await stored(as_owner, dora.hotel, mime, **more)
    answer = await ask(dora, **rooms(*files))
    assert pointers(answer) == {f"/template/components/1/cards/{place}"}
    assert len(await dora.history()) == 1


async def test_the_file_of_a_later_card_stays_while_another_conversation_shows_it(
    dora: Guest, system: System, as_owner: Sql
) -> None:
    laid = await rails.lay(system.settings)
    files = [(await uploaded(system, as_owner, dora.hotel, "image/png"))[0] for _ in range(2)]
    message, _ = await arrive(dora, system, **rooms(*files))
    async with laid.db.tenant(UUID(dora.hotel.id)) as tx:
        here = UUID(message["conversationId"])
        assert await media.forget(tx, [UUID(files[1])], [UUID(int=1)]) == []
        states = "SELECT state FROM media WHERE id = $1"
        kept = (await as_owner(states, UUID(files[1])))[0]["state"]
        await media.forget(tx, [UUID(files[1])], [here])
    assert (kept, (await as_owner(states, UUID(files[1])))[0]["state"]) == ("READY", "DELETED")
    await laid.close()


def summer(ends: Any, code: str = "VERAO25") -> dict[str, Any]:
    node = {"type": "limited_time_offer", "limited_time_offer": {"expiration_time_ms": ends}}
    copied = {"type": "button", "sub_type": "copy_code", "index": 0,
              "parameters": [{"type": "coupon_code", "coupon_code": code}]}  # fmt: skip
    return use(
        "summer", components=[text("body", "Dora"), {"type": "limited_time_offer", "parameters": [node]}, copied]
    )


async def test_an_offer_goes_out_with_its_end_and_its_code(dora: Guest, system: System) -> None:
    body = summer(int(time.time() * 1000) + 86_400_000)
    message, taken = await arrive(dora, system, **body)
    assert taken["template"]["components"] == body["template"]["components"]
    assert message["content"] == "Só até domingo\n\nOlá, Dora, veja!"


NOW = int(time.time())
END = "/1/parameters/0/limited_time_offer/expiration_time_ms"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (summer(NOW * 1000 - 1), END),
        (summer(NOW + 86_400), END),  # seconds, not milliseconds
        (summer(str(NOW * 1000 + 86_400_000)), END),
        ({**summer(NOW * 1000 + 86_400_000), "sendAt": "2027-06-01T12:00:00Z"}, END),
        (summer(NOW * 1000 + 86_400_000, "x" * 16), "/2/parameters/0/coupon_code"),
        (changed(summer(1), "template", "components", 1, to=None), ""),
    ],
)
async def test_an_offer_that_is_not_filled_is_named(body: dict[str, Any], pointer: str, dora: Guest) -> None:
    assert pointers(await ask(dora, **body)) == {f"/template/components{pointer}"}


async def test_a_scheduled_offer_is_not_moved_behind_its_end(dora: Guest) -> None:
    ends = datetime.now(UTC) + timedelta(hours=2)
    when = [{"sendAt": (ends + timedelta(minutes=minutes)).isoformat()} for minutes in (-60, 0, 60, -1)]
    message = (await ask(dora, **summer(int(ends.timestamp() * 1000)), **when[0])).json()
    answers = [await dora.hotel.attendant.patch(f"/api/messages/{message['id']}", json=at) for at in when]
    assert [answer.status_code for answer in answers] == [200, 422, 422, 200]
    assert pointers(answers[1]) == {"/sendAt"}


async def test_a_carousel_that_meta_refuses_fails_with_its_reason(
    dora: Guest, system: System, as_owner: Sql
) -> None:
    wrong = changed(CARDS, "components", 1, "cards", to=[{"components": CARD}] * 3)
    assert (
        await dora.hotel.admin.post(f"{PATH}/sync")
    ).status_code == 200  # so that the worker reads none of it soon
    await as_owner(INSERT, dora.hotel.id, dora.hotel.waba_id, "changed", "MARKETING", "APPROVED",
                   json.dumps(CARDS["components"]))  # fmt: skip
    await at_meta(system, dora.hotel, name="changed", status="APPROVED", **wrong)
    files = [(await uploaded(system, as_owner, dora.hotel, "image/png"))[0] for _ in range(2)]
    body = changed(rooms(*files), "template", "name", to="changed")
    failed = await becomes(dora.hotel, (await ask(dora, **body)).json(), "FAILED")
    assert failed["error"]["code"] == 132012


async def test_the_files_of_all_cards_are_told_of_a_person_and_go_with_an_old_message(
    dora: Guest, system: System, as_owner: Sql
) -> None:
    pictures = [picture("PNG", (8, 8)) + uuid4().bytes for _ in range(2)]
    files = [(await upload(dora.hotel.admin, data)).json()["id"] for data in pictures]
    message, _ = await arrive(dora, system, **rooms(*files))
    data = await dora.hotel.admin.get(f"/api/contacts/{(await dora.conversation())['contact']['id']}/personal-data")
    archive = zipfile.ZipFile(io.BytesIO(data.content))
    kept = [archive.read(name) for name in archive.namelist() if name.startswith("arquivos/")]
    assert sorted(kept) == sorted(pictures)
    await dora.hotel.admin.patch("/api/tenant", json={"settings": {"retentionDays": 30}})
    await as_owner("UPDATE messages SET created_at = created_at - INTERVAL '31 days' WHERE id = $1", message["id"])
    laid = await rails.lay(system.settings)
    assert await forget_of(laid, UUID(dora.hotel.id), lambda: True) == 1
    await laid.close()
    gone = await as_owner("SELECT state FROM media WHERE id = ANY($1::uuid[])", files)
    assert [row["state"] for row in gone] == ["DELETED", "DELETED"]


async def test_the_example_of_a_header_may_be_a_file_of_ours(system: System, hotel_a: Hotel) -> None:
    data = picture("PNG", (8, 8)) + uuid4().bytes
    file = (await upload(hotel_a.admin, data)).json()["id"]
    ours = card(0, "example", to={"header_handle": [file]})
    template = await made(hotel_a, **ours)
    assert template["components"] == ours["components"]
    async with calling(headers={"Authorization": f"Bearer token-of-{hotel_a.number_id}"}) as meta:
        url = f"{system.graph_url}/v25.0/{template['whatsappTemplateId']}"
        cards = (await meta.get(url)).json()["components"][1]["cards"]
    handles = [one["components"][0]["example"]["header_handle"] for one in cards]
    assert handles == [SAMPLE["header_handle"], [f"4::{hashlib.sha256(data).hexdigest()}"]]


@pytest.mark.parametrize("mime", ["video/mp4", None])
async def test_an_example_that_is_not_there_or_does_not_fit_is_named(
    mime: str | None, hotel_a: Hotel, as_owner: Sql
) -> None:
    file = await stored(as_owner, hotel_a, mime) if mime else str(uuid4())
    answer = await hotel_a.admin.post(PATH, json=new(**card(0, "example", to={"header_handle": [file]})))
    assert pointers(answer) == {f"{SECOND}/0/example/header_handle/0"}


async def test_an_example_that_meta_does_not_take_is_told_and_nothing_is_submitted(
    system: System, hotel_a: Hotel
) -> None:
    file = (await upload(hotel_a.admin, picture("PNG", (8, 8)) + uuid4().bytes)).json()["id"]
    rule = {"match": {"path": "/uploads"}, "times": 1, "action": {"error": {"status": 403, "code": 10}}}
    async with calling() as client:
        await client.post(f"{system.graph_url}/_fake/script", json={"rules": [rule]})
    body = new(**card(0, "example", to={"header_handle": [file]}))
    assert told(await hotel_a.admin.post(PATH, json=body)) == (409, "conflict")
    assert (await hotel_a.admin.post(PATH, json=body)).status_code == 201
