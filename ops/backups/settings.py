"""What backups are told by the environment; `NAME_FILE` names a file that holds NAME."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from crm.core import config
from ops.backups.place import Failed


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """`database_url`: as crm_backup. `admin_url`: as a superuser, to verify and restore."""

    folder: Path
    media_url: str
    database_url: str = ""
    admin_url: str = ""
    app_url: str = ""
    recipient: str = ""
    mirror_url: str = ""
    ping_url: str = ""
    at: str = "03:00"

    @property
    def hour(self) -> tuple[int, int]:
        """The time of the nightly backup, UTC. Raises Failed."""
        hour, _, minute = self.at.partition(":")
        if not (hour.isdecimal() and minute.isdecimal() and int(hour) < 24 and int(minute) < 60):
            raise Failed(f"BACKUP_AT: a time such as 03:00 (UTC), not {self.at!r}")
        return int(hour), int(minute)


VARIABLES = {
    "folder": "BACKUP_DIR",
    "media_url": "MEDIA_URL",
    "database_url": "BACKUP_DATABASE_URL",
    "admin_url": "BACKUP_ADMIN_URL",
    "app_url": "DATABASE_URL",
    "recipient": "BACKUP_AGE_RECIPIENT",
    "mirror_url": "BACKUP_MIRROR_URL",
    "ping_url": "BACKUP_PING_URL",
    "at": "BACKUP_AT",
}
_ALWAYS = {"folder": "/backups", "media_url": "file:///var/lib/crm/media"}


def load(env: Mapping[str, str] | None = None) -> Settings:
    """Raises Failed."""
    given = {field: text for field, name in VARIABLES.items() if (text := config.read(name, env))}
    settings = msgspec.convert({**_ALWAYS, **given}, Settings, dec_hook=lambda kind, text: kind(text))
    if settings.ping_url and not settings.ping_url.startswith("https://"):
        raise Failed("BACKUP_PING_URL: must begin with https://")
    return settings


def need(settings: Settings, *fields: str) -> None:
    """Raises Failed naming every variable that is missing."""
    missing = [VARIABLES[field] for field in fields if not getattr(settings, field)]
    if missing:
        raise Failed(f"missing environment variables: {', '.join(missing)}")
