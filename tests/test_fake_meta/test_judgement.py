"""What Meta accepts, refuses at once, and fails afterwards."""

import time
from typing import Any

import pytest

from .actors import DORA_DIALLED, HOTEL, TEXT, Crm, Meta

ROWS = [{"id": str(n), "title": "x", "description": "y"} for n in range(11)]


def interactive(kind: str, action: dict[str, Any]) -> dict[str, Any]:
    return {"type": "interactive", "interactive": {"type": kind, "body": {"text": "x"}, "action": action}}


def listed(rows: list[dict[str, str]]) -> dict[str, Any]:
    return interactive("list", {"button": "Ver", "sections": [{"title": "Tudo", "rows": rows}]})


def buttoned(*titles: str) -> dict[str, Any]:
    replies = [{"type": "reply", "reply": {"id": title, "title": title}} for title in titles]
    return interactive("button", {"buttons": replies})


@pytest.mark.parametrize(
    ("window", "hours", "status"),
    [
        ("known", 25, "failed"),
        ("known", 23, "sent"),
        ("known", None, "sent"),
        ("strict", None, "failed"),
        ("off", 25, "sent"),
    ],
)
async def test_a_free_text_outside_the_window_fails_after_it_was_accepted(
    window: str, hours: int | None, status: str, crm: Crm, fake: Meta
) -> None:
    await fake.post("numbers", phoneNumberId=HOTEL, window=window)
    if hours:
        await fake.say(text="Oi", timestamp=int(time.time()) - hours * 3600)
    assert (await fake.send(TEXT)).status_code == 200
    await crm.until(2 if hours else 1)
    assert crm.statuses()[0] == status
    if status == "failed":
        assert crm.values()[-1]["statuses"][0]["errors"][0]["code"] == 131047
        assert "contacts" not in crm.values()[-1]


async def test_an_older_message_that_comes_late_does_not_close_the_window(crm: Crm, fake: Meta) -> None:
    await fake.say(text="Oi")
    await fake.say(text="atrasada", timestamp=int(time.time()) - 30 * 3600)
    await fake.send(TEXT)
    await crm.until(3)
    assert "failed" not in crm.statuses()


@pytest.mark.parametrize(
    ("dialled", "wa_id"),
    [
        ("+55 48 99844-8722", "554898448722"),
        ("+55 11 98765-4321", "5511987654321"),
        ("+55 48 3333-4444", "554833334444"),
    ],
)
async def test_the_ninth_digit_is_dropped_where_meta_usually_drops_it(
    dialled: str, wa_id: str, crm: Crm, fake: Meta
) -> None:
    answer = (await fake.send({**TEXT, "to": dialled})).json()
    assert answer["contacts"] == [{"input": dialled, "wa_id": wa_id}]


async def test_the_ninth_digit_stays_with_who_wrote_with_it_or_where_the_number_keeps_it(
    crm: Crm, fake: Meta
) -> None:
    await fake.say(text="Oi", **{"from": "5548998448722"})
    assert (await fake.send(TEXT)).json()["contacts"][0]["wa_id"] == "5548998448722"
    await fake.post("numbers", phoneNumberId=HOTEL, dropsNinthDigit=False)
    other = await fake.send({**TEXT, "to": "+5548991112222"})
    assert other.json()["contacts"][0]["wa_id"] == "5548991112222"


async def test_a_bsuid_mistaken_for_a_phone_is_undeliverable(crm: Crm, fake: Meta) -> None:
    assert (await fake.send({**TEXT, "to": "13491208655302741918"})).status_code == 200
    await crm.until(1)
    assert crm.values()[0]["statuses"][0]["errors"][0]["code"] == 131026


async def test_unknown_objects_and_bad_tokens_are_told_apart(crm: Crm, fake: Meta) -> None:
    await fake.register("http://unused", phoneNumberId="2", wabaId="20", accessToken="other-token")
    unknown = await fake.send(TEXT, number="404")
    foreign = await fake.send(TEXT, token="other-token")
    wrong = await fake.send(TEXT, token="wrong")
    for answer in (unknown, foreign):
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["error_subcode"]) == (400, 100, 33)
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (401, 190)


def headed(header: dict[str, Any]) -> dict[str, Any]:
    """A question below this header."""
    return {"type": "interactive", "interactive": {**buttoned("Mar")["interactive"], "header": header}}


def filled(component: dict[str, Any]) -> dict[str, Any]:
    """A template filled by this component."""
    node = {"name": "nope", "language": {"code": "pt_BR"}, "components": [component]}
    return {"type": "template", "template": node}


@pytest.mark.parametrize(
    "body",
    [
        {"text": {"body": "é" * 4096, "preview_url": True}},
        {"type": "image", "image": {"link": "https://x/y.png", "caption": "x"}},
        {"type": "location", "location": {"latitude": "-27.4", "longitude": -48.5}},
        {"type": "contacts", "contacts": [{"name": {"formatted_name": "Recepção"}}]},
        {"type": "reaction", "reaction": {"message_id": "wamid.x", "emoji": ""}},
        buttoned("Mar", "Jardim", "Nada"),
        listed(ROWS[:10]),
        interactive("cta_url", {"name": "cta_url", "parameters": {"display_text": "Ver", "url": "https://x"}}),
        interactive("location_request_message", {"name": "send_location"}),
    ],
)
async def test_well_formed_messages_of_every_type_are_accepted(body: dict[str, Any], crm: Crm, fake: Meta) -> None:
    answer = await fake.send(body)
    assert answer.status_code == 200, answer.text
    (row,) = await fake.log("sent")
    assert (row["to"], row["wamid"]) == (DORA_DIALLED, answer.json()["messages"][0]["id"])


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"type": "text", "text": {"body": ""}}, 100),
        ({"type": "text", "text": {"body": "é" * 4097}}, 100),
        ({"type": "text"}, 100),
        ({"type": "fax", "fax": {}}, 100),
        ({"type": "image", "image": {"id": "1", "link": "https://x/y.png"}}, 100),
        ({"type": "image", "image": {"link": "/etc/passwd"}}, 100),
        ({"type": "image", "image": {"id": "999"}}, 100),
        ({"type": "audio", "audio": {"link": "https://x/y.ogg", "caption": "x"}}, 100),
        ({"type": "location", "location": {"latitude": "x", "longitude": 1}}, 100),
        ({"type": "location", "location": {"latitude": 91, "longitude": 1}}, 131009),
        ({"type": "contacts", "contacts": ["x"]}, 100),
        ({"type": "reaction", "reaction": {"message_id": "wamid.x", "emoji": ""}, "context": {}}, 131009),
        (listed(ROWS), 131009),
        (listed([ROWS[0], ROWS[0]]), 131009),
        (buttoned("1", "2", "3", "4"), 131009),
        (buttoned("x" * 21), 131009),
        (interactive("hologram", {}), 100),
        ({"type": "image", "image": {"link": "https://x/y.png", "voice": True}}, 100),
        ({"type": "audio", "audio": {"link": "https://x/y.ogg", "voice": "yes"}}, 100),
        ({"type": "location", "location": {"latitude": 1, "longitude": 1, "name": "x" * 1001}}, 100),
        (interactive("cta_url", {"name": "cta_url", "parameters": {"display_text": "Ver", "url": "x"}}), 131009),
        (headed({"type": "text", "text": "x" * 61}), 131009),
        (headed({"type": "image", "image": {"id": "999"}}), 100),
        (headed({"type": "image"}), 131009),
        (filled({"type": "button", "parameters": []}), 100),
        (filled({"type": "footer", "parameters": []}), 100),
        (filled({"type": "body", "parameters": [{"type": "text"}]}), 132012),
        (filled({"type": "header", "parameters": [{"type": "image", "image": {}}]}), 100),
        ({"type": "template", "template": {"name": "nope", "language": {"code": "pt_BR"}}}, 132001),
        ({**TEXT, "to": None}, 100),
        ({**TEXT, "to": "dora"}, 100),
        ({**TEXT, "to": None, "recipient": "dora"}, 100),
        ({**TEXT, "recipient_type": "group"}, 100),
        ({**TEXT, "messaging_product": "fax"}, 100),
        ({**TEXT, "biz_opaque_callback_data": "x" * 513}, 100),
        ({"status": "read", "message_id": "not-a-wamid"}, 100),
    ],
)
async def test_ill_formed_messages_are_refused_as_graph_does(
    body: dict[str, Any], code: int, crm: Crm, fake: Meta
) -> None:
    answer = await fake.send(body)
    error = answer.json()["error"]
    assert (answer.status_code // 100, error["code"], error["type"]) == (4, code, "OAuthException")
    assert error["fbtrace_id"]
    assert await fake.log("sent") == []


@pytest.mark.parametrize("raw", [b"{", b"[]", b'"text"'])
async def test_bodies_that_are_no_json_object_are_refused(raw: bytes, crm: Crm, fake: Meta) -> None:
    answer = await fake.graph("POST", f"{HOTEL}/messages", content=raw)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 100)
