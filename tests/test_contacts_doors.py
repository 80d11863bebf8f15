"""What people write about a guest: contacts added, changed and deleted, and the fields a hotel declares itself."""

import asyncio
from functools import partial
from typing import Any
from uuid import UUID

import httpx
import pytest

from ops.dev.home import Home
from tests.held import holding
from tests.people import Sql
from tests.system import Guest, Hotel, System, eventually, unique_phone
from tests.visitors import pointers, told

FIELDS = [
    {"key": "floor", "label": "Andar preferido", "type": "number"},
    {"key": "allergies", "label": "Alergias", "type": "text"},
    {"key": "birthday", "label": "Aniversário", "type": "date"},
    {"key": "vegetarian", "label": "Vegetariano", "type": "boolean"},
    {"key": "bed", "label": "Cama", "type": "list", "options": ["casal", "solteiro"]},
]
FITTING = {"floor": 7, "allergies": "camarão", "birthday": "1990-02-28", "vegetarian": False, "bed": "casal"}


async def added(who: httpx.AsyncClient, **more: Any) -> dict[str, Any]:
    answer = await who.post("/api/contacts", json={"phone": f"+{unique_phone()}", **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def changed(who: httpx.AsyncClient, contact: dict[str, Any], **more: Any) -> httpx.Response:
    return await who.patch(f"/api/contacts/{contact['id']}", json=more)


@pytest.fixture(scope="module")
async def fields(alice: httpx.AsyncClient) -> list[dict[str, Any]]:
    """What Alice declared."""
    answer = await alice.put("/api/contact-attributes", json={"data": FIELDS})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


async def test_a_contact_is_kept_as_it_was_given(bruno: httpx.AsyncClient) -> None:
    given = {"name": "Dora", "email": "Dora@Casa.example", "language": "pt-BR", "tags": ["vip", "vip", "casal"]}
    made = await added(bruno, **given, marketingOptOut=True)
    expected = {**given, "email": "dora@casa.example", "tags": ["vip", "casal"], "attributes": {}}
    assert {name: made[name] for name in expected} == expected
    assert (made["blocked"], made["marketingOptOut"], made["isGroup"]) == (False, True, False)
    shown = (await bruno.get(f"/api/contacts/{made['id']}")).json()
    assert shown == {**made, "mergedFrom": []}


@pytest.mark.parametrize("ninth", ["", "9"])
async def test_a_phone_that_somebody_has_is_a_conflict_that_names_them(
    ninth: str, guest: Guest, bruno: httpx.AsyncClient
) -> None:
    await guest.writes()
    known = (await guest.conversation())["contact"]["id"]
    phone = f"+{guest.wa_id[:4]}{ninth}{guest.wa_id[4:]}"
    answer = await bruno.post("/api/contacts", json={"phone": phone})
    assert (*told(answer), answer.json()["existingId"]) == (409, "conflict", known)


async def test_of_ten_who_add_one_phone_at_once_one_does(bruno: httpx.AsyncClient) -> None:
    new = {"phone": unique_phone()}
    answers = await asyncio.gather(*(bruno.post("/api/contacts", json=new) for _ in range(10)))
    [made] = [answer.json()["id"] for answer in answers if answer.status_code == 201]
    assert {answer.json()["existingId"] for answer in answers if answer.status_code == 409} == {made}


async def test_who_was_added_is_the_one_who_then_writes(guest: Guest, bruno: httpx.AsyncClient) -> None:
    made = await added(bruno, phone=f"+{guest.wa_id[:4]}9{guest.wa_id[4:]}", name="Dora Reis")
    await guest.writes()
    contact = (await guest.conversation())["contact"]
    assert (contact["id"], contact["name"], contact["waId"]) == (made["id"], "Dora Reis", guest.wa_id)


async def test_every_wrong_field_is_named(bruno: httpx.AsyncClient) -> None:
    wrong = {"phone": "+1 23", "name": "", "email": "x", "tags": [" a"], "language": "português", "vip": True}
    answer = await bruno.post("/api/contacts", json=wrong)
    assert pointers(answer) == {"/phone", "/name", "/email", "/tags/0", "/language", "/vip"}
    assert pointers(await bruno.post("/api/contacts", json={"phone": "+1 23"})) == {"/phone"}


async def test_a_change_leaves_what_it_does_not_name_and_null_empties(bruno: httpx.AsyncClient) -> None:
    made = await added(bruno, name="Dora", email="a@b.example", tags=["vip"])
    after = (await changed(bruno, made, name=None, tags=[], language="en", marketingOptOut=True)).json()
    expected = {"name": None, "email": "a@b.example", "tags": [], "language": "en", "marketingOptOut": True}
    assert {name: after[name] for name in expected} == expected
    assert (await changed(bruno, made)).json() == after
    assert pointers(await changed(bruno, made, tags=None, blocked=None)) == {"/tags", "/blocked"}


async def test_what_a_person_calls_a_guest_stands_before_the_profile(
    guest: Guest, bruno: httpx.AsyncClient
) -> None:
    await guest.writes()
    contact = (await guest.conversation())["contact"]
    await changed(bruno, contact, name="Sra. Reis")
    await guest.writes()
    assert (await guest.conversation())["contact"]["name"] == "Sra. Reis"
    assert (await changed(bruno, contact, name=None)).json()["name"] == "Dora"


async def test_everybody_hears_of_a_contact_added_and_changed(
    bruno: httpx.AsyncClient, hotel_a: Hotel, as_owner: Sql
) -> None:
    made = await added(bruno, name="Ana")
    await changed(bruno, made, name="Ana Reis")
    query = """SELECT data::jsonb #>> '{contact,name}' FROM feed_events
        WHERE tenant_id = $1 AND event = 'contact:updated' AND data::jsonb #>> '{contact,id}' = $2 ORDER BY seq"""
    assert [row[0] for row in await as_owner(query, hotel_a.id, made["id"])] == ["Ana", "Ana Reis"]


async def test_values_that_fit_what_was_declared_are_kept(
    fields: list[dict[str, Any]], alice: httpx.AsyncClient, bruno: httpx.AsyncClient
) -> None:
    assert (await bruno.get("/api/contact-attributes")).json()["data"] == fields
    made = await added(bruno, attributes=FITTING)
    assert made["attributes"] == FITTING
    after = (await changed(bruno, made, attributes={"floor": 2.5, "bed": None})).json()["attributes"]
    assert after == {**{key: FITTING[key] for key in ("allergies", "birthday", "vegetarian")}, "floor": 2.5}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("floor", "7"), ("floor", True), ("floor", 10**400), ("floor", -(2**53) - 1),
        ("allergies", 1), ("allergies", "x" * 1001), ("birthday", "1990-02-30"),
        ("birthday", "19900228"), ("vegetarian", 0), ("bed", "king"), ("bed", ["casal"]), ("nope", 1),
        ("a/b", 1),
    ],
)  # fmt: skip
async def test_a_value_that_does_not_fit_is_named_and_nothing_is_written(
    key: str, value: object, fields: list[dict[str, Any]], bruno: httpx.AsyncClient
) -> None:
    made = await added(bruno)
    refused = await changed(bruno, made, name="X", attributes={"floor": 1, key: value})
    assert pointers(refused) == {f"/attributes/{key.replace('/', '~1')}"}
    assert (await bruno.get(f"/api/contacts/{made['id']}")).json()["attributes"] == {}


async def test_declared_fields_are_an_admins_and_each_mistake_is_named(
    alice: httpx.AsyncClient, bruno: httpx.AsyncClient
) -> None:
    assert (await bruno.put("/api/contact-attributes", json={"data": []})).status_code == 403
    twice = [FIELDS[0], FIELDS[0], {**FIELDS[4], "options": []}, {**FIELDS[1], "options": ["x"]}]
    answer = await alice.put("/api/contact-attributes", json={"data": twice})
    assert pointers(answer) == {"/data/1/key", "/data/2/options", "/data/3/options"}
    answer = await alice.put(
        "/api/contact-attributes", json={"data": [{"key": "1x", "label": "", "type": "money"}]}
    )
    assert pointers(answer) == {"/data/0/key", "/data/0/label", "/data/0/type"}


async def test_a_field_no_longer_declared_takes_no_value_and_loses_none(
    carla: httpx.AsyncClient, hotel_b: Hotel
) -> None:
    await hotel_b.admin.put("/api/contact-attributes", json={"data": FIELDS})
    made = await added(carla, attributes=FITTING)
    left = await hotel_b.admin.put("/api/contact-attributes", json={"data": [FIELDS[4], FIELDS[0]]})
    assert [row["key"] for row in left.json()["data"]] == ["bed", "floor"]
    assert pointers(await changed(carla, made, attributes={"allergies": "y"})) == {"/attributes/allergies"}
    assert (await changed(carla, made, attributes={"floor": 1})).json()["attributes"] == {**FITTING, "floor": 1}


async def test_a_hotel_that_declared_nothing_takes_any_field(system: System) -> None:
    hotel = await system.hotel("Livre")
    given = {"quarto preferido": "101", "idade": 42, "vegetariano": True, "aniversário": "1990-02-28"}
    made = await added(hotel.attendant, attributes={**given, "nada": None})
    assert made["attributes"] == given
    after = (await changed(hotel.attendant, made, attributes={"idade": None, "cama": "casal"})).json()
    assert after["attributes"] == {**{key: given[key] for key in given if key != "idade"}, "cama": "casal"}
    await added(hotel.attendant, attributes={"idade": 7})
    table = (await hotel.admin.get("/api/contacts/export.csv")).text.splitlines()
    fields = "aniversário,cama,idade,quarto preferido,vegetariano,language,blocked,marketing_opt_out"
    assert table[0].rpartition("tags,")[2] == fields
    assert table[1].endswith(",1990-02-28,casal,,101,true,,false,false")


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("a", {"b": 1}, "a"), ("a", ["b"], "a"), ("a", 2**53 + 1, "a"), ("a", "x" * 1001, "a"), ("a/b", [], "a~1b"),
        ("", 1, ""), (" a", 1, " a"), ("a\n", 1, "a\n"), ("x" * 41, 1, "x" * 40), ("\u202e", 1, "\u202e"),
    ],
)  # fmt: skip
async def test_what_is_no_field_is_named_where_nothing_is_declared(
    key: str, value: object, named: str, carla: httpx.AsyncClient, hotel_b: Hotel
) -> None:
    await hotel_b.admin.put("/api/contact-attributes", json={"data": []})
    made = await added(carla)
    assert pointers(await changed(carla, made, attributes={"ok": 1, key: value})) == {f"/attributes/{named}"}
    assert (await carla.get(f"/api/contacts/{made['id']}")).json()["attributes"] == {}


async def test_a_contact_has_a_hundred_fields_at_most(system: System) -> None:
    hotel = await system.hotel("Cheio")
    made = await added(hotel.attendant, attributes={f"f{n}": n for n in range(100)})
    for more, wrong in (({"g": 1}, True), ({"f0": 1}, False), ({"g": 1, "f0": None}, False)):
        answer = await changed(hotel.attendant, made, attributes=more)
        assert (answer.status_code == 422, "/attributes" in answer.text) == (wrong, wrong), answer.text
    await hotel.admin.put("/api/contact-attributes", json={"data": FIELDS})
    left = (await changed(hotel.attendant, made, attributes={"f1": None})).json()["attributes"]
    assert ("f1" in left, len(left)) == (False, 99)


async def test_a_contact_nobody_talked_with_is_deleted_and_its_phone_is_free(bruno: httpx.AsyncClient) -> None:
    made = await added(bruno)
    assert (await bruno.delete(f"/api/contacts/{made['id']}")).status_code == 204
    assert (await bruno.get(f"/api/contacts/{made['id']}")).status_code == 404
    assert (await bruno.delete(f"/api/contacts/{made['id']}")).status_code == 404
    assert (await added(bruno, phone=made["phone"]))["id"] != made["id"]


async def test_who_writes_to_a_number_whose_contact_is_being_deleted_makes_another(
    bruno: httpx.AsyncClient, home: Home
) -> None:
    made = await added(bruno)
    known = "SELECT FROM contact_identities WHERE contact_id = $1 FOR UPDATE"
    async with holding(home, known, UUID(made["id"])) as held:
        deleting = asyncio.create_task(bruno.delete(f"/api/contacts/{made['id']}"))
        await eventually(held.waits)
        starting = asyncio.create_task(bruno.post("/api/conversations", json={"to": made["phone"]}))
        await eventually(partial(held.waiting, 2))
    assert (await deleting).status_code == 204
    answer = await starting
    assert (answer.status_code, answer.json().get("contact", {}).get("phone")) == (201, made["phone"])
    assert answer.json()["contact"]["id"] != made["id"]


async def test_a_contact_with_a_conversation_or_a_part_is_not_deleted(
    guest: Guest, bruno: httpx.AsyncClient
) -> None:
    await guest.writes()
    talked = (await guest.conversation())["contact"]["id"]
    assert told(await bruno.delete(f"/api/contacts/{talked}")) == (409, "conflict")
    one, other = await added(bruno), await added(bruno)
    await bruno.post(f"/api/contacts/{one['id']}/merge", json={"intoId": other["id"]})
    for contact in (one, other):
        assert told(await bruno.delete(f"/api/contacts/{contact['id']}")) == (409, "conflict")
    assert len(await guest.history()) == 1


async def test_a_merge_shows_whom_it_took_in_and_its_end_gives_back_what_was_taken(
    fields: list[dict[str, Any]], bruno: httpx.AsyncClient
) -> None:
    kept = await added(bruno, name="Dora", tags=["vip"], attributes={"floor": 1})
    more = {"email": "d@b.example", "tags": ["vip", "casal"], "attributes": {"floor": 2, "bed": "casal"}}
    part = await added(bruno, name="Dora Reis", blocked=True, **more)
    await bruno.post(f"/api/contacts/{part['id']}/merge", json={"intoId": kept["id"]})
    whole = (await bruno.get(f"/api/contacts/{kept['id']}")).json()
    [took] = whole["mergedFrom"]
    assert (took["id"], took["name"]) == (part["id"], "Dora Reis")
    assert (whole["tags"], whole["attributes"]) == (["vip", "casal"], {"floor": 1, "bed": "casal"})
    assert (whole["email"], whole["blocked"]) == ("d@b.example", True)
    await bruno.post(f"/api/contacts/{part['id']}/unmerge")
    assert (await bruno.get(f"/api/contacts/{kept['id']}")).json() == {**kept, "mergedFrom": []}


async def test_of_two_who_declare_fields_at_once_the_last_says_all(system: System, home: Home) -> None:
    alice, url = (await system.hotel("Campos")).admin, "/api/contact-attributes"
    fields = {key: {"data": [{"key": key, "label": key, "type": "text"}]} for key in ("old", "one", "two")}
    assert (await alice.put(url, json=fields["old"])).status_code == 200
    locked = "SELECT FROM contact_attributes WHERE key = 'old' FOR UPDATE"
    async with holding(home, locked) as held:
        putting = [asyncio.create_task(alice.put(url, json=fields[key])) for key in ("one", "two")]
        await eventually(partial(held.waiting, 2))
    assert [answer.status_code for answer in await asyncio.gather(*putting)] == [200, 200]
    assert [field["key"] for field in (await alice.get(url)).json()["data"]] in (["one"], ["two"])
