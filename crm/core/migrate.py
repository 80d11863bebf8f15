"""Migrations by yoyo, with what it lacks: a lock that dies with its holder, checksums of what was applied, and one
transaction for a migration and for telling that it was applied.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
from yoyo import get_backend, read_migrations
from yoyo.backends import DatabaseBackend
from yoyo.migrations import MigrationList

from crm.core import schema, sql

_LOCK = 7_236_178_236_001  # any constant: two migrating processes ask for the same one


class Refused(Exception):
    """Why nothing was migrated."""


def plan(url: str, *, before: bool = False) -> list[str]:
    """The migrations that would be applied."""
    with _opened(url) as (backend, migrations):
        return [migration.id for migration in _due(backend, migrations, before)]


def fits(url: str) -> None:
    """Whether this version can run on the database as it is. Raises Refused, saying why not.

    The database may have more than this version knows: only what closes the way back must be known.
    """
    with _opened(url) as (backend, migrations):
        known = {migration.id for migration in migrations}
        applied = set(backend.execute(sql.load("operations").applied_migrations.text).fetchone()[0].split())
    if closed := sorted(name for name in applied - known if schema.closes(name)):
        raise Refused(f"this version no longer fits the database: {', '.join(closed)} closed the way back to it")
    if missing := sorted(name for name in known - applied if not schema.closes(name)):
        raise Refused(f"the database lacks {', '.join(missing)}: migrate first")


def apply(url: str, *, before: bool = False) -> list[str]:
    """Apply what is missing; the ids applied. Raises Refused.

    `before`: while the version before still runs, so without what closes the way back (`*_post_*`).
    """
    changed = schema.edited()
    if changed:
        raise Refused(f"edited after being recorded in {schema.CHECKSUMS.name}: {', '.join(changed)}")
    with _Alone(url), _opened(url) as (backend, migrations):
        todo = _due(backend, migrations, before)
        for migration in todo:
            with _marked(backend):
                migration.process_steps(backend, "apply")
                backend.log_migration(migration, "apply")
                backend.mark_one(migration, log=False)
        return [migration.id for migration in todo]


def roll_back(url: str, steps: int) -> list[str]:
    """Undo the newest `steps` migrations; the ids undone. Raises Refused when one cannot be undone."""
    with _Alone(url), _opened(url) as (backend, migrations):
        undo = list(backend.to_rollback(migrations))[:steps]
        for migration in undo:
            if not (schema.FOLDER / f"{migration.id}.rollback.sql").exists():
                raise Refused(f"{migration.id} has no rollback file")
        for migration in undo:
            with _marked(backend):
                migration.process_steps(backend, "rollback")
                backend.log_migration(migration, "rollback")
                backend.unmark_one(migration, log=False)
        return [migration.id for migration in undo]


@contextmanager
def _marked(backend: DatabaseBackend) -> Iterator[None]:
    """Done and told, or neither: yoyo tells it in another transaction, and who is killed between them is stuck."""
    backend.ensure_internal_schema_updated()
    with backend.transaction():
        yield


def _due(backend: DatabaseBackend, migrations: MigrationList, before: bool) -> MigrationList:
    todo = backend.to_apply(migrations)
    return todo.filter(lambda migration: not schema.closes(migration.id)) if before else todo


@contextmanager
def _opened(url: str) -> Iterator[tuple[DatabaseBackend, MigrationList]]:
    backend = get_backend(url.replace("postgresql://", "postgresql+psycopg://", 1))
    with closing(backend.connection):
        yield backend, read_migrations(str(schema.FOLDER))


class _Alone:
    """Holds an advisory lock on a connection of its own: it dies with the process, yoyo's table row would not."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)

    def __enter__(self) -> None:
        row = self._connection.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK,)).fetchone()
        if row is None or not row[0]:
            self._connection.close()
            raise Refused("another migration is running")

    def __exit__(self, *_error: object) -> None:
        self._connection.close()
