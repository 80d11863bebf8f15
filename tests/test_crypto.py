"""Passwords, tokens, sealed secrets and webhook signatures."""

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest

from crm.core import crypto, migrate
from crm.core.crypto import BadToken, Box, ExpiredToken, SealBroken
from ops.dev.home import Home
from tests import scratch
from tests.scratch import Scratch

ROOT = Path(__file__).parents[1]
OLD, NEW = "old-key-" * 5, "new-key-" * 5
SECRET, OTHER = "s1" * 32, "s2" * 32
TENANT, USER, SESSION = uuid4(), uuid4(), uuid4()
COLUMN = "channels.access_token"


def matches(password: str, other: str) -> bool:
    """Whether the second opens what the first locked; the cheapest bcrypt, its cost is not what is tested."""
    return crypto.password_matches(other, crypto.password_hash(password, 4))


@pytest.mark.parametrize("password", ["senha", "😀🏨" * 9, "p\x00q", "x" * 1024, "ção", "\ud83d"])
def test_any_password_opens_its_own_lock(password: str) -> None:
    assert matches(password, password)
    assert not matches(password, password + " ")
    assert not matches(password, password[:-1])


def test_a_password_longer_than_72_bytes_counts_whole() -> None:
    """bcrypt alone reads 72 bytes; eighteen emojis are as many."""
    assert not matches("a" * 72 + "b", "a" * 72 + "c")
    assert not matches("😀" * 18 + "b", "😀" * 18 + "c")
    assert not matches("abc\x00def", "abc\x00xyz")


def test_a_hash_is_salted_and_costs_what_was_asked() -> None:
    first, second = crypto.password_hash("senha", 5), crypto.password_hash("senha", 5)
    assert first != second
    assert first.startswith("$2b$05$")


def test_temporary_passwords_differ_and_can_be_typed() -> None:
    made = {crypto.temporary_password() for _ in range(100)}
    assert len(made) == 100
    assert all(len(word) == 24 and set(word) <= set("0123456789abcdef-") for word in made)


def payload(**changes: Any) -> dict[str, Any]:
    """What a good access token says, with these changes; None takes a claim out."""
    now = int(time.time())
    told = {
        "iss": "crm", "aud": "crm-api", "sub": str(USER), "tid": str(TENANT), "role": "ATTENDANT",
        "sid": str(SESSION), "jti": "1", "typ": "access", "iat": now, "exp": now + 60, **changes,
    }  # fmt: skip
    return {name: value for name, value in told.items() if value is not None}


def signed(claims: dict[str, Any], key: str = SECRET, algorithm: str = "HS256") -> str:
    """A token made by hand."""
    return jwt.encode(claims, key, algorithm=algorithm)


def test_a_token_says_who_its_bearer_is() -> None:
    claims = crypto.claims(USER, TENANT, "ATTENDANT", SESSION, "access", crypto.new_jti())
    assert crypto.verified(crypto.token(claims, SECRET), SECRET, "access") == claims
    assert (claims.exp - claims.iat, claims.sub, claims.tid) == (900, USER, TENANT)
    assert crypto.verified(signed(payload()), SECRET, "access").sid == SESSION


def test_the_platforms_people_carry_no_tenant() -> None:
    claims = crypto.claims(USER, None, "SUPER_ADMIN", SESSION, "refresh", "1")
    assert crypto.verified(crypto.token(claims, SECRET), SECRET, "refresh").tid is None
    assert claims.exp - claims.iat == 7 * 24 * 3600


@pytest.mark.parametrize("claim", list(payload()))
def test_a_token_without_a_claim_is_refused(claim: str) -> None:
    with pytest.raises(BadToken):
        crypto.verified(signed(payload(**{claim: None})), SECRET, "access")


@pytest.mark.parametrize(
    "wrong",
    [
        {"aud": "other"}, {"aud": ["crm-api", 1]}, {"iss": "other"}, {"typ": "refresh"}, {"typ": "id"},
        {"role": "OWNER"}, {"role": "ATTENDANT "}, {"sub": "1"}, {"tid": "1"}, {"tid": ""}, {"sid": 7},
        {"exp": "tomorrow"}, {"exp": True}, {"iat": 2**40}, {"nbf": 2**40}, {"jti": 1},
    ],
    ids=str,
)  # fmt: skip
def test_a_token_that_says_something_else_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadToken):
        crypto.verified(raw_token(payload(**wrong)), SECRET, "access")


def raw_token(claims: dict[str, Any], header: dict[str, str] | None = None) -> str:
    """A token with a true HS256 signature over whatever it says."""
    parts = (json.dumps(header or {"alg": "HS256", "typ": "JWT"}), json.dumps(claims))
    text = ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)
    digest = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(text.encode(), SECRET.encode())
    return f"{text}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def test_a_token_past_its_time_is_told_apart() -> None:
    with pytest.raises(ExpiredToken):
        crypto.verified(signed(payload(exp=int(time.time()) - 1)), SECRET, "access")
    with pytest.raises(BadToken) as refused:
        crypto.verified(signed(payload(exp=1), OTHER), SECRET, "access")
    assert not isinstance(refused.value, ExpiredToken)


@pytest.mark.parametrize(
    "text",
    [
        jwt.encode(payload(), None, algorithm="none"),
        signed(payload(), algorithm="HS512"),
        signed(payload(), algorithm="HS384"),
        signed(payload(), OTHER),
        raw_token(payload(), {"alg": "none"}),
        raw_token(payload(), {"alg": "RS256"}),
        signed(payload())[:-2],
        signed(payload()).rpartition(".")[0] + ".",
        "", ".", "..", "a.b.c", "ção", "x" * 10_000,
    ],
    ids=lambda text: text[:24],
)  # fmt: skip
def test_a_token_that_is_not_ours_is_refused(text: str) -> None:
    with pytest.raises(BadToken):
        crypto.verified(text, SECRET, "access")


def test_a_refresh_token_is_no_access_token_nor_the_other_way() -> None:
    with pytest.raises(BadToken):
        crypto.verified(signed(payload(typ="refresh")), SECRET, "access")
    with pytest.raises(BadToken):
        crypto.verified(signed(payload()), SECRET, "refresh")


def test_a_sealed_secret_opens_where_it_was_sealed() -> None:
    sealed = Box([OLD]).seal("EAAJ-ção", TENANT, COLUMN)
    assert Box([OLD]).open(sealed, TENANT, COLUMN) == "EAAJ-ção"
    assert b"EAAJ" not in sealed
    assert Box([OLD]).seal("EAAJ-ção", TENANT, COLUMN) != sealed


@pytest.mark.parametrize("place", [(uuid4(), COLUMN), (TENANT, "channels.app_secret"), (UUID(int=0), COLUMN)])
def test_a_sealed_secret_does_not_open_for_another_tenant_or_column(place: tuple[UUID, str]) -> None:
    with pytest.raises(SealBroken):
        Box([OLD]).open(Box([OLD]).seal("secret", TENANT, COLUMN), *place)


def test_a_sealed_secret_that_was_altered_does_not_open() -> None:
    box, sealed = Box([OLD]), Box([OLD]).seal("secret", TENANT, COLUMN)
    for place in range(len(sealed)):
        altered = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with pytest.raises(SealBroken):
            box.open(altered, TENANT, COLUMN)
        with pytest.raises(SealBroken):
            box.open(sealed[:place], TENANT, COLUMN)


def test_old_keys_open_until_they_are_taken_out() -> None:
    sealed, both = Box([OLD]).seal("secret", TENANT, COLUMN), Box([NEW, OLD])
    assert both.open(sealed, TENANT, COLUMN) == "secret"
    assert (both.fresh(sealed), both.fresh(both.seal("secret", TENANT, COLUMN))) == (False, True)
    with pytest.raises(SealBroken):
        Box([NEW]).open(sealed, TENANT, COLUMN)


@pytest.fixture(scope="module")
def hotel(home: Home) -> Iterator[Scratch]:
    """A database with one hotel whose three channels were sealed with the old key, or hold nothing."""
    with scratch.database(home) as made:
        migrate.apply(made.url("owner"))
        made.run("INSERT INTO tenants (id, slug, name, email) VALUES (%s, 'h', 'H', 'h@h.example')", TENANT)
        add = (
            "INSERT INTO channels (tenant_id, name, phone_number_id, waba_id, verify_token, {}) VALUES (%s, 'W', {}"
        )
        for column in ("access_token", "app_secret"):
            sealed = Box([OLD]).seal(f"the {column}", TENANT, f"channels.{column}")
            made.run(add.format(column, f"'{column}', '1', '{column}', %s)"), TENANT, sealed)
        made.run(add.format("created_at", "'none', '1', 'none', now())"), TENANT)
        yield made


def rotate(hotel: Scratch, keys: str) -> subprocess.CompletedProcess[str]:
    """`python -m crm rotate-keys` as an operator runs it."""
    kept = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE")}
    urls = {"DATABASE_URL": hotel.url("app"), "DATABASE_SYSTEM_URL": hotel.url("system")}
    env = {**kept, **hotel.home.environ(), **urls, "ENCRYPTION_KEYS": keys}
    run = [sys.executable, "-m", "crm", "rotate-keys"]
    return subprocess.run(run, env=env, cwd=ROOT, capture_output=True, text=True, check=False)


def test_rotating_reseals_what_an_old_key_sealed_and_then_nothing(hotel: Scratch) -> None:
    assert rotate(hotel, f"{NEW},{OLD}").stdout.startswith("resealed 2 of 2 channels")
    for column in ("access_token", "app_secret"):
        [[sealed]] = hotel.run(f"SELECT {column} FROM channels WHERE {column} IS NOT NULL")
        assert Box([NEW]).open(sealed, TENANT, f"channels.{column}") == f"the {column}"
    assert rotate(hotel, f"{NEW},{OLD}").stdout.startswith("resealed 0 of 2 channels")


def test_rotating_without_the_old_key_changes_nothing_and_fails(hotel: Scratch) -> None:
    sealed = "SELECT access_token, app_secret FROM channels ORDER BY name, phone_number_id"
    before = hotel.run(sealed)
    done = rotate(hotel, "third-key" * 5)
    assert done.returncode != 0
    assert "ENCRYPTION_KEYS" in done.stderr
    assert "Traceback" not in done.stderr
    assert hotel.run(sealed) == before


def test_a_signature_is_of_the_raw_bytes() -> None:
    body = b'{"text":"\\u00e7\\u00e3o \\ud83d\\ude00"}'
    header = "sha256=" + crypto.hmac.new(b"app-secret", body, "sha256").hexdigest()
    assert crypto.signed(body, header, "app-secret")
    assert not crypto.signed(json.dumps(json.loads(body)).encode(), header, "app-secret")
    assert not crypto.signed(body + b"\n", header, "app-secret")


@pytest.mark.parametrize(
    "header", ["", "sha256=", "sha1=x", "x", "sha256=" + "0" * 64, "sha256=ção", "sha256=\u20ac"]
)
def test_another_signature_is_refused(header: str) -> None:
    assert not crypto.signed(b"{}", header, "app-secret")


def test_an_empty_secret_signs_nothing() -> None:
    header = "sha256=" + crypto.hmac.new(b"", b"{}", "sha256").hexdigest()
    assert not crypto.signed(b"{}", header, "")


def test_secrets_are_compared_whatever_they_are_made_of() -> None:
    assert crypto.same("ção", "ção")
    assert not crypto.same("ção", "cao")
    assert not crypto.same("", "x")
