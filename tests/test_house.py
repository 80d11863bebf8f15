"""The shape of the code itself: floors, sizes, names, and where SQL may stand."""

import ast
import re
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.metrics import MetricWrapperBase

from crm.core import metrics
from crm.core.http import Door
from tests.every import every

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "crm").rglob("*.py"))
FLOORS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
NAMELESS = {"utils", "util", "helpers", "helper", "common", "manager", "service", "services", "base", "misc"}
FILE_LINES, FUNCTION_LINES, MEDIAN_LINES = 320, 60, 13
# The one place where SQL meets a value: the opening of a transaction, made of UUIDs and a role of our own.
OPENING = ("tx.py", "_opening")
ALONE = ("sql.py", "_alone")  # and the one where SQL is put around a query: what its caller enters by
SESSION_LEVEL = (
    r"(^|;)\s*(SET (?!LOCAL)|RESET|DISCARD|LISTEN|UNLISTEN|PREPARE|DEALLOCATE|DECLARE)\b|pg_(try_)?advisory_lock"
)

each_module = every(MODULES, lambda path: str(path.relative_to(ROOT)))


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method of a file."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)]


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the last one."""
    return (function.end_lineno or 0) - function.lineno + 1


def literals(node: ast.AST, inside: str = "") -> Iterator[tuple[str, str]]:
    """Every text of the code (the parts of f-strings too, docstrings left out), with the function it stands in."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            continue
        if isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield child.value, inside
        yield from literals(child, getattr(child, "name", None) or inside)


def names(path: Path) -> set[str]:
    """What a module answers to: its own name, and that of the package it is a part of."""
    return {path.stem, path.parent.name} - {"__init__", "crm", "core"}


def test_every_import_points_down() -> None:
    """Every floor of pyproject.toml, by import-linter."""
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_module_without_a_floor_is_an_error() -> None:
    assert {contract["containers"][0]: contract["exhaustive"] for contract in FLOORS} == {
        "crm": True,
        "crm.core": True,
    }


@each_module
def test_a_file_fits_in_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= FILE_LINES


@each_module
def test_no_function_is_longer_than_a_screen(path: Path) -> None:
    assert {f.name: length(f) for f in functions(path) if length(f) > FUNCTION_LINES} == {}


def test_most_functions_are_small() -> None:
    lengths = [length(function) for path in MODULES for function in functions(path)]
    assert statistics.median(lengths) <= MEDIAN_LINES
    assert sum(lines > 40 for lines in lengths) <= len(lengths) // 20


@each_module
def test_a_name_says_what_a_module_is_about(path: Path) -> None:
    assert path.stem not in NAMELESS
    assert path.parent.name not in NAMELESS


@each_module
def test_a_module_starts_with_a_sentence(path: Path) -> None:
    first = (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]
    assert len(first.split()) >= 3


@each_module
def test_sql_stands_in_sql_files_only(path: Path) -> None:
    """No string is ever built into SQL: then none may stand in the code, whole or in pieces."""
    statement = r"\b(SELECT\s|INSERT INTO|DELETE FROM|UPDATE\s+\w+\s+SET|SET LOCAL app|WHERE\s+\w+\s*=|ORDER BY)"
    found = [item for item in literals(ast.parse(path.read_text())) if re.search(statement, item[0])]
    allowed = [text for text, function in found if (path.name, function) in (OPENING, ALONE)]
    own = [text for text, _ in found if path.name == "migrate.py" and "advisory_lock" in text]
    assert [text for text, _ in found if text not in allowed + own] == []


def test_only_uuids_and_a_role_meet_the_opening_of_a_transaction() -> None:
    [opening] = [f for f in functions(ROOT / "crm/core/tx.py") if f.name == OPENING[1]]
    values = [ast.unparse(node.value) for node in ast.walk(opening) if isinstance(node, ast.FormattedValue)]
    assert values == ["UUID(int=tenant.int)", "caller.home", "caller.user", "caller.session", "caller.role"]


@each_module
def test_nothing_is_set_for_a_whole_session(path: Path) -> None:
    """Behind PgBouncer the next user of a connection is somebody else. A migration holds one of its own."""
    found = [text for text, _ in literals(ast.parse(path.read_text())) if re.search(SESSION_LEVEL, text)]
    assert len(found) == (1 if path.name == "migrate.py" else 0)


@each_module
def test_exceptions_are_caught_by_name(path: Path) -> None:
    """`Exception` only where a process must go on whatever happens, with a comment or a log line beside it."""
    everything = {"Exception", "BaseException"}
    nodes = [*ast.walk(ast.parse(path.read_text()))]
    broad = [
        node
        for node in nodes
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in everything)
        and not any(isinstance(part, ast.Raise) for part in ast.walk(node))
    ]
    calls = [node for node in nodes if isinstance(node, ast.Call) and ast.unparse(node.func) == "suppress"]
    hidden = [call for call in calls if everything & {ast.unparse(given) for given in call.args}]
    assert path.name in ("apart.py", "db.py", "drain.py") or (broad, hidden) == ([], [])


@each_module
def test_a_slice_with_doors_has_its_queries(path: Path) -> None:
    has_doors = bool(re.search(r"^routes\b", path.read_text(), re.MULTILINE))
    assert not has_doors or any((ROOT / "sql" / f"{name}.sql").exists() for name in names(path))


def test_every_file_of_queries_has_its_module() -> None:
    known = {name for path in MODULES for name in names(path)}
    assert [path.name for path in (ROOT / "sql").glob("*.sql") if path.stem not in known] == []


def test_every_number_we_count_says_whose_it_is() -> None:
    ours = [value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)]
    assert len(ours) >= 10
    assert [metric._name for metric in ours if not re.fullmatch(r"crm_[a-z_]+", metric._name)] == []
    told = re.findall(r"^# TYPE (\w+)", metrics.page().decode(), re.MULTILINE)
    assert [name for name in told if not name.startswith(("crm_", "process_", "python_"))] == []


def test_a_door_cannot_be_written_without_a_role() -> None:
    with pytest.raises(TypeError, match="role"):
        Door(method="GET", path="/x", handler=print)  # type: ignore[call-arg, arg-type]
