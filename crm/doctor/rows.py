"""Lines that Postgres knows: itself, migrations, what waits, workers, dead letters, numbers, how the disk fills."""

from datetime import UTC, date, datetime, timedelta
from itertools import groupby

import msgspec

from crm import channels, gauges
from crm.core import schema, sql, surroundings
from crm.core.db import PLATFORM
from crm.dead_letters import WaitingLettersRow
from crm.doctor.lines import Line
from crm.doctor.patient import Patient

_sql, _operations = sql.load("doctor"), sql.load("operations")

OLD_SECONDS = 120  # the sweep looks each second
SLOW_DAYS = 2  # the hourly tidying waits for nothing longer than that
LEAST_FREE, LEAST_DAYS = 0.1, 14


class PulseRow(msgspec.Struct, frozen=True):
    """How the database stands."""

    now: datetime
    workers: int
    oldest_raw: datetime | None
    connections: int
    room: int


class DiskDayRow(msgspec.Struct, frozen=True):
    """What was free at the least on a day."""

    day: date
    free_bytes: int


async def pulse(patient: Patient) -> PulseRow:
    """Raises Unavailable, PostgresError."""
    async with patient.db.system() as tx:
        return await tx.one(_sql.pulse, PulseRow)


async def postgres(patient: Patient) -> Line:
    """Both roles get in, and there is room for more connections."""
    row = await pulse(patient)
    async with patient.db.tenant(PLATFORM):
        taken = f"{row.connections} of {row.room} connections are taken"
    full = row.connections > 0.8 * row.room
    return Line("postgres", not full, taken, "Lower DATABASE_POOL, run fewer processes, or raise max_connections.")


async def migrations(patient: Patient) -> Line:
    """The schema is that of this version, or newer while another version is being deployed."""
    async with patient.db.system() as tx:
        applied = await tx.value(_operations.newest_migration) or ""
    behind = applied < schema.newest()
    detail = f"{applied or 'none'}; this version needs {schema.newest()}" if behind else str(applied)
    return Line("migrations", not behind, detail, "docker compose run --rm migrate")


async def queues(patient: Patient) -> Line:
    """What waits, and for how long."""
    async with patient.db.system() as tx:
        raw, sends = (await gauges.waiting(tx)).values()
    oldest = max([*(row.oldest for row in raw), *(row.oldest for row in sends)], default=0.0)
    waiting = f"{sum(row.rows for row in raw)} webhooks and {sum(row.rows for row in sends)} sends wait"
    fix = "docker compose restart worker loses nothing; sends alone: the line numbers says whose number rests."
    return Line("queues", oldest <= OLD_SECONDS, f"{waiting}, the oldest for {oldest:.0f} s", fix)


async def workers(patient: Patient) -> Line:
    """Somebody works."""
    row = await pulse(patient)
    fix = "docker compose up -d worker; docker compose logs worker says why it ended."
    return Line("workers", row.workers > 0, f"{row.workers} seen within a minute", fix)


async def raw(patient: Patient) -> Line:
    """Raw webhooks are dropped when their time is over."""
    oldest = (await pulse(patient)).oldest_raw
    days = patient.settings.webhook_events_days
    late = oldest is not None and datetime.now(UTC) - oldest > timedelta(days=days + SLOW_DAYS)
    since = f"the oldest is of {oldest:%Y-%m-%d}" if oldest else "no raw webhook yet"
    detail = f"{since}; {days} days are kept"
    fix = "The worker tidies hourly: is one up? A day of which something waits is kept: see the line queues."
    return Line("raw", not late, detail, fix)


async def dead_letters(patient: Patient) -> Line:
    """What could not be worked and nobody has looked into."""
    async with patient.db.system() as tx:
        rows = await tx.many(sql.load("dead_letters").waiting_by_tenant, WaitingLettersRow)
    whose = f" ({_some([row.slug for row in rows])})" if rows else ""
    fix = "GET /api/admin/dead-letters says what and why; mend the cause, then retry or discard."
    return Line("dead letters", not rows, f"{sum(row.rows for row in rows)} wait{whose}", fix)


async def numbers(patient: Patient) -> Line:
    """Open notices on numbers: quality, tokens, restrictions, silence."""
    async with patient.db.system() as tx:
        rows = sorted(await channels.noticed(tx), key=lambda row: row.kind)
    kinds = [
        f"{kind} ({_some([row.slug for row in of_kind])})" for kind, of_kind in groupby(rows, lambda row: row.kind)
    ]
    fix = "GET /api/channels as the hotel's admin says of each what helps (whatToDo)."
    return Line("numbers", not rows, "; ".join(kinds) or "no notice is open", fix)


async def disk(patient: Patient) -> Line:
    """What is free, and for how many days at the pace of the last two weeks."""
    found = surroundings.disk(patient.settings)
    async with patient.db.system() as tx:
        days = await tx.many(_sql.disk_days, DiskDayRow)
    left = days_left(days, found.free)
    pace = "how fast it fills shows after a day" if left is None else f"enough for {min(left, 999)} days"
    well = found.free > LEAST_FREE * found.size and (left is None or left >= LEAST_DAYS)
    detail = f"{found.free / 1e9:.1f} of {found.size / 1e9:.1f} GB are free, {pace}"
    return Line("disk", well, detail, "docker system prune -f; then a bigger disk, or media to S3 (MEDIA_URL).")


def days_left(days: list[DiskDayRow], free: int) -> int | None:
    """At the pace since the first of these days; None while there is only today, 999 when nothing grows."""
    past = (datetime.now(UTC).date() - days[0].day).days if days else 0
    if past < 1:
        return None
    a_day = (days[0].free_bytes - free) / past
    return int(free / a_day) if a_day > 0 else 999


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
