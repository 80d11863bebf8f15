"""Templates: Meta's rules first, Meta's word afterwards; its list and its webhooks keep ours true."""

from typing import Any
from uuid import UUID

import pytest

from crm import templates
from crm.core import rails
from tests.meta import told as worked
from tests.people import Sql
from tests.system import Hotel, System, calling, eventually
from tests.visitors import fresh, pointers, told

PATH = "/api/templates"
BODY = {"type": "BODY", "text": "Olá, {{1}}, até já!", "example": {"body_text": [["Dora"]]}}
READ = """INSERT INTO template_syncs (tenant_id, waba_id, due_at)
          SELECT DISTINCT tenant_id, waba_id, now() + INTERVAL '1 hour' FROM channels
          ON CONFLICT (tenant_id, waba_id) DO UPDATE SET due_at = excluded.due_at"""


def new(**more: Any) -> dict[str, Any]:
    name = fresh("modelo").replace("-", "_")
    return {"name": name, "language": "pt_BR", "category": "UTILITY", "components": [BODY], **more}


async def made(hotel: Hotel, **more: Any) -> dict[str, Any]:
    answer = await hotel.admin.post(PATH, json=new(**more))
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def at_meta(system: System, hotel: Hotel, **more: Any) -> dict[str, Any]:
    """A template made in Meta's own manager."""
    async with calling() as client:
        answer = await client.post(
            f"{system.graph_url}/_fake/templates", json={**new(), "wabaId": hotel.waba_id, **more}
        )
    return dict(answer.json())


async def says(hotel: Hotel, as_owner: Any, field: str, **value: Any) -> None:
    """A webhook of another field, worked."""
    changes = [{"field": field, "value": value}]
    await worked(hotel, as_owner, {"entry": [{"id": hotel.waba_id, "changes": changes}]})


async def now(hotel: Hotel, template: dict[str, Any]) -> dict[str, Any]:
    return dict((await hotel.attendant.get(f"{PATH}/{template['id']}")).json())


@pytest.fixture
async def hotel(system: System) -> Hotel:
    """A hotel whose account the worker has read once."""
    hotel = await system.hotel("Modelos")
    assert (await hotel.admin.post(f"{PATH}/sync")).status_code == 200
    return hotel


async def test_a_new_template_waits_for_meta_and_has_metas_category(hotel: Hotel) -> None:
    first = await made(hotel)
    assert (first["status"], first["category"]) == ("PENDING", "UTILITY")
    assert (await made(hotel, name=fresh("promo").replace("-", "_")))["category"] == "MARKETING"


async def test_the_same_name_and_language_again_is_a_conflict(hotel: Hotel) -> None:
    first = await made(hotel)
    again = await hotel.admin.post(PATH, json=new(name=first["name"]))
    assert (*told(again), again.json()["existingId"]) == (409, "conflict", first["id"])
    assert (await made(hotel, name=first["name"], language="en-US"))["language"] == "en_US"


def body(text: str, *examples: str) -> dict[str, Any]:
    return {"components": [{"type": "BODY", "text": text, "example": {"body_text": [list(examples)]}}]}


def buttons(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"components": [BODY, {"type": "BUTTONS", "buttons": list(parts)}]}


QUICK = {"type": "QUICK_REPLY", "text": "Sim"}
URL = {"type": "URL", "text": "Ver", "url": "https://a.example/"}


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"name": "Olá"}, {"/name"}),
        ({"name": "X", "language": "português", "category": "NEWS"}, {"/name", "/language", "/category"}),
        ({"components": []}, {"/components"}),
        ({"components": [BODY, BODY]}, {"/components/1"}),
        ({"components": [BODY, {"type": "FOOTER", "text": "x" * 61}]}, {"/components/1/text"}),
        ({"components": [{"type": "HEADER", "format": "TEXT", "text": "ç" * 61}, BODY]}, {"/components/0/text"}),
        (body("é" * 1025), {"/components/0/text"}),
        (body("{{1}}, olá!", "Dora"), {"/components/0/text"}),
        (body("Olá, {{1}}", "Dora"), {"/components/0/text"}),
        (body("Olá, {{1}} e {{3}}!", "a", "b"), {"/components/0/text"}),
        (body("Olá, {{1}} e {{2}}!", "a"), {"/components/0/example/body_text"}),
        (buttons(QUICK, URL, QUICK), {"/components/1/buttons"}),
        (buttons({**QUICK, "text": "x" * 26}), {"/components/1/buttons/0/text"}),
        (buttons(URL, URL, URL), {"/components/1/buttons/2"}),
        (buttons({**URL, "url": "https://a.example/{{1}}/x", "example": ["y"]}), {"/components/1/buttons/0/url"}),
        (buttons({**URL, "url": "https://a.example/{{1}}"}), {"/components/1/buttons/0/example"}),
    ],
)
async def test_what_meta_would_refuse_is_named_part_by_part(
    wrong: dict[str, Any], named: set[str], hotel_a: Hotel
) -> None:
    assert pointers(await hotel_a.admin.post(PATH, json=new(**wrong))) == named


async def test_what_a_part_has_besides_is_metas_to_judge(hotel: Hotel) -> None:
    title = {"type": "HEADER", "format": "TEXT", "text": "Reserva", "example": {"header_handle": [1]}}
    for more in (True, [{}], [{"components": [1]}]):
        await made(hotel, components=[title, {**BODY, "cards": more}])


async def test_the_longest_texts_are_taken(hotel: Hotel) -> None:
    await made(hotel, **body("é" * 1024))


async def test_every_draft_is_submitted_with_one_call(hotel: Hotel) -> None:
    drafts = (await hotel.attendant.get(f"{PATH}/drafts")).json()["data"]
    assert len(drafts) == 4
    for draft in drafts:
        answer = await hotel.admin.post(f"{PATH}/drafts/{draft['name']}/submit")
        assert (answer.status_code, answer.json()["components"]) == (201, draft["components"])
    assert told(await hotel.admin.post(f"{PATH}/drafts/nope/submit")) == (404, "not_found")


async def test_a_sync_says_what_was_added_changed_and_gone(system: System, hotel: Hotel) -> None:
    for _ in range(3):
        there = await at_meta(system, hotel)
    first = (await hotel.admin.post(f"{PATH}/sync")).json()
    assert (first["added"], first["changed"], first["gone"]) == (3, 0, 0)
    async with calling(headers={"Authorization": f"Bearer token-of-{hotel.number_id}"}) as meta:
        url = f"{system.graph_url}/v25.0/{hotel.waba_id}/message_templates"
        assert (await meta.delete(url, params={"name": there["name"]})).status_code == 200
    second = (await hotel.admin.post(f"{PATH}/sync")).json()
    assert (second["added"], second["changed"], second["gone"]) == (0, 0, 1)
    listed = await hotel.attendant.get(PATH, params={"status": "approved", "channelId": hotel.channel_id})
    assert listed.json()["pagination"]["total"] == 2


async def test_one_language_is_deleted_or_all_of_the_name(hotel: Hotel) -> None:
    first = await made(hotel)
    others = [await made(hotel, name=first["name"], language=language) for language in ("en_US", "es")]
    assert (await hotel.admin.delete(f"{PATH}/{first['id']}")).status_code == 204
    assert [(await now(hotel, one))["status"] for one in others] == ["PENDING", "PENDING"]
    assert (await hotel.admin.delete(f"{PATH}/{others[0]['id']}?all=true")).status_code == 204
    assert (await hotel.attendant.get(PATH)).json()["pagination"]["total"] == 0


async def test_metas_status_is_found_by_id_or_by_name(hotel: Hotel, as_owner: Any) -> None:
    template = await made(hotel, language="en_US")
    field, number = "message_template_status_update", int(template["whatsappTemplateId"])
    await says(hotel, as_owner, field, event="APPROVED", message_template_id=number, reason="NONE")
    assert ((await now(hotel, template))["status"], (await now(hotel, template))["reason"]) == ("APPROVED", None)
    names = {"message_template_name": template["name"], "message_template_language": "en-US"}
    await says(hotel, as_owner, field, event="REJECTED", reason="INVALID_FORMAT", **names)
    assert (await now(hotel, template))["reason"] == "INVALID_FORMAT"
    await says(hotel, as_owner, field, event="DELETED", message_template_id=str(number), reason=None)
    assert ((await now(hotel, template))["status"], (await now(hotel, template))["reason"]) == ("DELETED", None)


async def test_quality_and_category_are_told_apart_by_their_keys(hotel: Hotel, as_owner: Any) -> None:
    template = await made(hotel)
    ident = {"message_template_id": template["whatsappTemplateId"]}
    await says(hotel, as_owner, "message_template_status_update", new_quality_score="RED", **ident)
    coming = {"correct_category": "MARKETING", "new_category": "UTILITY", "category_update_timestamp": 1793500000}
    await says(hotel, as_owner, "template_category_update", **coming, **ident)
    found = await now(hotel, template)
    assert (found["quality"], found["category"], found["nextCategory"]) == ("RED", "UTILITY", "MARKETING")
    done = {"previous_category": "UTILITY", "new_category": "MARKETING"}
    await says(hotel, as_owner, "template_category_update", **done, **ident)
    found = await now(hotel, template)
    assert (found["category"], found["previousCategory"], found["nextCategory"]) == ("MARKETING", "UTILITY", None)


async def test_new_texts_of_metas_keep_the_examples(hotel: Hotel, as_owner: Any) -> None:
    template = await made(hotel)
    value = {"message_template_element": "Oi, {{1}}, até já!", "message_template_footer": "Aurora"}
    ident = {"message_template_id": template["whatsappTemplateId"]}
    await says(hotel, as_owner, "message_template_components_update", **value, **ident)
    expected = [{**BODY, "text": "Oi, {{1}}, até já!"}, {"type": "FOOTER", "text": "Aurora"}]
    assert (await now(hotel, template))["components"] == expected


async def test_an_unknown_template_of_a_webhook_is_wanted_from_meta(hotel: Hotel, as_owner: Any) -> None:
    await says(hotel, as_owner, "message_template_status_update", event="APPROVED", message_template_id=1)
    query = "SELECT wanted_at, due_at < now() + INTERVAL '6 minutes' FROM template_syncs WHERE tenant_id = $1"
    [(wanted, soon)] = await as_owner(query, UUID(hotel.id))
    assert (wanted is not None, soon) == (True, True)


async def test_the_worker_reads_a_new_account_by_itself(system: System, as_owner: Sql) -> None:
    await as_owner(READ)  # it reads five in a turn, and other tests' hotels would come first
    hotel = await system.hotel("Novo")
    there = await at_meta(system, hotel)
    await as_owner("DELETE FROM template_syncs WHERE tenant_id = $1", UUID(hotel.id))  # read before that was there?

    async def read() -> bool:
        return there["name"] in (await hotel.attendant.get(PATH)).text

    await eventually(read, 30)


async def test_a_refused_template_is_looked_up_once(system: System, hotel: Hotel) -> None:
    template = await made(hotel, **body("Olá"))
    laid = await rails.lay(system.settings)
    async with calling(headers={"Authorization": f"Bearer token-of-{hotel.number_id}"}) as meta:
        changed = {"components": [{"type": "BODY", "text": "Oi"}]}
        await meta.post(f"{system.graph_url}/v25.0/{template['whatsappTemplateId']}", json=changed)
    asked = (laid, UUID(hotel.id), hotel.waba_id, template["name"])
    assert [await templates.resync_after(*asked), await templates.resync_after(*asked)] == [True, False]
    assert (await now(hotel, template))["components"][0]["text"] == "Oi"
    await laid.close()
