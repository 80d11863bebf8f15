"""The contract of sql/: each query prepared as its role on the migrated database, and the loader of queries."""

import importlib
import pkgutil
import re
import types
from collections.abc import AsyncIterator, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict
from uuid import UUID

import asyncpg
import msgspec
import psycopg
import pytest

import crm
from crm.core import sql
from crm.core.sql import BadQuery, Query
from ops.dev.home import Home
from tests import scratch
from tests.every import every
from tests.own import FINISHED
from tests.people import Sql

QUERIES = [query for path in sorted(sql.FOLDER.glob("*.sql")) for query in sql.load(path.stem).all.values()]
PG = {"int": "int4", "bigint": "int8", "boolean": "bool"}
# What each of our types may come from.
PYTHON = {
    UUID: {"uuid"}, str: {"text", "varchar"}, int: {"int4", "int8", "numeric"}, float: {"float8"}, bool: {"bool"},
    bytes: {"bytea"}, datetime: {"timestamptz"}, date: {"date"}, dict: {"jsonb"},
}  # fmt: skip
SESSION_LEVEL = r"\b(pg_(try_)?advisory_(un)?lock(_shared|_all)?\(|DISCARD|RESET|LISTEN|DEALLOCATE|HOLD)"


def each(found: list[Query]) -> Any:
    """The test is run on each of these queries."""
    return every(found, lambda query: query.name)


def struct(query: Query) -> type[msgspec.Struct]:
    """The Struct that a query's rows become: its own slice's, or the only one of that name."""
    slice_name, name = query.name.split(".")[0], query.row or ""
    modules = [importlib.import_module(found.name) for found in pkgutil.walk_packages(crm.__path__, "crm.")]
    own = [
        module for module in modules if module.__name__.rpartition(".")[2] == slice_name and hasattr(module, name)
    ]
    found = {getattr(module, name) for module in own or modules if hasattr(module, name)}
    assert len(found) == 1, f"{query.name}: {name} is {found or 'nowhere'}"
    return found.pop()


def accepts(kind: Any, pg: str) -> bool:
    """Whether a column of this PostgreSQL type fits a field of this Python type."""
    if kind is Any:
        return True
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return any(accepts(part, pg) for part in get_args(kind) if part is not type(None))
    if origin is Literal:
        return pg == "text"
    if origin is list:
        return pg == "jsonb" or (pg.endswith("[]") and accepts(get_args(kind)[0], pg.removesuffix("[]")))
    return pg == "jsonb" if is_typeddict(kind) else pg in PYTHON[origin or kind]


def planned(query: Query) -> list[str]:
    """The indexes that a plan can show: not those a plain INSERT merely fills."""
    filled = tuple(f"{table}_" for table in re.findall(r"INSERT (?:/\S* \S+ \S+ )?INTO (\w+)", query.text))
    filled = () if "ON CONFLICT" in query.text else filled
    return [index for index in query.indexes if not index.startswith(filled or "\0")]


@pytest.fixture(scope="module")
async def connections(home: Home) -> AsyncIterator[dict[bool, asyncpg.Connection]]:
    """A connection as each role, by Query.system."""
    made = {role: await asyncpg.connect(home.database_url("system" if role else "app")) for role in (True, False)}
    yield made
    for connection in made.values():
        await connection.close()


@pytest.fixture(scope="module")
def planners(home: Home) -> Iterator[dict[bool, psycopg.Connection]]:
    """Both roles on a database with months of life in it; reading whole tables is made dear.

    By psycopg: it sends EXPLAIN as plain text, so that the parameters in it stay open.
    """
    with scratch.database(home, FINISHED) as lived:
        lived.run((Path(__file__).parent / "lived_in.sql").read_text(), role="superuser")
        roles = {True: "system", False: "app"}
        made = {key: psycopg.connect(lived.url(role), autocommit=True) for key, role in roles.items()}
        for connection in made.values():
            connection.execute("SET enable_seqscan = off")
        yield made
        for connection in made.values():
            connection.close()


@each(QUERIES)
async def test_a_query_takes_what_its_header_says(
    query: Query, connections: dict[bool, asyncpg.Connection]
) -> None:
    prepared = await connections[query.system].prepare(query.text)
    declared = [re.sub(r"^\w+", lambda word: PG.get(word[0], word[0]), kind) for kind in query.params.values()]
    assert [kind.name for kind in prepared.get_parameters()] == declared


@each([query for query in QUERIES if query.row])
async def test_a_query_answers_what_its_struct_holds(
    query: Query, connections: dict[bool, asyncpg.Connection]
) -> None:
    columns = (await connections[query.system].prepare(query.text)).get_attributes()
    if query.shape == "value":
        assert [column.type.name for column in columns] == [PG.get(query.row or "", query.row)]
        return
    row = struct(query)
    assert [column.name for column in columns] == list(row.__struct_fields__)
    hints = get_type_hints(row)
    wrong = {
        column.name: column.type.name for column in columns if not accepts(hints[column.name], column.type.name)
    }
    assert wrong == {}


@each([query for query in QUERIES if not query.row])
async def test_a_query_without_rows_answers_none(query: Query, connections: dict[bool, asyncpg.Connection]) -> None:
    columns = (await connections[query.system].prepare(query.text)).get_attributes()
    assert query.shape == "none" or not columns


@pytest.fixture(scope="module")
async def indexes(as_owner: Sql) -> set[str]:
    """The name of every index."""
    return {row[0] for row in await as_owner("SELECT indexname FROM pg_indexes WHERE schemaname = 'public'")}


@each([query for query in QUERIES if query.indexes])
def test_the_index_that_a_query_names_is_there(query: Query, indexes: set[str]) -> None:
    assert set(query.indexes) <= indexes


@each([query for query in QUERIES if planned(query)])
def test_the_plan_of_a_query_uses_the_index_it_names(
    query: Query, planners: dict[bool, psycopg.Connection]
) -> None:
    """A plan for values not known yet, as PostgreSQL keeps one."""
    plan = "\n".join(line[0] for line in planners[query.system].execute(f"EXPLAIN (GENERIC_PLAN) {query.text}"))
    plan = re.sub(r"_\d{4}_\d\d_\d\d_", "_", plan)  # the index of a day's part is its table's
    assert [index for index in planned(query) if not re.search(rf"\b{index}\b", plan)] == [], plan


@each([query for query in QUERIES if query.alone])
def test_who_goes_alone_is_let_in_before_anything_is_read(
    query: Query, planners: dict[bool, psycopg.Connection]
) -> None:
    """A One-Time Filter at the top is asked before what lies below; mixed with another it might be the second."""
    found = planners[False].execute(f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {query.alone}").fetchone()
    assert found is not None
    top = found[0][0]["Plan"]
    entry = ", ".join(f"${place}" for place in range(len(query.params) + 1, len(query.params) + 6))
    assert (top["Node Type"], top.get("One-Time Filter")) == ("Result", f"crm.entered({entry})")
    assert len(top["Plans"]) == 1


@each([query for query in QUERIES if query.alone])
async def test_who_goes_alone_is_answered_the_same(
    query: Query, connections: dict[bool, asyncpg.Connection]
) -> None:
    plain, alone = [await connections[False].prepare(text) for text in (query.text, query.alone or "")]
    assert (query.system, query.custom) == (False, False)
    assert re.match(r"(SELECT|WITH)\b", query.text)
    assert not re.search(r"\b(INSERT|DELETE|UPDATE|SHARE)\b", query.text)
    assert [tuple(column) for column in alone.get_attributes()] == [
        tuple(column) for column in plain.get_attributes()
    ]
    assert [kind.name for kind in alone.get_parameters()[-5:]] == ["uuid"] * 4 + ["text"]


def test_the_pages_before_a_page_of_the_list_are_skipped_in_the_index_alone(
    planners: dict[bool, psycopg.Connection],
) -> None:
    (query,) = (query for query in QUERIES if query.name == "lists.place")
    plan = "\n".join(line[0] for line in planners[False].execute(f"EXPLAIN (GENERIC_PLAN) {query.text}"))
    assert "Index Only Scan using conversations_newest_ix" in plan, plan


@each(QUERIES)
def test_a_query_leaves_nothing_behind_in_its_session(query: Query) -> None:
    """Behind PgBouncer in transaction mode, the next user of the connection is somebody else."""
    words = re.sub(r"/\*.*?\*/|'[^']*'", "", query.text)
    assert not re.search(SESSION_LEVEL, words, re.IGNORECASE)
    assert re.match(r"\s*(SELECT|WITH|INSERT|UPDATE|DELETE)\b", words)
    assert re.findall(r"set_config\((?!'app\.(?:tenant_id|viewer)', \$\d+, TRUE\))", query.text) == []


def test_every_query_has_a_caller() -> None:
    """A word of the code names each query: `_sql.page`, or its name in quotes."""
    code = "\n".join(path.read_text() for path in Path(crm.__path__[0]).rglob("*.py"))
    called = set(re.findall(r"[\w)]\.(\w+)", code)) | set(re.findall(r"\"(\w+)\"", code))
    assert [query.name for query in QUERIES if query.name.split(".")[1] not in called] == []


def test_the_tidying_of_the_worker_finds_its_queries() -> None:
    code = (Path(crm.__path__[0]) / "worker.py").read_text()
    pairs = re.findall(r"\(\"(\w+)\", \"(tidy\w*)\"\)", code)
    assert len(pairs) >= 4
    assert [pair for pair in pairs if pair[1] not in sql.load(pair[0]).all] == []


def read(body: str, header: str = "x() -> none") -> str:
    """The text of one query as the loader sends it, without its name."""
    [query] = sql.parse("test", f"-- Head of the file.\n\n-- name: {header}\n-- Purpose.\n{body};\n")
    return query.text.replace(f" /* {query.name} */", "")


def test_the_name_of_a_query_stays_in_its_text() -> None:
    [query] = sql.parse("contacts", "-- name: page(a int) -> many Row\n-- Why.\n-- Index: x, y\nSELECT :a;")
    assert query.text == "SELECT /* contacts.page */ $1"
    assert (query.shape, query.row, query.params, query.indexes) == ("many", "Row", {"a": "int"}, ("x", "y"))
    assert (query.system, query.custom, query.alone) == (False, False, None)


def test_a_query_that_may_go_alone_has_a_text_for_that() -> None:
    [query] = sql.parse("t", "-- name: x(a int) -> many Row\n-- as: caller\nSELECT :a")
    rows = "SELECT * FROM (\nSELECT /* t.x */ $1\n) AS found OFFSET 0"
    assert query.alone == f"SELECT * FROM ({rows}) AS answer WHERE crm.entered($2, $3, $4, $5, $6)"


def test_notes_choose_the_role_and_the_way_of_planning() -> None:
    [query] = sql.parse("t", "-- name: x() -> none\n-- as: system\n-- plan: custom\nSELECT 1")
    assert (query.system, query.custom) == (True, True)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("SELECT :a, :b, :a", "SELECT $1, $2, $1"),
        ("SELECT :b::text, :a :: int", "SELECT $2::text, $1 :: int"),
        ("SELECT x[1:2], y[:a], z[1:n], :b", "SELECT x[1:2], y[$1], z[1:n], $2"),
        ("SELECT 'at 12:30 :b', :a, 'it''s :b', :b", "SELECT 'at 12:30 :b', $1, 'it''s :b', $2"),
        ("SELECT :a -- not :c, nor it's\n, :b", "SELECT $1\n, $2"),
        ("SELECT :a /* not :c, nor it's */, :b", "SELECT $1 /* not :c, nor it's */, $2"),
        ("SELECT $$ :c $$, :a, :b", "SELECT $$ :c $$, $1, $2"),
        ("SELECT '-- :c', :a, :b", "SELECT '-- :c', $1, $2"),
        ("SELECT 'two  \n\nlines', :a, :b", "SELECT 'two  \n\nlines', $1, $2"),
        ("SELECT (:a), -:b, x=:a", "SELECT ($1), -$2, x=$1"),
        ("SELECT '::'::text, :a, :b", "SELECT '::'::text, $1, $2"),
    ],
)
def test_only_parameters_are_taken_for_parameters(body: str, text: str) -> None:
    assert read(body, "x(a int, b text) -> none") == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("-- name: x() -> none\nSELECT 1;\n-- name: x() -> none\nSELECT 2;", "used twice"),
        ("-- name: x() -> none\nSELECT :a;", ":a is not declared"),
        ("-- name: x(a int, b int) -> none\nSELECT :a;", "declared and not used: b"),
        ("-- name: x(a int) -> none\nSELECT ':a';", "declared and not used: a"),
        ("-- name: x(a int) -> none\nSELECT 1 -- :a\n;", "declared and not used: a"),
        ("-- name: x() -> few Row\nSELECT 1;", "unknown shape few"),
        ("-- name: x() -> many\nSELECT 1;", "needs a row type"),
        ("-- name: x() -> count Row\nSELECT 1;", "has no row"),
        ("-- name: x()\nSELECT 1;", "does not read"),
        ("-- name: x -> none\nSELECT 1;", "does not read"),
        ("-- name: x(a) -> none\nSELECT :a;", "a"),
        ("-- name: x(a int, a text) -> none\nSELECT :a;", "a"),
    ],
)
def test_a_query_that_breaks_its_header_is_refused(text: str, why: str) -> None:
    with pytest.raises(BadQuery, match=why):
        sql.parse("test", text)


def test_a_query_that_is_not_there_is_named() -> None:
    with pytest.raises(AttributeError, match="nope"):
        _ = sql.load("contacts").nope
