"""The settings: every environment variable with its type, read once; a bad one stops the start by name."""

import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import msgspec

GRAPH_URL = "https://graph.facebook.com"
_REDIS = re.compile(
    r"(rediss?|unix)://\S+|redis\+sentinel://(:[^@/\s]*@)?[^@/,\s]+:\d+(,[^@/,\s]+:\d+)*/[^/\s]+(/\d+)?"
)
_POSTGRES = r"postgres(ql)?://\S+", "postgresql://user:password@host:5432/database"
_FORMS = {  # how a variable, or each part of a list, is written, and an example
    "database_url": _POSTGRES,
    "database_system_url": _POSTGRES,
    "database_owner_url": _POSTGRES,
    "database_replica_url": _POSTGRES,
    "media_url": (r"(file:///|s3://).*", "file:///a/folder or s3://bucket/prefix"),
    "frontend_url": (r"https?://[^/*\s]+/?", "https://app.example, without a path or an asterisk"),
    "base_domains": (r"[A-Za-z0-9.-]+", "crm.example, without https://"),
    "whatsapp_graph_url": (r"https?://\S+", "https://graph.facebook.com"),
    "whatsapp_api_version": (r"v\d+\.\d+", "v25.0"),
    "sentry_dsn": (r"https?://[^@/\s]+@[^/\s]+/(\S+/)?\d+", "https://key@host/1"),
}
_LISTS = {"frontend_url", "base_domains"}
_WEAK = ("change", "secret", "password", "example", "placeholder", "your_", "your-")


class Settings(msgspec.Struct, frozen=True, kw_only=True, rename=str.upper):
    """What the process runs with; the names are the variables of the contract, section 10."""

    database_url: str
    database_system_url: str
    database_owner_url: str = ""
    redis_url: str = ""
    redis_host: str = "127.0.0.1"
    redis_port: int = 6379
    redis_password: str = ""
    jwt_secret: str
    jwt_refresh_secret: str
    encryption_keys: str
    frontend_url: str = ""
    base_domains: str = ""
    whatsapp_api_version: str = "v25.0"
    whatsapp_graph_url: str = GRAPH_URL
    whatsapp_app_secret: str = ""
    whatsapp_webhook_verify_token: str = ""
    media_url: str = "file:///var/lib/crm/media"
    metrics_token: str = ""
    trusted_proxies: str = ""
    app_env: Literal["development", "production"] = "production"
    host: str = "127.0.0.1"
    port: int = 3001
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    worker_metrics_port: int = 0
    bcrypt_rounds: int = 10
    database_pool: int = 10
    database_replica_url: str = ""
    database_replica_lag: int = 5
    pgbouncer: bool = False
    webhook_events_days: int = 30
    sentry_dsn: str = ""
    certificate_file: str = ""
    backup_dir: str = ""

    @property
    def redis(self) -> str:
        """REDIS_URL, or one made of REDIS_HOST, REDIS_PORT and REDIS_PASSWORD."""
        login = f":{quote(self.redis_password, safe='')}@" if self.redis_password else ""
        return self.redis_url or f"redis://{login}{self.redis_host}:{self.redis_port}/0"

    @property
    def origins(self) -> list[str]:
        """FRONTEND_URL as a list, without trailing slashes."""
        return [origin.rstrip("/") for origin in split(self.frontend_url)]

    @property
    def keys(self) -> list[str]:
        """ENCRYPTION_KEYS, newest first."""
        return split(self.encryption_keys)


def split(text: str) -> list[str]:
    """The non-empty parts of a comma separated value."""
    return [part.strip() for part in text.split(",") if part.strip()]


def load(env: Mapping[str, str] | None = None) -> Settings:
    """Read the environment; `NAME_FILE` names a file that holds NAME. Raises SystemExit naming what is wrong."""
    values = _with_files(os.environ if env is None else env)
    known = {field.encode_name: field for field in msgspec.structs.fields(Settings)}
    missing = [name for name, field in known.items() if field.required and not values.get(name)]
    if missing:
        raise SystemExit(f"missing environment variables: {', '.join(missing)}")
    given = {name: value for name, value in values.items() if name in known and value}
    try:
        settings = msgspec.convert(given, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SystemExit(f"bad environment variable: {error}") from error
    problems = _problems(settings)
    if problems:
        raise SystemExit("refusing to start:\n" + "\n".join(f"  {problem}" for problem in problems))
    return settings


def read(name: str, env: Mapping[str, str] | None = None) -> str:
    """A variable, or what the file holds that `NAME_FILE` names, or nothing. Raises SystemExit."""
    env = os.environ if env is None else env
    path = env.get(f"{name}_FILE")
    if env.get(name) or not path:
        return env.get(name, "")
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise SystemExit(f"{name}_FILE: cannot read the file it names ({error.strerror})") from error


def _with_files(env: Mapping[str, str]) -> dict[str, str]:
    return {**env, **{name.upper(): read(name.upper(), env) for name in Settings.__struct_fields__}}


def _problems(settings: Settings) -> list[str]:
    problems = [
        f"{name}: needs at least 32 characters"
        for name, value in (
            ("JWT_SECRET", settings.jwt_secret),
            ("JWT_REFRESH_SECRET", settings.jwt_refresh_secret),
        )
        if len(value) < 32
    ]
    if settings.jwt_secret == settings.jwt_refresh_secret:
        problems.append("JWT_REFRESH_SECRET: must differ from JWT_SECRET")
    if not settings.keys or any(len(key) < 32 for key in settings.keys):
        problems.append("ENCRYPTION_KEYS: needs one or more keys of at least 32 characters each")
    if not 10 <= settings.bcrypt_rounds <= 16:
        problems.append("BCRYPT_ROUNDS: between 10 and 16")
    if not 2 <= settings.webhook_events_days <= 3650:
        problems.append("WEBHOOK_EVENTS_DAYS: between 2 and 3650")
    problems += _misplaced(settings)
    if settings.app_env == "production":
        problems += weak(settings)
    return problems


def _misplaced(settings: Settings) -> list[str]:
    """What is said of places that cannot be."""
    problems = []
    for name, (form, example) in _FORMS.items():
        value = getattr(settings, name)
        parts = split(value) if name in _LISTS else [value] if value else []
        if not all(re.fullmatch(form, part) for part in parts):
            problems.append(f"{name.upper()}: {example}")
    if not all(_is_network(part) for part in split(settings.trusted_proxies)):
        problems.append("TRUSTED_PROXIES: 10.0.0.0/8, networks or addresses")
    if not 0 <= settings.port <= 65535:
        problems.append("PORT: at most 65535")
    if not 1 <= settings.database_replica_lag <= 300:
        problems.append("DATABASE_REPLICA_LAG: between 1 and 300 seconds")
    if not _REDIS.fullmatch(settings.redis):
        problems.append(
            "REDIS_URL: redis://:password@host:6379/0 or redis+sentinel://:password@h1:26379,h2:26379/name/0"
        )
    return problems


def _is_network(text: str) -> bool:
    try:
        return bool(ipaddress.ip_network(text, strict=False))
    except ValueError:
        return False


def weak(settings: Settings) -> list[str]:
    """What only production refuses: placeholders, and a webhook that nobody could sign."""
    problems = []
    signing = ("whatsapp_app_secret", "whatsapp_webhook_verify_token")
    for name in ("jwt_secret", "jwt_refresh_secret", "encryption_keys", *signing):
        value = getattr(settings, name)
        if not value:
            problems.append(f"{name.upper()}: must be set in production")
        elif any(word in value.lower() for word in _WEAK) or len(set(value)) < 8:
            problems.append(f"{name.upper()}: looks like a placeholder; use a random value")
    return problems
