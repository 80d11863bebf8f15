"""`python -m crm doctor`: one screen, each line ok or what to do; useful with Postgres or Redis away."""

import asyncio
import re
from collections.abc import Awaitable, Callable

import asyncpg
from redis.exceptions import RedisError

from crm.core import config
from crm.core.config import Settings
from crm.core.errors import Problem
from crm.doctor import beside, rows, weak
from crm.doctor.lines import Line, screen, verdict
from crm.doctor.patient import Patient, admit

__all__ = ["Line", "consult", "examine", "screen", "verdict"]

Check = Callable[[Patient], Awaitable[Line]]
# In the order of the screen: first what the others stand on.
CHECKS: dict[str, Check] = {
    "postgres": rows.postgres,
    "migrations": rows.migrations,
    "redis": beside.redis,
    "workers": rows.workers,
    "queues": rows.queues,
    "dead letters": rows.dead_letters,
    "raw": rows.raw,
    "pools": beside.pools,
    "numbers": rows.numbers,
    "disk": rows.disk,
    "backups": beside.backups,
    "certificate": beside.certificate,
    "clock": beside.clock,
    "secrets": weak.secrets,
}
_AWAY = {
    "postgres": "Is it up? docker compose ps postgres; docker compose logs postgres says why not.",
    "redis": "Is it up? docker compose ps redis. Until then all goes on, a second or two slower.",
}


async def consult(api_url: str = "") -> list[Line]:
    """Look at everything, with the settings of the environment; bad ones are all there is to see."""
    try:
        settings = config.load()
    except SystemExit as refused:
        said = re.sub(r"Invalid enum value '.*?'", "Invalid value", " ".join(str(refused).split()))
        fix = "docs/environment.md says what each variable is; nothing starts before it is put right."
        rest = Line("all else", None, "not looked at", "Put the settings right first.")
        return [Line("settings", False, said, fix), rest]
    return await examine(settings, api_url)


async def examine(settings: Settings, api_url: str = "") -> list[Line]:
    """Every line of the screen, looked at side by side; what hangs is given up after some seconds."""
    try:
        patient = await admit(settings, api_url)
    except ValueError:
        fix = "docs/environment.md says how DATABASE_URL, DATABASE_SYSTEM_URL and REDIS_URL are written."
        return [Line("settings", False, "an address cannot be read", fix)]
    try:
        return await asyncio.gather(*(_looked(name, check, patient) for name, check in CHECKS.items()))
    finally:
        await patient.close()


async def _looked(name: str, check: Check, patient: Patient) -> Line:
    """One line, whatever happens to it. An error is told by its name alone: its text may quote an address."""
    try:
        return await check(patient)
    except (Problem, asyncpg.PostgresError, asyncpg.InterfaceError, RedisError, OSError) as error:
        why = type(error).__name__
        if name in _AWAY:
            return Line(name, False, f"does not answer as it should ({why})", _AWAY[name])
        return Line(
            name, None, f"could not be looked at ({why})", "Put the line postgres or migrations right first."
        )
