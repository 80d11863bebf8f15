"""What clients send: every wrong field named at once, and nothing they can write breaks the server."""

import json
import time
from typing import Annotated, Any
from uuid import uuid4

import httpx
import msgspec
import pytest

from crm.core import body
from crm.core.errors import ValidationFailed
from tests.system import System
from tests.visitors import pointers

_MB = 1024 * 1024
_PATH = "/api/tenant"


@pytest.fixture(scope="module")
async def admin(system: System) -> httpx.AsyncClient:
    """The admin of a hotel of its own: some of what is written here sticks."""
    return (await system.hotel("Corpo")).admin


async def _patch(admin: httpx.AsyncClient, raw: bytes | str) -> httpx.Response:
    return await admin.patch(_PATH, content=raw, headers={"Content-Type": "application/json"})


async def test_every_wrong_field_is_listed_at_once(admin: httpx.AsyncClient) -> None:
    wrong = {"name": "", "locale": "fr", "timezone": 3, "settings": [], "plan": "pro", "a/b~c": 1}
    answer = await admin.patch(_PATH, json=wrong)
    assert pointers(answer) == {"/name", "/locale", "/timezone", "/settings", "/plan", "/a~1b~0c"}
    missing = await admin.post("/api/channels", json={"name": 5})
    assert pointers(missing) == {"/name", "/whatsappPhoneNumberId", "/whatsappBusinessAccountId"}


@pytest.mark.parametrize(
    ("door", "wrong", "right"),
    [
        ("PATCH /api/tenant", {"locale": "xx", "timezone": "Nope/Zone"}, {"settings": {}}),
        ("POST /api/tenants", {"name": "", "slug": "www", "email": "nope"}, {}),
        ("POST /api/contacts", {"phone": "+5511", "email": "nope"}, {}),
        ("POST /api/conversations", {"to": "+5511", "channelId": "1"}, {}),
        ("POST /api/conversations/{id}/assign", {"userId": 5, "note": ""}, {}),
        ("POST /api/messages/send", {"to": "+5511", "content": 5, "caption": "x"}, {}),
        ("PUT /api/contacts/{id}/stays/1", {"checkOut": "2026-12-01", "room": ""}, {"checkIn": "2026-12-02"}),
    ],
)
async def test_what_no_type_can_say_is_named_with_the_rest(
    admin: httpx.AsyncClient, root: httpx.AsyncClient, door: str, wrong: dict[str, Any], right: dict[str, Any]
) -> None:
    """One form, one answer: what a rule finds wrong does not wait until the types are right."""
    method, path = door.replace("{id}", str(uuid4())).split()
    person = root if path == "/api/tenants" else admin
    answer = await person.request(method, path, json={**wrong, **right, "unknown": 1})
    assert pointers(answer) == {f"/{name}" for name in [*wrong, "unknown"]}


class _Guest(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    age: Annotated[int, msgspec.Meta(ge=0)]


class _Booking(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    paying_guest: _Guest
    guests: list[_Guest] = []
    notes: dict[str, str] = {}


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"payingGuest": {"name": "A"}}, {"/payingGuest/age"}),
        (
            {"payingGuest": {"name": "A", "age": -1}, "guests": [{"name": "B", "age": "x"}]},
            {"/payingGuest/age", "/guests/0/age"},
        ),
        ({"payingGuest": {"name": 1, "age": 1}, "x": 1}, {"/payingGuest/name", "/x"}),
        ({"payingGuest": {"name": "A\0", "age": 1}}, {"/payingGuest/name"}),
        (
            {"payingGuest": {"name": "A", "age": 1}, "guests": [{"name": "B", "age": 1}, {"name": "\0", "age": 1}]},
            {"/guests/1/name"},
        ),
        ({"payingGuest": {"name": "A", "age": 1}, "notes": {"a/b": "\0"}}, {"/notes/a~1b"}),
    ],
)
def test_a_pointer_leads_to_the_nested_place(sent: Any, expected: set[str]) -> None:
    with pytest.raises(ValidationFailed) as refused:
        body.decode(json.dumps(sent).encode(), _Booking)
    assert {error.pointer for error in refused.value.errors} == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (rb'{"name": "a\u0000b"}', {"/name"}),
        (rb'{"settings": {"a": [1, "\u0000"]}}', {"/settings/a/1"}),
        (rb'{"settings": {"\u0000": 1}}', None),
        (rb'{"\u0000": 1}', None),
    ],
)
async def test_the_nul_character_is_refused_wherever_it_stands(
    admin: httpx.AsyncClient, raw: bytes, expected: set[str] | None
) -> None:
    found = pointers(await _patch(admin, raw))
    assert expected is None or found == expected


async def test_the_nul_character_is_refused_in_a_query(root: httpx.AsyncClient) -> None:
    assert pointers(await root.get("/api/tenants", params={"search": "a\0b"})) == {"/search"}


@pytest.mark.parametrize(
    "raw",
    [
        rb'{"name": "\ud800"}',
        rb'{"name": "\udc00x"}',
        rb'{"settings": {"a": "\ud83d"}}',
        rb'{"settings": {"\ud83d": 1}}',
    ],
)
async def test_a_lone_surrogate_is_refused(admin: httpx.AsyncClient, raw: bytes) -> None:
    assert (await _patch(admin, raw)).status_code in (400, 422)


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"{'a': 1}", b'{"name": "x"} {}', b'{"settings": {"n": NaN}}', b'\xef\xbb\xbf{"name": "x"}',
     b'{"name": "\xff"}', b'{"x": "\xc3("}', b'{"\xff": 1}', b'{"settings": {"a": "\xed\xa0\x80"}}',
     '{"name": "x"}'.encode("utf-16")],
)  # fmt: skip
async def test_what_is_no_json_in_utf8_is_malformed(admin: httpx.AsyncClient, raw: bytes) -> None:
    answer = await _patch(admin, raw)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body")


@pytest.mark.parametrize("raw", [b"null", b"[]", b"1", b'"x"', b"true"])
async def test_json_that_is_no_object_is_refused(admin: httpx.AsyncClient, raw: bytes) -> None:
    assert pointers(await _patch(admin, raw)) == {""}


@pytest.mark.parametrize("unit", [("[", "]"), ('{"a":', "}")])
async def test_nesting_without_end_is_malformed(admin: httpx.AsyncClient, unit: tuple[str, str]) -> None:
    deep = unit[0] * 100_000 + "1" + unit[1] * 100_000
    for raw in (deep, f'{{"settings": {{"a": {deep}}}}}', f'{{"x": {deep}}}'):
        answer = await _patch(admin, raw)
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body")


@pytest.mark.parametrize("depth", [100, 400, 900])
@pytest.mark.parametrize("more", ["", ', "x": 1', r', "name": "\u0000"'])
async def test_nesting_of_any_depth_breaks_nothing(admin: httpx.AsyncClient, depth: int, more: str) -> None:
    raw = f'{{"settings": {{"deep": {"[" * depth}{"]" * depth}}}{more}}}'
    assert (await _patch(admin, raw)).status_code in ({400, 422} if more else {200, 400, 422})
    assert (await admin.get(_PATH)).status_code == 200
    assert (await _patch(admin, b'{"settings": {"deep": null}}')).status_code == 200


@pytest.mark.parametrize(
    "number", ["9223372036854775808", "18446744073709551617", "1e308", "1e400", "1" * 400, "1e-400", "-0"]
)
async def test_a_number_too_big_for_us_breaks_nothing(admin: httpx.AsyncClient, number: str) -> None:
    answer = await _patch(admin, f'{{"settings": {{"n": {number}}}}}')
    assert answer.status_code in (200, 400, 422)
    assert (await admin.get(_PATH)).status_code == 200
    assert (await _patch(admin, b'{"settings": {"n": 0}}')).status_code == 200


@pytest.mark.parametrize("field", ["name", "timezone", "settings"])
async def test_a_string_of_a_megabyte_is_refused(admin: httpx.AsyncClient, field: str) -> None:
    long = "x" * 1_000_000
    answer = await admin.patch(_PATH, json={field: {"a": long} if field == "settings" else long})
    assert pointers(answer) == {f"/{field}"}
    assert len(answer.content) < 2000


@pytest.mark.parametrize("email", ["a@" + "a" * 900_000 + " ", "@" * 900_000, "a@" + "." * 900_000 + " "])
async def test_no_text_makes_a_pattern_slow(admin: httpx.AsyncClient, email: str) -> None:
    began = time.monotonic()
    answer = await admin.post("/api/users", json={"name": "X", "email": email, "role": "ATTENDANT"})
    assert pointers(answer) == {"/email"}
    assert time.monotonic() - began < 10


async def test_the_largest_body_is_a_mebibyte_however_it_is_sent(admin: httpx.AsyncClient) -> None:
    async def parts(size: int) -> Any:
        for _ in range(size // 1024):
            yield b" " * 1024

    assert (await _patch(admin, b'{"x": 1}' + b" " * (_MB - 8))).status_code == 422
    declared = await _patch(admin, b"{}" + b" " * (_MB - 1))
    chunked = await admin.patch(_PATH, content=parts(_MB + 1024), headers={"Content-Type": "application/json"})
    for answer in (declared, chunked):
        assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
