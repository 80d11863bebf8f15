"""A backup brought back: beside the database first, compared, and only then in its place; the old one is kept."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from psycopg import Connection, sql

from crm import privacy
from crm.core import db, pools
from crm.core.errors import NotFound
from ops.backups import database, media, mirror, proving, sealing
from ops.backups.place import Failed, Ghost, Place
from ops.backups.settings import Settings, need

_HOLDS = "SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
_RIGHTS = (
    "REVOKE ALL ON DATABASE {} FROM PUBLIC",
    "GRANT CONNECT ON DATABASE {} TO crm_app, crm_system, crm_backup",
)


def restore(settings: Settings, name: str | None, key_file: Path, *, yes: bool) -> Iterator[str]:
    """Put a backup (the newest) in the place of the database and its media, line by line as it goes.

    What is there is replaced only with `yes`, and kept under another name. Raises Failed.
    """
    need(settings, "admin_url", "app_url")
    place, key = Place(settings.folder), sealing.identity(key_file)
    target = database.named(settings.app_url)
    with place.held():
        if name and name not in place.names() and name in mirror.names(settings):
            mirror.fetch(settings, place, name)
            yield f"{name} fetched from {settings.mirror_url}"
        manifest = place.chosen(name)
        ghosts = place.ghosts() | _erased_here(settings, target, yes)
        yield from proving.read_whole(place, manifest, key)
        with proving.scratch(settings, f"{target}_restoring") as there:
            proving.restored(settings, place, manifest, key, there)
            with database.connected(settings.admin_url, there) as connection:
                yield from proving.compared(manifest.figures, database.figures(connection))
            yield from _exchanged(settings, target, there)
        count = media.bring_back(place, media.Stored(settings.media_url), place.media_keys(manifest.name), key)
        yield f"{count} media files brought back; those that were there stay"
        yield f"{asyncio.run(_forgotten(settings.app_url, ghosts))} people who were erased since are erased again"
    yield f"restored {manifest.name}, of {manifest.made_at:%Y-%m-%d %H:%M} UTC: what came later is not in it"
    yield "next: `python -m crm migrate` when the version is newer than the backup, then start api and worker"


def _erased_here(settings: Settings, target: str, yes: bool) -> set[Ghost]:
    """Who was erased in the database that is to be replaced. Raises Failed when it may not be."""
    with database.connected(settings.admin_url) as admin:
        if not _exists(admin, target):
            return set()
    with database.connected(settings.admin_url, target) as old:
        if not database.value(old, _HOLDS):
            return set()
        if not yes:
            raise Failed(f"the database {target} holds data: stop api and worker, then say --yes to replace it")
        known = database.value(old, "SELECT to_regclass('public.contacts')")
        return database.erased(old) if known else set()


def _exchanged(settings: Settings, target: str, there: str) -> Iterator[str]:
    """The restored database takes the name; the old one keeps its data under a name that tells when."""
    with database.connected(settings.admin_url) as admin:
        for line in _RIGHTS:
            admin.execute(sql.SQL(line).format(sql.Identifier(there)))
        if _exists(admin, target):
            before = f"{target}_before_{datetime.now(UTC):%Y%m%d_%H%M%S}"
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [target])
            _rename(admin, target, before)
            yield f"the old database is kept as {before}; when all is well: DROP DATABASE {before}"
        _rename(admin, there, target)


def _exists(admin: "Connection[Any]", name: str) -> bool:
    return bool(admin.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchall())


def _rename(admin: "Connection[Any]", old: str, new: str) -> None:
    admin.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(old), sql.Identifier(new)))


async def _forgotten(url: str, ghosts: set[Ghost]) -> int:
    """Erase them in the restored data too, as any erasure; how many were there and not erased yet."""
    pool = await pools.pool(url, 2, 300)
    opened = db.Database(pool, pool)
    count = 0
    for ghost in sorted(ghosts):
        try:
            async with opened.tenant(ghost.tenant) as tx:
                _, events = await privacy.erase(tx, ghost.contact)
                count += bool(events)
        except NotFound:
            continue  # made after the backup
    await opened.close()
    return count
