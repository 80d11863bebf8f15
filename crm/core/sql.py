"""Reads sql/*.sql into named queries: each says its parameters, their types and the shape of its answer.

A query starts with a header line, then a sentence of purpose and optional notes:

    -- name: page(before timestamptz, max int) -> many ContactRow
    -- One page of contacts, newest first.
    -- Index: contacts_created_ix
    -- as: system            (the role; the app's role when absent)
    -- as: caller            (the app's role; may go alone: its caller enters in the same statement)
    -- plan: custom          (plan anew for each set of values: optional filters)

The text keeps `/* contacts.page */` behind its first word, so that the slow log and pg_stat_statements name the
query: from PostgreSQL 18 on the latter takes away a comment that stands before.
"""

import re
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

FOLDER = Path(__file__).parents[2] / "sql"
Shape = Literal["one", "maybe", "many", "value", "count", "none"]

_HEADER = re.compile(r"^-- name: (\w+)\(([^)]*)\) -> (\w+)(?: (\w+))?$", re.MULTILINE)
_NOTE = re.compile(r"^-- (Index|as|plan): (.+)$", re.MULTILINE)
# Outside of text literals and comments: `:name`, but neither `::type` nor the bounds of a slice.
_TOKEN = re.compile(r"\s*--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\$\$.*?\$\$|::|(?<![\w:]):([a-z_]\w*)", re.DOTALL)

_FIRST_WORD = re.compile(r"\w+")


class BadQuery(Exception):
    """A .sql file that breaks its own header; raised at start, naming the query."""


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """One query: `text` takes $1… in the order of `params`, a name and its SQL type each.

    `alone` is the text by which it goes without a transaction around it; it takes what crm.entered takes, behind.
    """

    name: str
    text: str
    alone: str | None
    params: dict[str, str]
    shape: Shape
    row: str | None
    system: bool
    custom: bool
    indexes: tuple[str, ...]

    def args(self, given: dict[str, Any]) -> list[Any]:
        """The values by name, in the order of `params`. Raises KeyError for one that is missing."""
        return [given[name] for name in self.params]


class Queries:
    """The queries of one file as attributes, checked when the file is read."""

    def __init__(self, slice_name: str) -> None:
        path = FOLDER / f"{slice_name}.sql"
        self.all = {query.name.rpartition(".")[2]: query for query in parse(slice_name, path.read_text())}

    def __getattr__(self, name: str) -> Query:
        try:
            return self.all[name]
        except KeyError:
            raise AttributeError(f"no query named {name} in this file") from None


@cache
def load(slice_name: str) -> Queries:
    """The queries of sql/<slice_name>.sql. Raises BadQuery."""
    return Queries(slice_name)


def parse(slice_name: str, text: str) -> list[Query]:
    """Every query of a file's text, in order. Raises BadQuery on duplicates and undeclared parameters."""
    heads = list(_HEADER.finditer(text))
    if text.count("-- name:") != len(heads):
        raise BadQuery(f"{slice_name}.sql: a header does not read `-- name: x(a type) -> shape Row`")
    ends = [head.start() for head in heads[1:]] + [len(text)]
    queries = [_query(slice_name, head, text[head.end() : end]) for head, end in zip(heads, ends, strict=True)]
    names = [query.name for query in queries]
    if len(set(names)) != len(names):
        raise BadQuery(f"{slice_name}.sql: a name is used twice")
    return queries


def _query(slice_name: str, head: re.Match[str], body: str) -> Query:
    name = f"{slice_name}.{head[1]}"
    shape, row = head[3], head[4]
    if shape not in get_args(Shape):
        raise BadQuery(f"{name}: unknown shape {shape}")
    if (row is None) != (shape in ("count", "none")):
        raise BadQuery(f"{name}: the shape {shape} " + ("needs a row type" if row is None else "has no row"))
    declared = [part.strip().partition(" ") for part in head[2].split(",") if part.strip()]
    params = {param: kind for param, _, kind in declared}
    if len(params) < len(declared) or not all(params.values()):
        raise BadQuery(f"{name}: a parameter without a type, or declared twice: {head[2]}")
    notes = _NOTE.findall(body)
    text = _FIRST_WORD.sub(rf"\g<0> /* {name} */", _numbered(name, body, list(params)), count=1)
    return Query(
        name=name,
        text=text,
        alone=_alone(text, len(params)) if ("as", "caller") in notes else None,
        params=params,
        shape=shape,  # type: ignore[arg-type]
        row=row,
        system=("as", "system") in notes,
        custom=("plan", "custom") in notes,
        indexes=tuple(index for kind, value in notes if kind == "Index" for index in value.split(", ")),
    )


def _alone(text: str, many: int) -> str:
    """The same rows, once crm.entered has let the caller in: a One-Time Filter over all of the query's own plan.

    OFFSET 0 keeps the planner from mixing the two: what asks for the viewer first would see as if there were none.
    """
    entry = ", ".join(f"${many + place}" for place in range(1, 6))
    rows = f"SELECT * FROM (\n{text}\n) AS found OFFSET 0"  # noqa: S608, a text of sql/
    return f"SELECT * FROM ({rows}) AS answer WHERE crm.entered({entry})"  # noqa: S608, dollar signs


def _numbered(name: str, body: str, params: list[str]) -> str:
    """The text with :name as $1…, without comments. Raises BadQuery when names and header disagree."""
    used: set[str] = set()

    def number(match: re.Match[str]) -> str:
        if match[0].lstrip().startswith("--"):
            return ""
        if match[1] is None:
            return match[0]
        if match[1] not in params:
            raise BadQuery(f"{name}: :{match[1]} is not declared")
        used.add(match[1])
        return f"${params.index(match[1]) + 1}"

    text = _TOKEN.sub(number, body).strip().rstrip(";")
    if used != set(params):
        raise BadQuery(f"{name}: declared and not used: {', '.join(set(params) - used)}")
    return text
