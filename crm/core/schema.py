"""The migrations as files: which belong to this version, and what each one's text must be."""

import hashlib
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "migrations"
CHECKSUMS = FOLDER / "checksums.txt"


@cache
def newest() -> str:
    """The id of the newest migration this version cannot run without."""
    return max(path.stem for path in files() if not closes(path.stem))


def closes(name: str) -> bool:
    """Whether a migration (`NNNN_post_what`) waits until the version before is gone: it closes the way back."""
    return name[4:].startswith("_post_")


def files() -> list[Path]:
    """The migrations of this version, in order."""
    return sorted(path for path in FOLDER.glob("*.sql") if not path.name.endswith(".rollback.sql"))


def checksums() -> dict[str, str]:
    """What each migration's text must be: yoyo itself hashes only names."""
    lines = CHECKSUMS.read_text().splitlines()
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines if line)}


def digest(path: Path) -> str:
    """The checksum of a migration's text."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def edited() -> list[str]:
    """Migrations whose text is not the one that was recorded."""
    known = checksums()
    return [path.name for path in files() if known.get(path.name) != digest(path)]
