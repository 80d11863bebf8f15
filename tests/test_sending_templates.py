"""Templates: what fills them, and when one may be sent."""

import json
from typing import Any

import pytest

from tests.files import stored, uploaded
from tests.meta import becomes, script
from tests.people import Sql
from tests.sends import arrive, ask
from tests.system import Guest, Hotel, System, calling, eventually, unique_number_id, unique_phone

pytestmark = pytest.mark.usefixtures("brisk")

WELCOME = [{"type": "BODY", "text": "Olá {{1}}, seu quarto é o {{2}}."}]
NAMED = [{"type": "BODY", "text": "Olá {{guest}}!"}]
PICTURED = [{"type": "HEADER", "format": "IMAGE"}, *WELCOME]
DOCUMENTED = [{"type": "HEADER", "format": "DOCUMENT"}, *WELCOME]
BUTTONS = [
    {"type": "QUICK_REPLY", "text": "Sim"},
    {"type": "URL", "text": "Reserva", "url": "https://aurora.example/{{1}}"},
    {"type": "COPY_CODE", "example": "AURORA"},
]
BUTTONED = [*WELCOME, {"type": "BUTTONS", "buttons": BUTTONS}]
INSERT = """INSERT INTO templates (tenant_id, waba_id, name, language, category, status, components)
            VALUES ($1, $2, $3, 'pt_BR', $4, $5, $6)"""
BODY = {"type": "body", "parameters": [{"type": "text", "text": "Dora"}, {"type": "text", "text": "12"}]}
DUE = "UPDATE messages SET send_at = now() - INTERVAL '1 second' WHERE id = $1"
CLOSED = "UPDATE conversations SET window_expires_at = now() - INTERVAL '1 hour' WHERE id = $1"


@pytest.fixture(scope="module")
async def hotel(system: System, as_owner: Sql) -> Hotel:
    """A hotel with some templates, which Meta knows too."""
    hotel = await system.hotel("Modelos")
    made = [
        ("welcome", "UTILITY", "APPROVED", WELCOME),
        ("named", "UTILITY", "APPROVED", NAMED),
        ("plain", "UTILITY", "APPROVED", [{"type": "BODY", "text": "Até logo!"}]),
        ("pictured", "UTILITY", "APPROVED", PICTURED),
        ("documented", "UTILITY", "APPROVED", DOCUMENTED),
        ("buttoned", "UTILITY", "APPROVED", BUTTONED),
        ("offer", "MARKETING", "APPROVED", WELCOME),
        ("paused", "UTILITY", "PAUSED", WELCOME),
    ]
    for name, category, status, components in made:
        await as_owner(INSERT, hotel.id, hotel.waba_id, name, category, status, json.dumps(components))
        new = {"wabaId": hotel.waba_id, "name": name, "language": "pt_BR", "category": category}
        async with calling(base_url=system.graph_url) as meta:
            body = {**new, "components": components, "status": status}
            assert (await meta.post("/_fake/templates", json=body)).status_code < 300
    return hotel


@pytest.fixture
async def dora(hotel: Hotel, as_owner: Sql) -> Guest:
    """A guest who wrote more than a day ago."""
    guest = Guest(hotel, unique_phone())
    await guest.writes()
    await as_owner(CLOSED, (await guest.conversation())["id"])
    return guest


def use(name: str = "welcome", language: Any = "pt_BR", components: Any = (BODY,), **more: Any) -> dict[str, Any]:
    """The body of a send."""
    node = {"name": name, "language": language, "components": list(components)}
    return {"type": "template", "template": node} | more


@pytest.mark.parametrize("kind", ["template", None])
@pytest.mark.parametrize("language", ["pt_BR", "pt-BR", {"code": "pt_BR"}])
async def test_a_template_goes_out_when_the_window_is_closed(
    language: Any, kind: str | None, dora: Guest, system: System
) -> None:
    message, taken = await arrive(dora, system, **use(language=language, type=kind))
    node = {"name": "welcome", "language": {"code": "pt_BR"}, "components": [BODY]}
    assert taken == {"type": "template", "template": node}
    assert (message["content"], message["payload"]) == ("Olá Dora, seu quarto é o 12.", {"template": node})


@pytest.mark.parametrize("more", [{}, {"components": None}, {"components": []}])
async def test_a_template_without_parameters_needs_no_components(dora: Guest, more: dict[str, Any]) -> None:
    answer = await ask(dora, template={"name": "plain", "language": "pt_BR", **more})
    assert (answer.status_code, answer.json()["content"]) == (201, "Até logo!")


async def test_named_parameters_go_out_by_their_name(dora: Guest, system: System) -> None:
    named = {"type": "body", "parameters": [{"type": "text", "parameter_name": "guest", "text": "Dora"}]}
    message, taken = await arrive(dora, system, **use("named", components=[named]))
    assert (message["content"], taken["template"]["components"]) == ("Olá Dora!", [named])


async def test_buttons_are_filled_as_meta_wants_them(dora: Guest, system: System) -> None:
    buttons: list[dict[str, Any]] = [
        {"type": "button", "sub_type": "quick_reply", "index": "0",
         "parameters": [{"type": "payload", "payload": "sim"}]},
        {"type": "button", "sub_type": "url", "index": 1, "parameters": [{"type": "text", "text": "r/7"}]},
        {"type": "button", "sub_type": "copy_code", "index": "2",
         "parameters": [{"type": "coupon_code", "coupon_code": "AURORA"}]},
    ]  # fmt: skip
    _, taken = await arrive(dora, system, **use("buttoned", components=[BODY, *buttons]))
    assert taken["template"]["components"] == [BODY, *buttons]


async def test_the_picture_of_a_header_is_one_of_ours(dora: Guest, system: System, as_owner: Sql) -> None:
    media, graph_id = await uploaded(system, as_owner, dora.hotel, "image/png")
    header = {"type": "header", "parameters": [{"type": "image", "image": {"id": media}}]}
    message, taken = await arrive(dora, system, **use("pictured", components=[header, BODY]))
    assert taken["template"]["components"][0]["parameters"] == [{"type": "image", "image": {"id": graph_id}}]
    assert message["media"]["id"] == media


async def test_the_document_of_a_header_brings_its_name(dora: Guest, system: System, as_owner: Sql) -> None:
    media, graph_id = await uploaded(system, as_owner, dora.hotel, "application/pdf", "Conta.pdf")
    header = {"type": "header", "parameters": [{"type": "document", "document": {"id": media}}]}
    _, taken = await arrive(dora, system, **use("documented", components=[header, BODY]))
    sent = taken["template"]["components"][0]["parameters"][0]["document"]
    assert sent == {"id": graph_id, "filename": "Conta.pdf"}


async def test_parameters_that_do_not_fit_are_named_before_a_call_is_spent(dora: Guest) -> None:
    short = {"type": "body", "parameters": [{"type": "text", "text": "Dora"}]}
    answer = await ask(dora, **use(components=[short]))
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/template/components/0/parameters"]


async def test_a_template_that_meta_no_longer_has_is_read_again_once_refused(
    dora: Guest, system: System, as_owner: Sql
) -> None:
    await as_owner(INSERT, dora.hotel.id, dora.hotel.waba_id, "gone", "UTILITY", "APPROVED", json.dumps(WELCOME))
    older = "UPDATE templates SET created_at = now() - INTERVAL '1 hour' WHERE tenant_id = $1 AND name = 'gone'"
    await as_owner(older, dora.hotel.id)
    message = (await ask(dora, **use("gone"))).json()
    failed = await becomes(dora.hotel, message, "FAILED")
    assert failed["error"]["code"] == 132001

    async def noticed() -> bool:
        query = "SELECT FROM templates WHERE tenant_id = $1 AND name = 'gone'"
        return not await as_owner(query, dora.hotel.id)

    assert await eventually(noticed)


@pytest.mark.parametrize(("name", "language"), [("nope", "pt_BR"), ("welcome", "en_US")])
async def test_a_template_that_is_not_there_is_named(name: str, language: str, dora: Guest) -> None:
    answer = await ask(dora, **use(name, language))
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/template/name")


async def test_a_template_of_another_account_is_not_there(dora: Guest, system: System, as_owner: Sql) -> None:
    """Not even of another number of the same hotel, over which there are conversations, too."""
    other = await system.channel(dora.hotel.admin, unique_number_id(), unique_number_id())
    talk = {"to": f"+{unique_phone()}", "channelId": other["id"]}
    assert (await dora.hotel.attendant.post("/api/conversations", json=talk)).status_code == 201
    account = other["whatsappBusinessAccountId"]
    await as_owner(INSERT, dora.hotel.id, account, "elsewhere", "UTILITY", "APPROVED", "[]")
    answer = await ask(dora, **use("elsewhere"))
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/template/name")


async def test_a_template_that_is_not_approved_is_not_sent(dora: Guest) -> None:
    answer = await ask(dora, **use("paused"))
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "PAUSED" in answer.json()["detail"]
    assert len(await dora.history()) == 1


async def test_who_wants_no_marketing_gets_none_and_the_rest_goes_on(dora: Guest, as_owner: Sql) -> None:
    opt_out = "UPDATE contacts SET marketing_opt_out = TRUE WHERE id = $1"
    assert (await ask(dora, **use("offer"))).status_code == 201
    await as_owner(opt_out, (await dora.conversation())["contact"]["id"])
    answer = await ask(dora, **use("offer"))
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "marketing" in answer.json()["detail"]
    assert (await ask(dora, **use("welcome"))).status_code == 201


async def test_nothing_is_sent_to_who_was_erased_and_it_is_said_why(dora: Guest) -> None:
    talk = await dora.conversation()
    assert (await dora.hotel.admin.post(f"/api/contacts/{talk['contact']['id']}/erase")).status_code == 200
    answer = await dora.hotel.attendant.post(f"/api/conversations/{talk['id']}/messages", json=use())
    told = answer.json()
    assert (answer.status_code, told["code"], "apagados" in told["detail"]) == (409, "conflict", True)


async def test_a_stranger_is_written_to_by_a_template(hotel: Hotel) -> None:
    body = {"to": f"+{unique_phone()}", **use()}
    answer = await hotel.attendant.post("/api/messages/send", json=body)
    assert answer.status_code == 201, answer.text
    await becomes(hotel, answer.json(), "READ")


async def test_a_scheduled_template_waits_for_no_window(dora: Guest, as_owner: Sql) -> None:
    answer = await ask(dora, **use(sendAt="2027-01-01T12:00:00Z"))
    assert answer.json()["status"] == "SCHEDULED"
    await as_owner(DUE, answer.json()["id"])
    await becomes(dora.hotel, answer.json(), "READ")


STATUS = "UPDATE templates SET status = $3 WHERE tenant_id = $1 AND name = $2"
OPT_OUT = "UPDATE contacts SET marketing_opt_out = $2 WHERE id = $1"


@pytest.mark.parametrize(
    ("status", "code"), [("PAUSED", 132015), ("DISABLED", 132016), ("REJECTED", 132001), (None, 132001)]
)
async def test_a_scheduled_template_must_still_be_approved_when_it_is_due(
    status: str | None, code: int, dora: Guest, as_owner: Sql
) -> None:
    name = f"later_{dora.wa_id}"
    await as_owner(INSERT, dora.hotel.id, dora.hotel.waba_id, name, "UTILITY", "APPROVED", json.dumps(WELCOME))
    message = (await ask(dora, **use(name, sendAt="2027-01-01T12:00:00Z"))).json()
    gone = "DELETE FROM templates WHERE tenant_id = $1 AND name = $2"
    await (as_owner(STATUS, dora.hotel.id, name, status) if status else as_owner(gone, dora.hotel.id, name))
    await as_owner(DUE, message["id"])
    error = (await becomes(dora.hotel, message, "FAILED"))["error"]
    assert error["code"] == code
    assert ("template was" in error["title"], "modelo" in error["detail"].lower()) == (True, True)


@pytest.mark.parametrize(("name", "ends"), [("offer", "FAILED"), ("welcome", "READ")])
async def test_a_scheduled_marketing_template_fails_when_its_customer_has_opted_out(
    name: str, ends: str, dora: Guest, as_owner: Sql
) -> None:
    message = (await ask(dora, **use(name, sendAt="2027-01-01T12:00:00Z"))).json()
    await as_owner(OPT_OUT, (await dora.conversation())["contact"]["id"], True)
    await as_owner(DUE, message["id"])
    error = (await becomes(dora.hotel, message, ends))["error"]
    if ends == "FAILED":
        assert (error["code"], error["action"]) == (131050, "opted_out")
        assert ("marketing" in error["title"], "marketing" in error["detail"]) == (True, True)


async def test_a_template_that_failed_is_sent_again_without_a_window(dora: Guest, system: System) -> None:
    await script(system, dora.hotel, to=f"+{dora.wa_id}", error={"status": 400, "code": 132007})
    failed = await becomes(dora.hotel, (await ask(dora, **use())).json(), "FAILED")
    answer = await dora.hotel.attendant.post(f"/api/messages/{failed['id']}/retry")
    assert answer.status_code == 200, answer.text
    await becomes(dora.hotel, failed, "READ")


@pytest.mark.parametrize("change", ["paused", "opted out"])
async def test_a_failed_template_that_may_not_go_any_more_is_not_sent_again(
    change: str, dora: Guest, system: System, as_owner: Sql
) -> None:
    name = f"again_{dora.wa_id}"
    await as_owner(INSERT, dora.hotel.id, dora.hotel.waba_id, name, "MARKETING", "APPROVED", json.dumps(WELCOME))
    await script(system, dora.hotel, to=f"+{dora.wa_id}", error={"status": 400, "code": 132007})
    failed = await becomes(dora.hotel, (await ask(dora, **use(name))).json(), "FAILED")
    if change == "paused":
        await as_owner(STATUS, dora.hotel.id, name, "PAUSED")
    else:
        await as_owner(OPT_OUT, (await dora.conversation())["contact"]["id"], True)
    answer = await dora.hotel.attendant.post(f"/api/messages/{failed['id']}/retry")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    await becomes(dora.hotel, failed, "FAILED")


@pytest.mark.parametrize("file", [{"link": "https://aurora.example/a.png"}, {"id": "123"}, {}])
async def test_a_file_of_a_template_is_never_a_link(file: dict[str, str], dora: Guest) -> None:
    header = {"type": "header", "parameters": [{"type": "image", "image": file}]}
    answer = await ask(dora, **use("pictured", components=[header, BODY]))
    place = "/template/components/0/parameters/0/image/id"
    assert (answer.status_code, [error["pointer"] for error in answer.json()["errors"]]) == (422, [place])


async def test_a_wrong_file_of_a_template_is_named(dora: Guest, as_owner: Sql) -> None:
    media = await stored(as_owner, dora.hotel, "video/mp4")
    header = {"type": "header", "parameters": [{"type": "image", "image": {"id": media}}]}
    answer = await ask(dora, **use("pictured", components=[header, BODY]))
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/template")


@pytest.mark.parametrize(
    ("node", "pointers"),
    [
        ({}, {"/template/name", "/template/language"}),
        ({"name": "Olá", "language": "p"}, {"/template/name", "/template/language"}),
        ({"name": "a", "language": "pt_BR", "components": [{"type": "x", "y": 1}]},
         {"/template/components/0/type", "/template/components/0/y"}),
        ({"name": "a", "language": "pt_BR", "components": [{"type": "body", "parameters": ["x" * 17000]}]},
         {"/template", "/template/components/0/parameters/0"}),
    ],
)  # fmt: skip
async def test_a_wrong_template_is_refused_by_every_name(
    node: dict[str, Any], pointers: set[str], dora: Guest
) -> None:
    answer = await ask(dora, type="template", template=node)
    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == pointers
