"""Lines that Postgres does not know: Redis, the API, the clock, the certificate, the backups."""

import re
import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx
from asyncpg import PostgresError

from crm.core import surroundings
from crm.core.errors import Problem
from crm.doctor import rows
from crm.doctor.lines import Line
from crm.doctor.patient import Patient

POLICIES = ("volatile-lru", "noeviction")
SLOW_SHARE = 0.01  # of the waits for a connection, longer than a second
CLOCK_SECONDS, META_SECONDS = 2.0, 5.0  # Meta tells whole seconds
CERTIFICATE_DAYS, VERIFIED_DAYS = 14, 35


async def redis(patient: Patient) -> Line:
    """It answers, evicts no wake-up, and is not full."""
    info = await patient.redis.info()
    policy, used, most = str(info["maxmemory_policy"]), int(info["used_memory"]), int(info["maxmemory"])
    room = f"{used / 1e6:.0f} of {most / 1e6:.0f} MB" if most else f"{used / 1e6:.0f} MB, without a limit"
    if policy not in POLICIES:
        fix = "Set maxmemory-policy volatile-lru in ops/redis/redis.conf, then docker compose restart redis."
        return Line("redis", False, f"maxmemory-policy is {policy}: it throws away what waits", fix)
    full = bool(most) and used > 0.9 * most
    return Line(
        "redis", not full, f"{policy}, {room}", "Raise maxmemory in ops/redis/redis.conf; it is nearly full."
    )


async def pools(patient: Patient) -> Line:
    """How often requests of the API wait long for a connection, by its own numbers since its start."""
    token = patient.settings.metrics_token
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        answer = await patient.http.get(f"{patient.api_url}/metrics", headers=headers)
    except httpx.HTTPError:
        fix = "Run this beside it (docker compose exec backend …) or give --api; docker compose ps: is it up?"
        return Line("pools", None, f"no API answers at {patient.api_url}", fix)
    count = re.search(r"^crm_db_pool_wait_seconds_count (\S+)$", answer.text, re.MULTILINE)
    quick = re.search(r'^crm_db_pool_wait_seconds_bucket\{le="1.0"\} (\S+)$', answer.text, re.MULTILINE)
    if not count or not quick:
        return Line(
            "pools", None, f"the API answers {answer.status_code}, no numbers", "Set METRICS_TOKEN as it has it."
        )
    waits, slow = int(float(count[1])), int(float(count[1]) - float(quick[1]))
    fix = "Raise DATABASE_POOL if the line postgres has room, else look for slow queries."
    return Line("pools", slow <= SLOW_SHARE * waits, f"{slow} of {waits} waits took over a second", fix)


async def clock(patient: Patient) -> Line:
    """This host's clock against Postgres and against Meta, whichever answers."""
    told = {"Postgres": await _against_postgres(patient), "Meta": await _against_meta(patient)}
    known = {name: gap for name, gap in told.items() if gap is not None}
    if not known:
        return Line("clock", None, "neither Postgres nor Meta answers", "Put right the line postgres first.")
    allowed = {"Postgres": CLOCK_SECONDS, "Meta": META_SECONDS}
    wrong = [name for name, gap in known.items() if abs(gap) > allowed[name]]
    detail = ", ".join(f"{abs(gap):.1f} s from {name}" for name, gap in known.items())
    missing = "".join(f", {name} not reached" for name in told if name not in known)
    return Line("clock", not wrong, detail + missing, "timedatectl set-ntp true on the host, then look again.")


async def _against_postgres(patient: Patient) -> float | None:
    began = time.time()
    try:
        row = await rows.pulse(patient)
    except (Problem, PostgresError, OSError):
        return None
    return row.now.timestamp() - min(max(row.now.timestamp(), began), time.time())


async def _against_meta(patient: Patient) -> float | None:
    try:
        answer = await patient.http.head(patient.settings.whatsapp_graph_url)
        return parsedate_to_datetime(answer.headers["date"]).timestamp() - time.time()
    except (httpx.HTTPError, KeyError, ValueError):
        return None


async def certificate(patient: Patient) -> Line:
    """How long the certificate of nginx is valid, and that somebody vouches for it."""
    if not patient.settings.certificate_file:
        return Line("certificate", True, "not watched: CERTIFICATE_FILE is not set")
    fix = "docker compose logs certbot says why it was not renewed; DNS and port 80 must lead here."
    try:
        found = surroundings.certificate(patient.settings)
    except (OSError, ValueError):
        return Line("certificate", None, "CERTIFICATE_FILE cannot be read as a certificate", fix)
    assert found is not None
    days = (found.ends - datetime.now(UTC)).total_seconds() / 86400
    if found.own:
        return Line("certificate", False, "self-signed: Meta and browsers refuse it", fix)
    return Line("certificate", days > CERTIFICATE_DAYS, f"ends in {days:.0f} days", fix)


async def backups(patient: Patient) -> Line:
    """The last good backup, whether the last try failed, and the last trial of a restore."""
    fix = "docker compose logs backup says why; ops/backup now makes one at once."
    try:
        said = surroundings.backup(patient.settings)
    except (OSError, ValueError):
        return Line("backups", None, "state.json in BACKUP_DIR cannot be read", fix)
    if said is None:
        return Line("backups", False, "not watched: BACKUP_DIR is not set", "Set BACKUP_DIR; make backups.")
    if said.last_good is None:
        return Line("backups", False, "no backup yet", fix)
    age = datetime.now(UTC) - said.last_good
    detail = f"the last good one is {age / timedelta(hours=1):.0f} hours old"
    if said.last_error is not None or age > timedelta(hours=surroundings.BACKUP_HOURS):
        return Line("backups", False, detail + (", the last try failed" if said.last_error else ""), fix)
    trial = "ops/backup verify --key FILE restores the newest for trial, with the private key."
    if said.last_verified is None:
        return Line("backups", False, f"{detail}; none was ever restored for trial", trial)
    tried = (datetime.now(UTC) - said.last_verified).days
    return Line("backups", tried <= VERIFIED_DAYS, f"{detail}; restored for trial {tried} days ago", trial)
