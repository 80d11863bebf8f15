"""The settings: what is missing, weak or unreadable stops the start and is named."""

import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crm.core import config, sentinel
from crm.core.config import Settings

ROOT = Path(__file__).parents[1]
GOOD = {
    "APP_ENV": "production",
    "DATABASE_URL": "postgresql://crm_app@db/crm",
    "DATABASE_SYSTEM_URL": "postgresql://crm_system@db/crm",
    "JWT_SECRET": secrets.token_urlsafe(36),
    "JWT_REFRESH_SECRET": secrets.token_urlsafe(36),
    "ENCRYPTION_KEYS": secrets.token_urlsafe(36),
    "WHATSAPP_APP_SECRET": secrets.token_hex(16),
    "WHATSAPP_WEBHOOK_VERIFY_TOKEN": secrets.token_urlsafe(16),
}
REQUIRED = ["DATABASE_URL", "DATABASE_SYSTEM_URL", "JWT_SECRET", "JWT_REFRESH_SECRET", "ENCRYPTION_KEYS"]
OF_PRODUCTION = ["WHATSAPP_APP_SECRET", "WHATSAPP_WEBHOOK_VERIFY_TOKEN"]
SECRETS = ["JWT_SECRET", "JWT_REFRESH_SECRET", "ENCRYPTION_KEYS", *OF_PRODUCTION]


def load(**changes: str | None) -> Settings:
    """The good settings with these changes; None takes one out."""
    changed = {**GOOD, **changes}
    return config.load({name: value for name, value in changed.items() if value is not None})


def complaint(**changes: str | None) -> str:
    """Why the start is refused."""
    with pytest.raises(SystemExit) as stopped:
        load(**changes)
    return str(stopped.value)


def test_good_settings_start() -> None:
    assert load().app_env == "production"
    assert load().whatsapp_api_version == "v25.0"


def test_the_default_is_production() -> None:
    assert load(APP_ENV=None).app_env == "production"


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_variable_is_named(name: str, value: str | None) -> None:
    assert complaint(**{name: value}) == f"missing environment variables: {name}"


def test_all_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(SystemExit, match=", ".join(REQUIRED)):
        config.load({})


@pytest.mark.parametrize("name", OF_PRODUCTION)
def test_production_needs_what_signs_the_webhook(name: str) -> None:
    assert f"{name}: must be set in production" in complaint(**{name: None})
    assert load(**{name: None, "APP_ENV": "development"}).app_env == "development"


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize(
    "weak",
    [
        "change-me-change-me-change-me-change-me", "my-very-long-SECRET-of-many-characters",
        "your_secret_here_your_secret_here_now", "example-example-example-example-example",
        "placeholder-placeholder-placeholder-1", "a" * 40, "1234567" * 6,
    ],
)  # fmt: skip
def test_production_refuses_placeholders(name: str, weak: str) -> None:
    assert f"{name}: looks like a placeholder" in complaint(**{name: weak})


@pytest.mark.parametrize("name", ["JWT_SECRET", "JWT_REFRESH_SECRET", "ENCRYPTION_KEYS"])
@pytest.mark.parametrize("env", ["production", "development"])
def test_a_short_secret_is_refused_everywhere(name: str, env: str) -> None:
    assert f"{name}: needs" in complaint(**{name: "kA7-" * 7, "APP_ENV": env})


def test_every_key_of_the_list_must_be_long() -> None:
    assert "ENCRYPTION_KEYS: needs" in complaint(ENCRYPTION_KEYS=f"{GOOD['ENCRYPTION_KEYS']},short")
    assert "ENCRYPTION_KEYS: needs" in complaint(ENCRYPTION_KEYS=" , ,")


def test_both_kinds_of_token_need_secrets_of_their_own() -> None:
    assert "JWT_REFRESH_SECRET: must differ" in complaint(JWT_REFRESH_SECRET=GOOD["JWT_SECRET"])


def test_every_problem_is_told_at_once() -> None:
    told = complaint(JWT_SECRET="x", BCRYPT_ROUNDS="4", WHATSAPP_APP_SECRET="")
    assert all(name in told for name in ("JWT_SECRET", "BCRYPT_ROUNDS", "WHATSAPP_APP_SECRET"))


@pytest.mark.parametrize("name", SECRETS)
def test_a_complaint_never_shows_a_secret(name: str) -> None:
    value = "change-me-kA7Lq"
    assert value not in complaint(**{name: value})


@pytest.mark.parametrize("rounds", ["4", "9", "17"])
def test_bcrypt_is_neither_weak_nor_endless(rounds: str) -> None:
    assert "BCRYPT_ROUNDS" in complaint(BCRYPT_ROUNDS=rounds)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("REDIS_PORT", "6379.5"),
        ("APP_ENV", "prod"),
        ("LOG_LEVEL", "loud"),
        ("DATABASE_POOL", "x"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named(name: str, value: str) -> None:
    assert name in complaint(**{name: value})


@pytest.mark.parametrize("name", [*REQUIRED, *OF_PRODUCTION])
def test_a_value_can_come_from_a_file(name: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{GOOD[name]}\n")
    found = load(**{name: None, f"{name}_FILE": str(file)})
    assert getattr(found, name.lower()) == GOOD[name]


def test_an_empty_variable_does_not_hide_its_file(tmp_path: Path) -> None:
    """Compose passes a variable that is not set as an empty one."""
    file = tmp_path / "secret"
    file.write_text(GOOD["JWT_SECRET"])
    assert load(JWT_SECRET="", JWT_SECRET_FILE=str(file)).jwt_secret == GOOD["JWT_SECRET"]


def test_a_variable_wins_over_its_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("other")
    assert load(JWT_SECRET_FILE=str(file)).jwt_secret == GOOD["JWT_SECRET"]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    told = complaint(JWT_SECRET=None, JWT_SECRET_FILE=str(tmp_path / "nowhere"))
    assert "JWT_SECRET_FILE" in told
    assert "No such file" in told


def test_an_empty_file_is_a_missing_value(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("\n")
    told = complaint(JWT_SECRET=None, JWT_SECRET_FILE=str(tmp_path / "secret"))
    assert told == "missing environment variables: JWT_SECRET"


def test_a_file_for_a_variable_that_is_not_ours_is_left_alone() -> None:
    assert load(SSL_CERT_FILE="/nowhere/at/all").port == 3001


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({}, "redis://127.0.0.1:6379/0"),
        ({"REDIS_HOST": "cache", "REDIS_PORT": "7000"}, "redis://cache:7000/0"),
        ({"REDIS_HOST": "cache", "REDIS_PASSWORD": "kA7"}, "redis://:kA7@cache:6379/0"),
        ({"REDIS_HOST": "cache", "REDIS_PASSWORD": "a@b/c:d#e"}, "redis://:a%40b%2Fc%3Ad%23e@cache:6379/0"),
        ({"REDIS_HOST": "cache", "REDIS_URL": "redis://r:1/2"}, "redis://r:1/2"),
    ],
)
def test_the_address_of_redis_is_whole_or_in_parts(given: dict[str, str], url: str) -> None:
    assert load(**given).redis == url


def test_lists_are_split_and_trimmed() -> None:
    old, new = secrets.token_urlsafe(36), secrets.token_urlsafe(36)
    found = load(FRONTEND_URL=" https://a.example/ , https://b.example,", ENCRYPTION_KEYS=f"{new} , {old},")
    assert found.origins == ["https://a.example", "https://b.example"]
    assert found.keys == [new, old]


def test_a_setting_cannot_be_changed_once_read() -> None:
    settings: Any = load()
    with pytest.raises(AttributeError):
        settings.jwt_secret = "other"
    assert {field.encode_name for field in msgspec.structs.fields(Settings)} >= set(GOOD)


@pytest.mark.parametrize("command", ["api", "worker", "rotate-keys"])
def test_no_command_starts_without_its_settings(command: str) -> None:
    """It says so in one line and ends with an error, before it connects to anything."""
    run = [sys.executable, "-m", "crm", command]
    done = subprocess.run(run, env={}, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"missing environment variables: {', '.join(REQUIRED)}\n"


@pytest.mark.parametrize(
    "url",
    [
        "host:6379",
        "redis+sentinel://host/crm",
        "redis+sentinel://host:26379",
        "redis+sentinel://:p@a:1,b/crm/0",
        "redis+sentinel://:p@a:1/crm/zero",
    ],
)
def test_an_address_of_redis_that_cannot_be_read_is_named(url: str) -> None:
    assert "REDIS_URL" in complaint(REDIS_URL=url)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "db/crm"), ("DATABASE_SYSTEM_URL", "mysql://crm@db/crm"), ("MEDIA_URL", "ftp://media"),
        ("FRONTEND_URL", "*"), ("FRONTEND_URL", "https://app.example, app.example"),
        ("FRONTEND_URL", "https://app.example/inbox"), ("BASE_DOMAINS", "https://crm.example"),
        ("TRUSTED_PROXIES", "10.0.0.0/8, nginx"), ("PORT", "70000"), ("WHATSAPP_API_VERSION", "25"),
        ("WHATSAPP_GRAPH_URL", "graph.facebook.com"), ("SENTRY_DSN", "key"),
    ],
)  # fmt: skip
def test_what_nothing_could_work_with_is_named_at_the_start(name: str, value: str) -> None:
    assert f"  {name}: " in complaint(**{name: value})


def test_an_address_with_sentinels_is_read_whole() -> None:
    url = load(REDIS_URL="redis+sentinel://:p%40ss@one:26379,10.0.0.2:26380/crm/2").redis
    read = sentinel.read(url)
    assert (read.sentinels, read.name) == ([("one", 26379), ("10.0.0.2", 26380)], "crm")
    assert (read.db, read.password) == (2, "p@ss")


@pytest.mark.parametrize("seconds", ["0", "301"])
def test_a_replica_may_not_lag_for_ever(seconds: str) -> None:
    assert "DATABASE_REPLICA_LAG" in complaint(DATABASE_REPLICA_LAG=seconds)
