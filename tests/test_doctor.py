"""The doctor: each line when all is well and when it is not, on real services; with Postgres or Redis away too."""

import asyncio
import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from crm import doctor
from crm.core.config import Settings
from crm.doctor import beside, rows, weak
from crm.doctor.lines import Line
from crm.doctor.patient import Patient, admit
from ops.dev.home import Home
from tests.certificates import certificate
from tests.scratch import Scratch
from tests.system import System

NOWHERE = {
    "database_url": "postgresql://x:{0}@127.0.0.1:1/x",
    "database_system_url": "postgresql://x:{0}@127.0.0.1:1/x",
}
ROOT = Path(__file__).parents[1]
CHANNEL = """INSERT INTO channels (tenant_id, name, phone_number_id, waba_id, verify_token)
             SELECT id, 'C', '1', '1', '1' FROM tenants WHERE slug = 'aurora'"""
HOTEL = "INSERT INTO tenants (slug, name, email) VALUES ('aurora', 'Aurora', 'a@a.example')"
LETTER = """INSERT INTO dead_letters (tenant_id, kind, about, item, error)
            SELECT id, 'event', 'x', '{}', 'x' FROM tenants WHERE slug = 'aurora'"""
NOTICE = """INSERT INTO channel_notices (tenant_id, channel_id, kind, severity)
            SELECT tenant_id, id, 'quality_low', 'WARNING' FROM channels"""
RAW = "INSERT INTO webhook_events (received_at, body) VALUES (now() - INTERVAL '40 days', '\\x00')"
FULL = "INSERT INTO disk_days (day, free_bytes, size_bytes) VALUES (current_date - 1, 9e18::bigint, 9e18::bigint)"


@pytest.fixture
def own(settings: Settings, migrated: Scratch) -> Settings:
    """Settings with a database of this test's own, migrated and empty."""
    return migrated.instead(settings)


@pytest.fixture
async def patient(own: Settings, system: System) -> AsyncIterator[Patient]:
    admitted = await admit(own, system.url)
    yield admitted
    await admitted.close()


def changed(patient: Patient, **settings: Any) -> Patient:
    return msgspec.structs.replace(patient, settings=msgspec.structs.replace(patient.settings, **settings))


def named(lines: list[Line]) -> dict[str, Line]:
    return {line.name: line for line in lines}


# What makes each line of the database bad, and what its detail then says.
ILL = {
    rows.workers: ([], "0 seen"),
    rows.queues: (
        ["INSERT INTO webhook_waiting VALUES ('', now() - INTERVAL '10 minutes', uuidv7(), 1)"],
        "1 webhooks and 0 sends wait, the oldest for 600 s",
    ),
    rows.dead_letters: (
        [HOTEL, LETTER],
        "1 wait (aurora)",
    ),
    rows.raw: ([RAW], "30 days are kept"),
    rows.numbers: (
        [HOTEL, CHANNEL, NOTICE],
        "quality_low (aurora)",
    ),
    rows.disk: ([FULL], "enough for 0 days"),
    rows.migrations: (["DELETE FROM _yoyo_migration WHERE migration_id > '0001'"], "this version needs"),
}
WELL = "INSERT INTO workers (id, host, pid, lanes) VALUES (uuidv7(), 'h', 1, 0)"


@pytest.mark.parametrize("check", ILL, ids=lambda check: check.__name__)
async def test_a_line_of_the_database_is_ok_and_then_is_not(
    check: Any, patient: Patient, migrated: Scratch
) -> None:
    migrated.run(WELL)
    before = await check(patient)
    assert before.ok is True, before
    if check is rows.workers:
        migrated.run("UPDATE workers SET seen_at = now() - INTERVAL '2 minutes'")
    for statement in ILL[check][0]:
        migrated.run(statement, role="superuser" if "yoyo" in statement else "owner")
    after = await check(patient)
    assert (after.ok, bool(after.fix)) == (False, True)
    assert ILL[check][1] in after.detail


async def test_postgres_is_ok_while_both_roles_get_in_and_there_is_room(patient: Patient, own: Settings) -> None:
    assert (await rows.postgres(patient)).ok is True
    wrong = re.sub(r":[^:@]+@", ":not-its-password@", own.database_url)
    line = named(await doctor.examine(msgspec.structs.replace(own, database_url=wrong)))["postgres"]
    assert (line.ok, "InvalidPassword" in line.detail) == (False, True)


@pytest.mark.parametrize(("policy", "ok"), [("noeviction", True), ("volatile-lru", True), ("allkeys-lru", False)])
async def test_redis_must_not_throw_away_what_waits(patient: Patient, policy: str, ok: bool) -> None:
    client = Redis.from_url(patient.settings.redis)
    try:
        await client.config_set("maxmemory-policy", policy)
        line = await beside.redis(patient)
    finally:
        await client.config_set("maxmemory-policy", "noeviction")
        await client.aclose()
    assert (line.ok, policy in line.detail) == (ok, True)


async def test_redis_that_is_nearly_full_is_told(patient: Patient) -> None:
    client = Redis.from_url(patient.settings.redis)
    try:
        await client.config_set("maxmemory", int((await client.info())["used_memory"]) + 10_000)
        line = await beside.redis(patient)
    finally:
        await client.config_set("maxmemory", 0)
        await client.aclose()
    assert (line.ok, "nearly full" in line.fix) == (False, True)


async def test_pools_are_judged_by_the_numbers_of_the_api(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    well = await beside.pools(patient)
    monkeypatch.setattr(beside, "SLOW_SHARE", -1.0)
    nobody = await beside.pools(msgspec.structs.replace(patient, api_url="http://127.0.0.1:1"))
    assert [well.ok, (await beside.pools(patient)).ok, nobody.ok] == [True, False, None]


async def test_the_clock_is_compared_with_postgres_and_with_meta(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = await beside.clock(patient)
    assert (both.ok, re.findall(r"from (\w+)", both.detail)) == (True, ["Postgres", "Meta"])
    offline = await beside.clock(changed(patient, whatsapp_graph_url="http://127.0.0.1:1"))
    assert (offline.ok, "Meta not reached" in offline.detail) == (True, True)
    monkeypatch.setattr(beside, "META_SECONDS", -1.0)
    assert (await beside.clock(patient)).ok is False
    monkeypatch.undo()
    now = beside.time.time
    monkeypatch.setattr(beside.time, "time", lambda: now() + 60)  # the fake Meta's too: it lives in this process
    late = await beside.clock(patient)
    gaps = [float(gap) for gap in re.findall(r"([\d.]+) s from", late.detail)]
    assert (late.ok, 30 < gaps[0] <= 60) == (False, True)  # less by as long as Postgres took to answer


@pytest.mark.parametrize(("days", "alone", "ok"), [(60, False, True), (13, False, False), (60, True, False)])
async def test_a_certificate_has_days_and_somebody_who_vouches(
    patient: Patient, tmp_path: Path, days: int, alone: bool, ok: bool
) -> None:
    path = certificate(tmp_path / "fullchain.pem", days, alone)
    line = await beside.certificate(changed(patient, certificate_file=str(path)))
    assert (line.ok, "self-signed" in line.detail) == (ok, alone)


async def test_a_certificate_that_is_not_named_or_not_there(patient: Patient, tmp_path: Path) -> None:
    lines = [await beside.certificate(changed(patient, certificate_file=f)) for f in ("", str(tmp_path / "none"))]
    assert [line.ok for line in lines] == [True, None]


@pytest.mark.parametrize(
    ("good", "error", "verified", "ok", "says"),
    [
        (2, None, 3, True, "2 hours old; restored for trial 3 days ago"),
        (30, None, 3, False, "30 hours old"),
        (2, "postgresql://u:p@h/d", 3, False, "the last try failed"),
        (2, None, None, False, "none was ever restored"),
        (2, None, 40, False, "40 days ago"),
        (None, None, None, False, "no backup yet"),
    ],
)  # fmt: skip
async def test_backups_are_judged_by_their_own_word(  # noqa: PLR0917
    patient: Patient, tmp_path: Path, good: int | None, error: str | None, verified: int | None, ok: bool, says: str
) -> None:
    now = datetime.now(UTC)
    state = {"lastGood": good and (now - timedelta(hours=good)).isoformat(), "lastError": error}
    state["lastVerified"] = verified and (now - timedelta(days=verified)).isoformat()
    if good:
        (tmp_path / "state.json").write_text(json.dumps(state))
    line = await beside.backups(changed(patient, backup_dir=str(tmp_path)))
    assert (line.ok, says in line.detail, "u:p" in str(line)) == (ok, True, False)


async def test_backups_that_nobody_watches_or_can_read(patient: Patient, tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("{")
    lines = [await beside.backups(changed(patient, backup_dir=folder)) for folder in ("", str(tmp_path))]
    assert [line.ok for line in lines] == [False, None]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({}, ""),
        ({"jwt_secret": "change-me" * 5}, "JWT_SECRET: looks like a placeholder"),
        ({"metrics_token": "kurz"}, "METRICS_TOKEN: shorter"),
        ({"database_url": "postgresql://crm_app:crm@db/crm"}, "DATABASE_URL: its password"),
        ({"redis_url": "redis://redis:6379/0"}, "REDIS_URL: its password"),
        ({"metrics_token": "{jwt}"}, "JWT_SECRET, METRICS_TOKEN: one secret"),
    ],
)
def test_weak_secrets_are_named_and_never_shown(settings: Settings, change: dict[str, str], says: str) -> None:
    filled = {name: value.format(jwt=settings.jwt_secret) for name, value in change.items()}
    found = weak.weak(msgspec.structs.replace(settings, **filled))
    assert [line for line in found if says not in line] == []
    assert bool(found) == bool(says)
    assert not [value for value in filled.values() if value in str(found)]


@pytest.mark.parametrize("away", ["postgres", "redis"])
async def test_with_a_server_away_the_rest_is_still_looked_at(own: Settings, system: System, away: str) -> None:
    password = secrets.token_hex(16)
    nowhere = {name: url.format(password) for name, url in NOWHERE.items()}
    gone = nowhere if away == "postgres" else {"redis_url": f"redis://:{password}@127.0.0.1:1/0"}
    lines = await doctor.examine(msgspec.structs.replace(own, **gone), system.url)
    found = named(lines)
    assert (found[away].ok, bool(found[away].fix)) == (False, True)
    assert found["redis" if away == "postgres" else "postgres"].ok is True
    assert (found["secrets"].ok, found["clock"].ok, found["pools"].ok) == (True, True, True)
    assert doctor.verdict(lines) == (2 if away == "postgres" else 1)
    assert password not in doctor.screen(lines)


def test_the_verdict_is_0_1_or_2() -> None:
    ok, bad, unseen = Line("a", True, "x"), Line("b", False, "y", "do z"), Line("c", None, "w")
    assert [doctor.verdict(lines) for lines in ([ok], [ok, bad], [ok, bad, unseen])] == [0, 1, 2]
    assert doctor.screen([ok, bad]).splitlines() == ["ok  a  x", "DO  b  y", "       -> do z"]


async def run(home: Home, url: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Beside the API of this very process, which must go on meanwhile."""
    whole = {**os.environ, **home.environ(), **env}
    command = [sys.executable, "-m", "crm", "doctor", "--api", url]
    return await asyncio.to_thread(
        subprocess.run, command, cwd=ROOT, env=whole, capture_output=True, text=True, check=False
    )


async def test_the_command_is_one_screen_without_a_secret(home: Home, system: System, tmp_path: Path) -> None:
    now = datetime.now(UTC).isoformat()
    (tmp_path / "state.json").write_text(json.dumps({"lastGood": now, "lastVerified": now}))
    done = await run(home, system.url, BACKUP_DIR=str(tmp_path), WHATSAPP_GRAPH_URL=system.graph_url)
    assert [line[4:16].strip() for line in done.stdout.splitlines() if line[:2] != "  "] == list(doctor.CHECKS)
    assert len(done.stdout.splitlines()) <= 24
    assert done.returncode == (1 if "\nDO" in f"\n{done.stdout}" else 0)
    hidden = [value for name, value in home.environ().items() if re.search("SECRET|KEYS|TOKEN", name)]
    hidden += [value for name, value in home.secrets.items() if name.endswith("Password")]
    assert [value for value in hidden if value in done.stdout + done.stderr] == []


async def test_settings_that_stop_the_start_are_told_without_their_values(home: Home) -> None:
    done = await run(home, "", APP_ENV="production", JWT_SECRET="change-me-please-0123456789-abcdef")
    assert done.returncode == 2
    assert "DO  settings" in done.stdout
    assert "JWT_SECRET: looks like a placeholder" in done.stdout
    assert "change-me" not in done.stdout + done.stderr
