"""Migrations by yoyo, with what it lacks: a lock that dies with its holder, and checksums of what was applied."""

import psycopg
from yoyo import get_backend, read_migrations
from yoyo.backends import DatabaseBackend
from yoyo.migrations import MigrationList

from crm.core import schema

_LOCK = 7_236_178_236_001  # any constant: two migrating processes ask for the same one


class Refused(Exception):
    """Why nothing was migrated."""


def plan(url: str) -> list[str]:
    """The migrations that would be applied."""
    backend, migrations = _open(url)
    return [migration.id for migration in backend.to_apply(migrations)]


def apply(url: str) -> list[str]:
    """Apply what is missing; the ids applied. Raises Refused."""
    changed = schema.edited()
    if changed:
        raise Refused(f"edited after being recorded in {schema.CHECKSUMS.name}: {', '.join(changed)}")
    with _Alone(url):
        backend, migrations = _open(url)
        todo = backend.to_apply(migrations)
        backend.apply_migrations(todo)
        return [migration.id for migration in todo]


def roll_back(url: str, steps: int) -> list[str]:
    """Undo the newest `steps` migrations; the ids undone. Raises Refused when one cannot be undone."""
    with _Alone(url):
        backend, migrations = _open(url)
        undo = list(backend.to_rollback(migrations))[:steps]
        for migration in undo:
            if not (schema.FOLDER / f"{migration.id}.rollback.sql").exists():
                raise Refused(f"{migration.id} has no rollback file")
        backend.rollback_migrations(MigrationList(undo))
        return [migration.id for migration in undo]


def _open(url: str) -> tuple[DatabaseBackend, MigrationList]:
    backend = get_backend(url.replace("postgresql://", "postgresql+psycopg://", 1))
    return backend, read_migrations(str(schema.FOLDER))


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
