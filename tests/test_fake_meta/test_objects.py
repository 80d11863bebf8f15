"""Media, templates, numbers and accounts as Graph objects."""

from typing import Any

import pytest

from .actors import HOTEL, TEXT, TOKEN, WABA, Crm, Meta

BODY = [{"type": "BODY", "text": "Olá {{1}}, até {{2}}."}]
OLA = {"name": "ola", "language": "pt_BR", "category": "UTILITY", "components": BODY}
TEMPLATES = f"{WABA}/message_templates"


async def upload(fake: Meta, data: bytes, mime: str) -> Any:
    files = {"file": ("a.pdf", data, mime), "messaging_product": (None, "whatsapp")}
    return (await fake.graph("POST", f"{HOTEL}/media", files=files)).json()


async def test_media_belongs_to_its_number_and_its_bytes_to_its_bearer(crm: Crm, fake: Meta) -> None:
    name = (await upload(fake, b"%PDF", "application/pdf"))["id"]
    url = (await fake.graph("GET", name)).json()["url"]
    mine = {"Authorization": "Bearer EAAtoken"}
    assert (await fake.graph("GET", name, params={"phone_number_id": "2"})).status_code == 400
    assert (await fake.client.get(url)).status_code == 404
    assert (await fake.client.get(url.replace("ext=", "ext=1"), headers=mine)).status_code == 404
    assert (await fake.client.get(url, headers=mine)).content == b"%PDF"
    assert (await fake.graph("DELETE", name)).json() == {"success": True}
    assert (await fake.client.get(url, headers=mine)).status_code == 404
    assert (await fake.graph("DELETE", name)).json()["error"]["error_subcode"] == 33


@pytest.mark.parametrize(
    ("data", "mime", "code"),
    [
        (b"MZ", "application/x-msdownload", 100),
        (b"", "image/png", 131053),
        (b"x" * (5 * 1024 * 1024 + 1), "image/jpeg", 131053),
    ],
)
async def test_media_of_a_wrong_type_or_size_is_refused(
    data: bytes, mime: str, code: int, crm: Crm, fake: Meta
) -> None:
    assert (await upload(fake, data, mime))["error"]["code"] == code
    assert (await fake.graph("POST", f"{HOTEL}/media", json={})).json()["error"]["code"] == 100


async def test_a_template_waits_for_a_decision_and_goes_with_all_its_languages(crm: Crm, fake: Meta) -> None:
    made = (await fake.graph("POST", TEMPLATES, json=OLA)).json()
    assert (made["status"], made["category"]) == ("PENDING", "UTILITY")
    assert (await fake.graph("POST", TEMPLATES, json=OLA)).json()["error"]["error_subcode"] == 2388024
    await fake.graph("POST", TEMPLATES, json={**OLA, "language": "en_US"})
    assert (await fake.graph("GET", made["id"], params={"fields": "name"})).json() == {
        "id": made["id"],
        "name": "ola",
    }
    assert (await fake.graph("POST", made["id"], json={"components": BODY})).json() == {"success": True}
    one = {"name": "ola", "hsm_id": made["id"]}
    assert (await fake.graph("DELETE", TEMPLATES, params=one)).json() == {"success": True}
    assert [row["language"] for row in (await fake.graph("GET", TEMPLATES)).json()["data"]] == ["en_US"]
    assert (await fake.graph("DELETE", TEMPLATES, params={"name": "ola"})).json() == {"success": True}
    assert (await fake.graph("DELETE", TEMPLATES, params={"name": "ola"})).status_code == 404


async def test_templates_are_filtered_and_a_bad_cursor_is_131059(crm: Crm, fake: Meta) -> None:
    await fake.post("templates", wabaId=WABA, **OLA)
    await fake.post("templates", wabaId=WABA, **{**OLA, "name": "tchau", "category": "MARKETING"})
    for query in ({"category": "utility"}, {"name": "ola"}, {"name_or_content": "ola"}):
        found = (await fake.graph("GET", TEMPLATES, params=query)).json()["data"]
        assert [row["name"] for row in found] == ["ola"]
    assert (await fake.graph("GET", TEMPLATES, params={"status": "PENDING"})).json() == {"data": []}
    assert (await fake.graph("GET", TEMPLATES, params={"after": "?"})).json()["error"]["code"] == 131059


@pytest.mark.parametrize(
    "wrong",
    [{"name": "Olá"}, {"category": "SPAM"}, {"language": ""}, {"components": None}, {"components": []}],
)
async def test_an_ill_formed_template_is_refused(wrong: dict[str, Any], crm: Crm, fake: Meta) -> None:
    assert (await fake.graph("POST", TEMPLATES, json=OLA | wrong)).json()["error"]["code"] == 100


async def test_a_template_needs_as_many_parameters_as_it_has_variables(crm: Crm, fake: Meta) -> None:
    await fake.post("templates", wabaId=WABA, **OLA)
    named = {"name": "ola", "language": {"code": "pt_BR"}}
    given = [{"type": "text", "text": "Dora"}, {"type": "text", "text": "sexta"}]
    body = [{"type": "body", "parameters": given}]
    few = await fake.send({"type": "template", "template": named})
    right = await fake.send({"type": "template", "template": {**named, "components": body}})
    assert few.json()["error"]["code"] == 132000
    assert right.json()["messages"][0]["message_status"] == "accepted"
    await crm.until(1)
    assert crm.values()[0]["statuses"][0]["pricing"]["category"] == "utility"


async def test_a_number_shows_the_fields_asked_for_and_its_account_lists_it(crm: Crm, fake: Meta) -> None:
    fields = {"fields": "display_phone_number,status"}
    number = (await fake.graph("GET", HOTEL, params=fields)).json()
    assert number == {"id": HOTEL, "display_phone_number": "+55 48 3333-4444", "status": "CONNECTED"}
    listed = (await fake.graph("GET", f"{WABA}/phone_numbers", params=fields)).json()
    assert listed == {"data": [number]}
    assert (await fake.graph("GET", WABA)).json()["id"] == WABA


async def test_a_token_tells_of_itself_and_of_no_other(crm: Crm, fake: Meta) -> None:
    await fake.post("numbers", phoneNumberId=HOTEL, tokenScopes=["whatsapp_business_messaging"])
    told = (await fake.graph("GET", "debug_token", params={"input_token": TOKEN})).json()["data"]
    assert (told["is_valid"], told["scopes"]) == (True, ["whatsapp_business_messaging"])
    assert (await fake.graph("GET", "debug_token", params={"input_token": "x"})).json()["error"]["code"] == 190


async def test_an_override_takes_the_webhooks_until_it_is_cleared(crm: Crm, fake: Meta) -> None:
    nowhere = {"webhook_configuration": {"override_callback_uri": "http://127.0.0.1:1/x", "verify_token": "x"}}
    assert (await fake.graph("POST", HOTEL, json=nowhere)).json()["error"]["code"] == 2200
    await fake.post("numbers", phoneNumberId=HOTEL, overrideCallbackUri="http://127.0.0.1:1/x")
    assert (await fake.say(text="Oi"))["status"] is None
    cleared = {"webhook_configuration": {"override_callback_uri": ""}}
    assert (await fake.graph("POST", HOTEL, json=cleared)).json() == {"success": True}
    assert (await fake.say(text="Oi"))["status"] == 200


async def test_a_reset_forgets_everything(crm: Crm, fake: Meta) -> None:
    await fake.send(TEXT)
    await fake.post("reset")
    assert (await fake.log("sent"), await fake.log("numbers")) == ([], [])
    assert (await fake.send(TEXT)).json()["error"]["error_subcode"] == 33


async def test_paths_that_graph_does_not_know_are_2500(fake: Meta) -> None:
    assert (await fake.graph("GET", "me/accounts/x")).json()["error"]["code"] == 2500
