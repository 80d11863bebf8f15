"""Idempotency-Key: a POST repeated is answered and not done again."""

import asyncio
from typing import Any

import httpx
import pytest

from crm import worker
from crm.app import doors
from crm.core import rails
from crm.core.config import Settings
from tests.people import Sql
from tests.system import PASSWORD, Guest, Hotel, System, unique_number_id, unique_phone
from tests.visitors import fresh, pointers, told

_PATH = "/api/channels"


@pytest.fixture(scope="module")
async def hotel(system: System) -> Hotel:
    """One whose numbers are counted here."""
    return await system.hotel("Repetido")


@pytest.fixture(scope="module")
async def dora(hotel: Hotel) -> Guest:
    """A customer who has just written to it."""
    guest = Guest(hotel, unique_phone())
    await guest.writes()
    return guest


@pytest.fixture(scope="module")
async def ana(system: System, hotel: Hotel) -> httpx.AsyncClient:
    """Its second admin."""
    email = f"{fresh('ana')}@repetido.example"
    new = {"name": "Ana", "email": email, "role": "TENANT_ADMIN", "password": PASSWORD}
    assert (await hotel.admin.post("/api/users", json=new)).status_code == 201
    return await system.sign_in(email, PASSWORD, hotel.slug)


def _new() -> dict[str, Any]:
    return {"whatsappPhoneNumberId": unique_number_id(), "whatsappBusinessAccountId": unique_number_id()}


def _key(text: str | None = None) -> dict[str, str]:
    return {"Idempotency-Key": text or fresh("chave")}


async def _numbers(admin: httpx.AsyncClient) -> list[str]:
    listed = (await admin.get(_PATH, params={"limit": 100})).json()["data"]
    return [channel["whatsappPhoneNumberId"] for channel in listed]


async def test_the_same_post_gets_the_same_answer_again(hotel: Hotel) -> None:
    new, key = _new(), _key()
    first, second = [await hotel.admin.post(_PATH, json=new, headers=key) for _ in range(2)]
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert (await _numbers(hotel.admin)).count(new["whatsappPhoneNumberId"]) == 1


async def test_the_same_key_with_another_body_is_a_conflict_and_does_nothing(hotel: Hotel) -> None:
    key, other = _key(), _new()
    assert (await hotel.admin.post(_PATH, json=_new(), headers=key)).status_code == 201
    assert told(await hotel.admin.post(_PATH, json=other, headers=key)) == (409, "conflict")
    message = {"to": "5548999990000", "content": "Oi"}
    assert told(await hotel.admin.post("/api/messages/send", json=message, headers=key)) == (409, "conflict")
    assert other["whatsappPhoneNumberId"] not in await _numbers(hotel.admin)


async def test_ten_keys_at_once_are_ten_requests(hotel: Hotel) -> None:
    before = len(await _numbers(hotel.admin))
    answers = await asyncio.gather(*(hotel.admin.post(_PATH, json=_new(), headers=_key()) for _ in range(10)))
    assert [answer.status_code for answer in answers] == [201] * 10
    assert len(await _numbers(hotel.admin)) == before + 10


async def test_a_failed_request_leaves_the_key_free(hotel: Hotel, hotel_b: Hotel) -> None:
    new, key = _new(), _key()
    theirs = (await hotel_b.admin.post(_PATH, json=new)).json()
    assert told(await hotel.admin.post(_PATH, json={**new, "x": 1}, headers=key)) == (422, "validation_failed")
    assert told(await hotel.admin.post(_PATH, json=new, headers=key)) == (409, "conflict")
    await hotel_b.admin.delete(f"{_PATH}/{theirs['id']}")
    made = await hotel.admin.post(_PATH, json=new, headers=key)
    assert (made.status_code, made.headers.get("Idempotency-Replayed")) == (201, None)


async def test_a_super_admins_key_in_a_hotel_is_not_the_one_of_the_platform(
    hotel: Hotel, system: System, as_owner: Sql
) -> None:
    key, new = _key(), _body("/api/tenants")
    visiting = {**key, "X-Tenant-Slug": hotel.slug}
    assert (await system.root.post("/api/users", json=_body("/api/users"), headers=visiting)).status_code == 201
    first = await system.root.post("/api/tenants", json=new, headers=key)
    await as_owner("ANALYZE idempotency_keys")  # a small table is then read in the order of its rows
    again = await system.root.post("/api/tenants", json=new, headers=key)
    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content), again.text


@pytest.mark.parametrize("key", [b"x" * 201, b"a\tb", b"\xc2\x80"])
async def test_a_key_is_one_to_two_hundred_printable_characters(hotel: Hotel, key: bytes) -> None:
    answer = await hotel.admin.post(_PATH, json=_new(), headers=[(b"Idempotency-Key", key)])
    assert pointers(answer) == {"/Idempotency-Key"}
    longest = await hotel.admin.post(_PATH, json=_new(), headers=_key(fresh("k").ljust(200, "x")))
    assert longest.status_code == 201


async def test_twins_with_a_client_message_id_send_one_message(hotel: Hotel) -> None:
    guest = Guest(hotel, unique_phone())
    await guest.writes()
    new = {"to": guest.wa_id, "content": "Oi", "clientMessageId": fresh("mensagem"), "channelId": hotel.channel_id}
    answers = await asyncio.gather(*(hotel.attendant.post("/api/messages/send", json=new) for _ in range(5)))
    assert {(answer.status_code, answer.content) for answer in answers} == {(201, answers[0].content)}
    assert [message["content"] for message in await guest.history()] == ["Oi", "Olá"]


@pytest.mark.parametrize(("before", "after"), [("um", None), (None, "dois"), ("um", "dois")])
async def test_a_client_message_id_is_answered_again_whatever_the_key(
    before: str | None, after: str | None, hotel: Hotel, dora: Guest
) -> None:
    url = f"/api/conversations/{(await dora.conversation())['id']}/messages"
    new = {"content": "Oi", "clientMessageId": fresh("mensagem")}
    keys = [name and _key(name + new["clientMessageId"]) for name in (before, after, after, before)]
    first, *again = [await hotel.attendant.post(url, json=new, headers=key) for key in keys]
    assert {(answer.status_code, answer.content) for answer in again} == {(201, first.content)}
    assert [answer.headers.get("Idempotency-Replayed") for answer in (first, *again)] == [None, *["true"] * 3]
    other = await hotel.attendant.post(url, json={**new, "content": "outra"}, headers=_key())
    assert (*told(other), other.json()["existingId"]) == (409, "conflict", first.json()["id"])


async def test_twins_with_a_client_message_id_and_each_its_key_send_one_message(hotel: Hotel, dora: Guest) -> None:
    url = f"/api/conversations/{(await dora.conversation())['id']}/messages"
    new = {"content": "Oi", "clientMessageId": fresh("mensagem")}
    answers = await asyncio.gather(*(hotel.attendant.post(url, json=new, headers=_key()) for _ in range(5)))
    assert {(answer.status_code, answer.content) for answer in answers} == {(201, answers[0].content)}


async def test_a_client_message_id_of_two_conversations_is_answered_as_first(hotel: Hotel, dora: Guest) -> None:
    eva, new = Guest(hotel, unique_phone()), {"content": "Oi", "clientMessageId": fresh("mensagem")}
    await eva.writes()
    one, two = [f"/api/conversations/{(await guest.conversation())['id']}/messages" for guest in (dora, eva)]
    first = await hotel.attendant.post(one, json=new)
    other = await hotel.attendant.post(two, json=new, headers=_key())
    again = await hotel.attendant.post(one, json=new)
    assert (first.status_code, other.status_code, again.content) == (201, 201, first.content)
    assert other.json()["id"] != first.json()["id"]


CREATING = [door for door in doors if door.method == "POST" and door.status == 201]
# Doors that take no body of JSON have tests of their own below.
BODILESS = {"/api/media", "/api/templates/drafts/{name}/submit"}
# Where each door's new row stands, and by which of its fields it is known.
_MADE = {
    "/api/tenants": ("tenants", "slug", "slug"),
    "/api/users": ("users", "email", "email"),
    "/auth/register": ("users", "email", "email"),
    "/api/channels": ("channels", "phone_number_id", "whatsappPhoneNumberId"),
    "/api/templates": ("templates", "name", "name"),
    "/api/contacts": ("contacts", "name", "name"),
    "/api/stay-messages": ("stay_messages", "name", "name"),
    "/api/messages/send": ("messages", "content", "content"),
    "/api/conversations/{id}/messages": ("messages", "content", "content"),
    "/api/conversations/{id}/notes": ("conversation_entries", "content", "content"),
    "/api/conversations": ("contacts", "phone", "to"),
    "/api/departments": ("departments", "name", "name"),
    "/api/tags": ("tags", "name", "name"),
    "/api/quick-replies": ("quick_replies", "shortcut", "shortcut"),
}
# Of these each is told on the hotel's audit log; daily work is not.
_NOTED = {
    "/api/tenants",
    "/api/users",
    "/auth/register",
    "/api/channels",
    "/api/templates",
    "/api/contacts",
    "/api/departments",
    "/api/stay-messages",
}
each_that_creates = pytest.mark.parametrize("path", sorted({door.path for door in CREATING} - BODILESS))


def _body(path: str, dora: Guest | None = None) -> dict[str, Any]:
    """Something new for this door."""
    name = fresh("novo")
    person = {"name": "Ana", "email": f"{name}@repetido.example", "role": "ATTENDANT"}
    return {
        "/api/tenants": {"name": "Novo", "slug": name, "email": f"{name}@novo.example"},
        "/api/users": person,
        "/auth/register": person,
        "/api/channels": _new(),
        "/api/templates": {
            "name": name.replace("-", "_"),
            "language": "pt_BR",
            "category": "UTILITY",
            "components": [{"type": "BODY", "text": f"Olá, {name}"}],
        },
        "/api/stay-messages": {
            "name": name,
            "anchor": "check_in",
            "offsetDays": 0,
            "at": "09:00",
            "content": "Olá",
        },
        "/api/contacts": {"phone": unique_phone(), "name": name},
        "/api/messages/send": {"to": dora and dora.wa_id, "content": name},
        "/api/conversations": {"to": f"+{unique_phone()}"},
        "/api/departments": {"name": name},
        "/api/tags": {"name": name, "color": "#336699"},
        "/api/quick-replies": {"shortcut": name, "content": "Bom dia"},
    }.get(path, {"content": name})


async def _made(as_owner: Sql, path: str, new: dict[str, Any]) -> list[str]:
    """The ids of the rows that a body made."""
    table, column, name = _MADE[path]
    return [str(row["id"]) for row in await as_owner(f"SELECT id FROM {table} WHERE {column} = $1", new[name])]


def test_every_door_that_creates_may_be_repeated() -> None:
    assert [door.path for door in CREATING if not door.once] == []
    assert {door.path for door in CREATING} == _MADE.keys() | BODILESS


@each_that_creates
async def test_ten_twins_and_a_repetition_get_one_answer_of_one_row(
    path: str, hotel: Hotel, system: System, dora: Guest, as_owner: Sql
) -> None:
    who = system.root if path == "/api/tenants" else hotel.admin
    url = path.format(id=(await dora.conversation())["id"])
    new, other, key = _body(path, dora), _body(path, dora), _key()
    answers = await asyncio.gather(*(who.post(url, json=new, headers=key) for _ in range(10)))
    answers.append(await who.post(url, json=new, headers=key))
    assert {(answer.status_code, answer.content) for answer in answers} == {(201, answers[0].content)}
    assert [answer.headers.get("Idempotency-Replayed") for answer in answers].count("true") == 10
    assert told(await who.post(url, json=other, headers=key)) == (409, "conflict")
    [row] = await _made(as_owner, path, new)
    assert (row in answers[0].text, await _made(as_owner, path, other)) == (True, [])
    noted = await as_owner("SELECT FROM audit_log WHERE target = $1", row)
    assert len(noted) == (path in _NOTED)


# There is one super admin: of the platform's door see the test of their key in a hotel.
@pytest.mark.parametrize("path", sorted(_MADE.keys() - {"/api/tenants"}))
async def test_a_key_is_of_one_person_in_one_hotel(
    path: str, hotel: Hotel, hotel_b: Hotel, ana: httpx.AsyncClient, dora: Guest, as_owner: Sql
) -> None:
    url, key = path.format(id=(await dora.conversation())["id"]), _key()
    people = [hotel.admin, ana] if "{id}" in path or "/messages" in path else [hotel.admin, ana, hotel_b.admin]
    for person in people:
        new = _body(path, dora)
        answer = await person.post(url, json=new, headers=key)
        assert (answer.status_code, "Idempotency-Replayed" in answer.headers) == (201, False), answer.text
        assert len(await _made(as_owner, path, new)) == 1


async def test_what_creates_nothing_is_done_once_too(hotel: Hotel, dora: Guest) -> None:
    """A late repetition neither takes back what others did since, nor makes another password of the one shown."""
    bruno = (await hotel.attendant.get("/auth/me")).json()["user"]["id"]
    url, key = f"/api/conversations/{(await dora.conversation())['id']}", _key()
    given = await hotel.admin.post(f"{url}/assign", json={"userId": bruno}, headers=key)
    assert (await hotel.admin.post(f"{url}/assign", json={"userId": None})).status_code == 200
    again = await hotel.admin.post(f"{url}/assign", json={"userId": bruno}, headers=key)
    assert (again.content, again.headers["Idempotency-Replayed"]) == (given.content, "true")
    assert told(await hotel.admin.post(f"{url}/assign", json={"userId": None}, headers=key)) == (409, "conflict")
    assert (await dora.conversation())["assignedTo"] is None
    eva = (await hotel.admin.post("/api/users", json=_body("/api/users"))).json()["user"]["id"]
    reset = [await hotel.admin.post(f"/api/users/{eva}/reset-password", headers=key) for key in [_key()] * 2]
    assert reset[0].json() == reset[1].json()


@pytest.mark.parametrize("path", ["/api/tenants", "/api/users"])
async def test_a_refusal_out_of_the_transaction_is_not_kept_and_the_key_serves_again(
    path: str, hotel: Hotel, system: System
) -> None:
    who = system.root if path == "/api/tenants" else hotel.admin
    taken = {"slug": hotel.slug} if path == "/api/tenants" else {"email": hotel.logins["attendant"]}
    new, key = _body(path), _key()
    for _ in range(2):
        refused = await who.post(path, json={**new, **taken}, headers=key)
        assert "existingId" in refused.json()
        assert "Idempotency-Replayed" not in refused.headers
    assert (await who.post(path, json=new, headers=key)).status_code == 201


@pytest.mark.parametrize("path", ["/api/tenants", "/api/users", "/auth/register"])
async def test_a_temporary_password_is_shown_again_and_stands_nowhere(
    path: str, hotel: Hotel, system: System, as_owner: Sql
) -> None:
    who = system.root if path == "/api/tenants" else hotel.admin
    new, key = _body(path), _key()
    first, again = [await who.post(path, json=new, headers=key) for _ in range(2)]
    password = first.json()["temporaryPassword"]
    assert again.json()["temporaryPassword"] == password
    [row] = await as_owner("SELECT * FROM idempotency_keys WHERE key = $1", key["Idempotency-Key"])
    kept = [bytes(value) if isinstance(value, bytes) else str(value).encode() for value in row.values()]
    assert [value for value in kept if password.encode() in value] == []
    assert len(row["answer"]) > len(password)


async def test_an_answer_that_can_no_longer_be_read_is_a_conflict(hotel: Hotel, as_owner: Sql) -> None:
    new, key = _body("/api/channels"), _key()
    assert (await hotel.admin.post("/api/channels", json=new, headers=key)).status_code == 201
    spoilt = "UPDATE idempotency_keys SET answer = substr(answer, 2) WHERE key = $1 RETURNING 1"
    await as_owner(spoilt, key["Idempotency-Key"])
    assert told(await hotel.admin.post("/api/channels", json=new, headers=key)) == (409, "conflict")


async def test_a_key_is_forgotten_after_a_day(hotel: Hotel, as_owner: Sql, settings: Settings) -> None:
    keys = [_key() for _ in range(2)]
    older = "UPDATE idempotency_keys SET created_at = now() - $2 * INTERVAL '1 hour' WHERE key = $1"
    for key, hours in zip(keys, (25, 23), strict=True):
        assert (await hotel.admin.post("/api/channels", json=_new(), headers=key)).status_code == 201
        await as_owner(older, key["Idempotency-Key"], hours)
    laid = await rails.lay(settings)
    await worker.tidy(laid)
    await laid.close()
    left = await as_owner(
        "SELECT key FROM idempotency_keys WHERE key = ANY($1)", [key["Idempotency-Key"] for key in keys]
    )
    assert [row["key"] for row in left] == [keys[1]["Idempotency-Key"]]


async def test_ten_twins_of_an_upload_make_one_file(hotel: Hotel, as_owner: Sql) -> None:
    name, key = f"{fresh('novo')}.txt", _key()
    new, other = {"file": (name, b"Conta 7", "text/plain")}, {"file": (name, b"Conta 8", "text/plain")}
    answers = await asyncio.gather(*(hotel.attendant.post("/api/media", files=new, headers=key) for _ in range(10)))
    assert {(answer.status_code, answer.content) for answer in answers} == {(201, answers[0].content)}
    assert [answer.headers.get("Idempotency-Replayed") for answer in answers].count("true") == 9
    assert told(await hotel.attendant.post("/api/media", files=other, headers=key)) == (409, "conflict")
    [row] = await as_owner("SELECT id FROM media WHERE filename = $1", name)
    assert answers[0].json()["id"] == str(row["id"])


async def test_twins_that_submit_a_draft_make_one_template(system: System, as_owner: Sql) -> None:
    hotel, key = await system.hotel("Modelar"), _key()
    draft = (await hotel.admin.get("/api/templates/drafts")).json()["data"][0]["name"]
    url = f"/api/templates/drafts/{draft}/submit"
    answers = await asyncio.gather(*(hotel.admin.post(url, headers=key) for _ in range(10)))
    assert {(answer.status_code, answer.content) for answer in answers} == {(201, answers[0].content)}
    [row] = await as_owner("SELECT id FROM templates WHERE tenant_id = $1", hotel.id)
    assert answers[0].json()["id"] == str(row["id"])
