"""Where backups lie and what each says of itself: names, manifests, the state that metrics and doctor read."""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import msgspec

from crm.core.surroundings import STATE, Backup

DAYS, WEEKS = 7, 4  # kept: the newest backup of each of so many days, and of each of so many weeks
_NAME = "%Y-%m-%dT%H%M%SZ"
DUMP, GLOBALS, MEDIA_LIST = "database.dump.age", "globals.sql.age", "media.txt"
ERASED = "erased.jsonl"


class Failed(Exception):
    """Something could not be done; the text says what, and what to do."""


class Ghost(msgspec.Struct, frozen=True, order=True):
    """Somebody who was erased, by ids."""

    tenant: UUID
    contact: UUID


class Part(msgspec.Struct, frozen=True):
    """A file of a backup."""

    name: str
    size: int
    sha256: str


class Table(msgspec.Struct, frozen=True):
    """What a table held when it was dumped; `total` is the sum of its rows' hashes, in no order."""

    name: str
    rows: int
    total: str


class Figures(msgspec.Struct, frozen=True):
    """What a database held: its tables, and a hash of its row security."""

    tables: list[Table]
    policies: str


class Manifest(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A backup, as it says of itself."""

    name: str
    made_at: datetime
    seconds: float
    postgres: str
    migration: str
    parts: list[Part]
    figures: Figures
    media_files: int
    media_bytes: int

    @property
    def size(self) -> int:
        """Bytes of its own files; the media lie beside it, once for all backups."""
        return sum(part.size for part in self.parts)


class State(Backup, frozen=True, rename="camel", omit_defaults=True):
    """How backups stand: what metrics and doctor read of it, and what `list` shows beside."""

    verified: str | None = None
    size: int | None = None
    media_bytes: int | None = None


class Place:
    """The folder of the backups, `BACKUP_DIR`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.media = folder / "media"
        self.erased = folder / ERASED
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def names(self) -> list[str]:
        """The complete backups, oldest first."""
        return sorted(path.parent.name for path in self.folder.glob("*/manifest.json") if _moment(path.parent.name))

    def manifest(self, name: str) -> Manifest:
        """Raises Failed."""
        try:
            return msgspec.json.decode((self.folder / name / "manifest.json").read_bytes(), type=Manifest)
        except (OSError, msgspec.DecodeError) as error:
            raise Failed(
                f"{name}: no such backup, or its manifest is damaged; `list` shows what there is"
            ) from error

    def chosen(self, name: str | None) -> Manifest:
        """The one of this name, or the newest. Raises Failed."""
        names = self.names()
        if name is None and not names:
            raise Failed("there is no backup yet; `now` makes one")
        return self.manifest(name or names[-1])

    def media_keys(self, name: str) -> list[str]:
        """The media it names."""
        return (self.folder / name / MEDIA_LIST).read_text().split()

    def ghosts(self) -> set[Ghost]:
        """Who was erased, as far as any backup knew."""
        lines = self.erased.read_bytes().splitlines() if self.erased.exists() else []
        return {msgspec.json.decode(line, type=Ghost) for line in lines}

    def remember(self, ghosts: set[Ghost]) -> None:
        """Keep their ids too: a restore of an older backup must not bring them back (LGPD, art. 18)."""
        write(self.erased, msgspec.json.Encoder().encode_lines(sorted(self.ghosts() | ghosts)))

    def state(self) -> State:
        """What is known; a damaged file is as none."""
        try:
            return msgspec.json.decode((self.folder / STATE).read_bytes(), type=State)
        except (OSError, msgspec.DecodeError):
            return State()

    def note(self, **changes: object) -> None:
        """Change what state.json says, at once or not at all."""
        state = msgspec.structs.replace(self.state(), **changes)
        write(self.folder / STATE, msgspec.json.format(msgspec.json.encode(state)), mode=0o644)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nobody else makes, takes away or restores one meanwhile. Raises Failed."""
        with (self.folder / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise Failed("another backup or restore is at work; wait for its end") from error
            yield


def named(at: datetime) -> str:
    """The name of a backup begun then."""
    return at.astimezone(UTC).strftime(_NAME)


def kept(names: Iterable[str]) -> set[str]:
    """Which to keep: the newest of each of the last seven days, and of each of the last four weeks, that have one.

    By their names: a file's time changes when it is copied.
    """
    days: dict[str, str] = {}
    weeks: dict[str, str] = {}
    for name in sorted(names):
        if moment := _moment(name):
            days[f"{moment:%Y-%m-%d}"] = weeks[f"{moment:%G-%V}"] = name
    return {*(days[day] for day in sorted(days)[-DAYS:]), *(weeks[week] for week in sorted(weeks)[-WEEKS:])}


def write(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file whole, or leave the old one."""
    new = path.with_name(path.name + ".new")
    with new.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.chmod(mode)
    new.replace(path)


def _moment(name: str) -> datetime | None:
    try:
        return datetime.strptime(name, _NAME).replace(tzinfo=UTC)
    except ValueError:
        return None
