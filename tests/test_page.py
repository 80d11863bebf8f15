"""Lists: what page, limit and cursor take, and that a cursor is the place it was made from."""

from datetime import UTC, datetime
from uuid import UUID

import httpx
import pytest

from crm.core.page import read_cursor, stamp, write_cursor
from tests.visitors import pointers

_LISTS = ["/api/tenants", "/api/tenant/audit", "/api/conversations", "/api/users", "/api/channels"]


@pytest.fixture
def reader(alice: httpx.AsyncClient, root: httpx.AsyncClient, path: str) -> httpx.AsyncClient:
    """Who may read the list."""
    return root if path == "/api/tenants" else alice


@pytest.mark.parametrize("path", _LISTS)
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("limit", ["0", "-1", "101", "abc", "1.5", "", "9" * 30, "null"]),
        ("page", ["0", "-1", "abc", "2147483649", "9" * 30, "1002", "2000000000"]),
        ("cursor", ["x", "é", "A" * 31, "A" * 33, "f" + "_" * 31, "a b", "%00", "A" * 201, "====", "🏨"]),
    ],
)
async def test_a_bad_place_is_refused(reader: httpx.AsyncClient, path: str, name: str, values: list[str]) -> None:
    for value in values:
        assert pointers(await reader.get(path, params={name: value})) == {f"/{name}"}, value


@pytest.mark.parametrize("path", _LISTS)
async def test_page_numbers_end_at_twenty_thousand_rows(reader: httpx.AsyncClient, path: str) -> None:
    last = await reader.get(path, params={"page": 1001, "limit": 20})
    assert (last.status_code, last.json()["data"]) == (200, [])
    assert pointers(await reader.get(path, params={"page": 202, "limit": 100})) == {"/page"}


@pytest.mark.parametrize("name", ["before", "after"])
async def test_a_history_takes_only_its_own_cursors(alice: httpx.AsyncClient, name: str) -> None:
    path = "/api/conversations/01890000-0000-7000-8000-000000000000/messages"
    assert pointers(await alice.get(path, params={name: "x"})) == {f"/{name}"}


@pytest.mark.parametrize("path", _LISTS)
async def test_every_bad_parameter_is_named_at_once(reader: httpx.AsyncClient, path: str) -> None:
    answer = await reader.get(path, params={"page": "x", "limit": "500", "foo": "1"})
    assert pointers(answer) == {"/page", "/limit", "/foo"}


def test_a_cursor_is_the_place_it_was_made_from() -> None:
    row = UUID("01a20a93-ff89-7eff-8000-1234567890ab")
    for year in (1970, 2026, 2099):
        for micros in range(0, 1_000_000, 997):
            at = datetime(year, 11, 23, 22, 40, 17, micros, UTC)
            assert read_cursor(write_cursor(at, row)) == (at, row)


def test_times_are_written_with_milliseconds_and_z() -> None:
    assert stamp(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "2026-01-02T03:04:05.000Z"
    assert stamp(datetime(2026, 1, 2, 3, 4, 5, 987_654, UTC)) == "2026-01-02T03:04:05.987Z"
