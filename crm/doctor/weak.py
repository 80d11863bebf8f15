"""The line of secrets that could be guessed, or that serve twice: only the names of variables are told."""

from collections import Counter
from urllib.parse import urlsplit

from crm.core import config
from crm.core.config import Settings
from crm.doctor.lines import Line
from crm.doctor.patient import Patient

SHORT = 16  # characters; a random one of letters and digits then has 95 bits
_HERE = ("127.0.0.1", "localhost", "::1", None)
_URLS = ("database_url", "database_system_url", "database_replica_url")
_SECRETS = ("jwt_secret", "jwt_refresh_secret", "encryption_keys", "whatsapp_app_secret", "metrics_token")


async def secrets(patient: Patient) -> Line:
    """None is a placeholder, short, or used for two things."""
    found = weak(patient.settings)
    fix = "Make new ones (openssl rand -hex 32), put them into secrets/, restart; ops/README.md tells of each."
    return Line("secrets", not found, "; ".join(found) or "none is weak", fix)


def weak(settings: Settings) -> list[str]:
    """What is wrong with the secrets, by the names of their variables."""
    found = config.weak(settings)
    if settings.metrics_token and len(settings.metrics_token) < SHORT:
        found.append(f"METRICS_TOKEN: shorter than {SHORT} characters")
    for name in (*_URLS, "redis_url"):
        url = settings.redis if name == "redis_url" else getattr(settings, name)
        if url and _guessable(url):
            found.append(f"{name.upper()}: its password is missing or shorter than {SHORT} characters")
    values = Counter(value for name in _SECRETS if (value := getattr(settings, name)))
    twice = [name.upper() for name in _SECRETS if values[getattr(settings, name)] > 1]
    return found + ([f"{', '.join(twice)}: one secret for several things"] if twice else [])


def _guessable(url: str) -> bool:
    """A server of this very host may do without a password."""
    parts = urlsplit(url)
    here = parts.scheme == "unix" or ("," not in parts.netloc and parts.hostname in _HERE)
    return len(parts.password or "") < SHORT and not (here and not parts.password)
