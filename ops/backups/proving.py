"""A backup proved: every byte is read, it is restored beside the real database, and both are compared."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from psycopg import sql

from ops.backups import database, sealing
from ops.backups.place import DUMP, Failed, Figures, Manifest, Place
from ops.backups.settings import Settings, need

_LIKE_OURS = """CREATE DATABASE {} OWNER crm_owner TEMPLATE template0 ENCODING 'UTF8'
LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C'"""
_ROLES = "SELECT count(*) FROM pg_roles WHERE rolname IN ('crm_owner', 'crm_app', 'crm_system', 'crm_backup')"
_TENANTS = "SELECT tenant_id FROM contacts GROUP BY tenant_id ORDER BY count(*) DESC LIMIT 2"
_SEEN = "SELECT count(*), count(*) FILTER (WHERE tenant_id IS DISTINCT FROM {}) FROM {}"
_ISOLATED = ("contacts", "conversations", "messages")


def verify(settings: Settings, name: str | None, key_file: Path) -> Iterator[str]:
    """Prove a backup (the newest), line by line as it goes. Raises Failed."""
    need(settings, "admin_url")
    place, key = Place(settings.folder), sealing.identity(key_file)
    with place.held():
        manifest = place.chosen(name)
        yield from read_whole(place, manifest, key)
        with scratch(settings, "crm_verifying") as there:
            restored(settings, place, manifest, key, there)
            with database.connected(settings.admin_url, there) as connection:
                yield from compared(manifest.figures, database.figures(connection))
                yield from isolated(connection)
        place.note(last_verified=datetime.now(UTC), verified=manifest.name)
    yield f"{manifest.name} is good"


def read_whole(place: Place, manifest: Manifest, key: Any) -> Iterator[str]:
    """Every file has its size and hash, and the dump is read to its end (`pg_restore --list` reads only its head).

    Raises Failed.
    """
    folder = place.folder / manifest.name
    for part in manifest.parts:
        path = folder / part.name
        if not path.exists() or path.stat().st_size != part.size or sealing.hashed(path) != part.sha256:
            raise Failed(f"{part.name} of {manifest.name} is damaged or cut off: use another backup")
    missing = [name for name in place.media_keys(manifest.name) if not (place.media / f"{name}.age").exists()]
    if missing:
        raise Failed(f"{len(missing)} media files of {manifest.name} are missing, such as {missing[0]}")
    command = [database.program("pg_restore"), "--file=/dev/null"]
    database.restore(command, "", "", lambda into: sealing.unseal(folder / DUMP, into, key))
    yield f"{len(manifest.parts)} files and {manifest.media_files} media are whole; the dump is read to its end"


@contextmanager
def scratch(settings: Settings, name: str) -> Iterator[str]:
    """An empty database of this name and some letters, dropped at the end, unless it was renamed."""
    there = f"{name}_{secrets.token_hex(4)}"
    with database.connected(settings.admin_url) as admin:
        if database.value(admin, _ROLES) != 4:
            raise Failed(
                "the roles are missing on this server: run ops/postgres/roles.sql first (its head says how)"
            )
        admin.execute(sql.SQL(_LIKE_OURS).format(sql.Identifier(there)))
        try:
            yield there
        finally:
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(there)))


def restored(settings: Settings, place: Place, manifest: Manifest, key: Any, there: str) -> None:
    """Restore the dump into the database `there`. Raises Failed."""
    command = [database.program("pg_restore"), f"--dbname={there}", "--exit-on-error", "--no-password"]
    source = place.folder / manifest.name / DUMP
    database.restore(command, settings.admin_url, there, lambda into: sealing.unseal(source, into, key))


def compared(was: Figures, now: Figures) -> Iterator[str]:
    """Raises Failed naming the tables that differ."""
    before, after = ({table.name: table for table in figures.tables} for figures in (was, now))
    differ = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if differ:
        raise Failed(f"restored, but not the same as when it was dumped: {', '.join(differ)}")
    if was.policies != now.policies:
        raise Failed("restored, but its row security is not the same as when it was dumped")
    rows = sum(table.rows for table in now.tables)
    yield f"{len(after)} tables with {rows:,} rows and their row security are the same as when they were dumped"


def isolated(connection: Any) -> Iterator[str]:
    """As crm_app: without a tenant nothing is seen, with one nothing of another. Raises Failed."""
    tenants = [row[0] for row in connection.execute(_TENANTS).fetchall()]
    for tenant in [None, *tenants]:
        with connection.transaction():
            connection.execute("SELECT set_config('app.tenant_id', %s, TRUE)", [str(tenant or "")])
            connection.execute("SET LOCAL ROLE crm_app")
            for table in _ISOLATED:
                query = sql.SQL(_SEEN).format(sql.Literal(tenant), sql.Identifier(table))
                seen, strange = connection.execute(query).fetchone()
                if strange or (tenant is None and seen):
                    raise Failed(f"restored, but one hotel sees {table} of another: do not use it")
    yield f"row security holds: asked as {len(tenants)} hotels and as none"
