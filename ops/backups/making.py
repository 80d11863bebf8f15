"""A backup made: a dump of one moment, the roles, the media; named when it is whole, and only then old ones go."""

import shutil
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import msgspec

from ops.backups import database, media, mirror, sealing
from ops.backups.place import DUMP, GLOBALS, MEDIA_LIST, Figures, Manifest, Part, Place, kept, named, write
from ops.backups.settings import Settings, need


def now(settings: Settings) -> Manifest:
    """Make a backup, then take old ones away. When it fails nothing is taken away, and state.json says why.

    Raises Failed.
    """
    need(settings, "database_url", "recipient")
    place = Place(settings.folder)
    with place.held():
        place.note(last_tried=datetime.now(UTC))
        try:
            made = _made(settings, place, datetime.now(UTC))
            mirror.send(settings, place, made.name)
        except BaseException as error:
            place.note(last_error=f"{type(error).__name__}: {error}"[:500])
            raise
        place.note(last_good=made.made_at, last_error=None, size=made.size, media_bytes=made.media_bytes)
        tidy(settings, place)
    _ping(settings)
    return made


def _made(settings: Settings, place: Place, at: datetime) -> Manifest:
    started, to = time.monotonic(), sealing.recipient(settings.recipient)
    folder = place.folder / f"{named(at)}.part"
    for left in place.folder.glob("*.part"):  # of one that was killed
        shutil.rmtree(left)
    folder.mkdir(mode=0o700)
    try:
        dumped, figures, postgres, migration = _database(settings, place, folder, to)
        # After the dump: the copies may be more than it names, never less.
        keys, media_bytes = media.copy(place, media.Stored(settings.media_url), to)
        parts = [dumped, _globals(settings, folder, to), _listed(keys, folder)]
        manifest = Manifest(
            name=named(at), made_at=at, seconds=round(time.monotonic() - started, 1), postgres=postgres,
            migration=migration, parts=parts, figures=figures, media_files=len(keys), media_bytes=media_bytes,
        )  # fmt: skip
        write(folder / "manifest.json", msgspec.json.format(msgspec.json.encode(manifest)))
        folder.rename(place.folder / manifest.name)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return manifest


def _database(settings: Settings, place: Place, folder: Path, to: object) -> tuple[Part, Figures, str, str]:
    """The dump, and figures of the same moment."""
    with database.snapshot(settings.database_url) as (connection, moment):
        command = [database.program("pg_dump"), "--format=custom", "--no-password", f"--snapshot={moment}"]
        part = database.dump(command, settings.database_url, lambda out: sealing.seal(out, folder / DUMP, to))
        place.remember(database.erased(connection))
        version = database.value(connection, "SHOW server_version")
        return part, database.figures(connection), version, database.migration(connection)


def _globals(settings: Settings, folder: Path, to: object) -> Part:
    """The roles, without their passwords: those are secrets of the host."""
    command = [database.program("pg_dumpall"), "--globals-only", "--no-role-passwords", "--no-password"]
    part: Part = database.dump(command, settings.database_url, lambda out: sealing.seal(out, folder / GLOBALS, to))
    return part


def _listed(keys: list[str], folder: Path) -> Part:
    """The keys of the media, readable: what no backup names any more can then go without the private key."""
    path = folder / MEDIA_LIST
    write(path, "\n".join(keys).encode())
    return Part(path.name, path.stat().st_size, sealing.hashed(path))


def tidy(settings: Settings, place: Place) -> list[str]:
    """Take away what is too old, here and at the mirror, and media copies that are older than every kept backup.

    The names that went.
    """
    names = place.names()
    gone = [name for name in names if name not in kept(names)]
    for name in gone:
        shutil.rmtree(place.folder / name)
    if gone:
        media.forget(place, {key for name in place.names() for key in place.media_keys(name)})
    mirror.tidy(settings, place)
    return gone


def _ping(settings: Settings) -> None:
    """Tell the dead man's switch that all is well: who watches from outside misses us when the host is gone."""
    if settings.ping_url:
        try:
            httpx.post(settings.ping_url, timeout=10).raise_for_status()
        except httpx.HTTPError as error:
            print(
                f"the backup is good, but BACKUP_PING_URL could not be told: {type(error).__name__}",
                file=sys.stderr,
            )


def progress(manifest: Manifest) -> Iterator[str]:
    """What was made, for people."""
    rows = sum(table.rows for table in manifest.figures.tables)
    yield f"backup {manifest.name} made in {manifest.seconds} s: {manifest.size / 1e6:.1f} MB, {rows:,} rows,"
    yield f"  {manifest.media_files:,} media files ({manifest.media_bytes / 1e6:.1f} MB, each kept once)"
    if not manifest.media_files:
        yield "  MEDIA_URL holds no file: right on a new installation, else look where it points"
