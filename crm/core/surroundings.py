"""What lies around the processes and is nobody's row: the disk, the certificate, the backups' own word."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec
from cryptography import x509

from crm.core.config import Settings

STATE = "state.json"  # in BACKUP_DIR: what the backups say of themselves
BACKUP_HOURS = 26  # a good backup may be so old: one a night, and two hours to make it


class Disk(msgspec.Struct, frozen=True):
    """A file system, in bytes."""

    free: int
    size: int


class Certificate(msgspec.Struct, frozen=True):
    """Until when it is valid, and whether nobody but itself vouches for it."""

    ends: datetime
    own: bool


class Backup(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What BACKUP_DIR/state.json says; a time is None until it has happened once."""

    last_good: datetime | None = None
    last_tried: datetime | None = None
    last_error: str | None = None
    last_verified: datetime | None = None


def disk(settings: Settings) -> Disk:
    """The disk under the media folder; where media lie in a bucket, that of this host or container."""
    url = urlsplit(settings.media_url)
    folder = Path(unquote(url.path)) if url.scheme == "file" else Path("/")
    while not folder.exists():  # it is made with the first file
        folder = folder.parent
    found = shutil.disk_usage(folder)
    return Disk(found.free, found.total)


def certificate(settings: Settings) -> Certificate | None:
    """The first certificate of CERTIFICATE_FILE; None when none is named. Raises OSError, ValueError."""
    if not settings.certificate_file:
        return None
    found = x509.load_pem_x509_certificate(Path(settings.certificate_file).read_bytes())
    return Certificate(found.not_valid_after_utc, found.issuer == found.subject)


def backup(settings: Settings) -> Backup | None:
    """What the backups say: no times before the first, None without BACKUP_DIR. Raises OSError, ValueError."""
    if not settings.backup_dir:
        return None
    try:
        text = (Path(settings.backup_dir) / STATE).read_bytes()
    except FileNotFoundError:
        return Backup()
    said = msgspec.json.decode(text, type=Backup)
    return msgspec.structs.replace(
        said, **{name: _aware(getattr(said, name)) for name in ("last_good", "last_tried", "last_verified")}
    )


def _aware(at: datetime | None) -> datetime | None:
    return at.replace(tzinfo=UTC) if at and at.tzinfo is None else at
