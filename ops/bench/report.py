"""What a scenario found, and the table of it."""

import os
import platform
import time
from statistics import median
from typing import Any

import asyncpg
import msgspec

from crm.core import crypto
from ops.bench.load import Tally
from ops.bench.meter import GROUPS
from ops.dev.home import Home

Memory = dict[str, tuple[float, float]]
_HEAD = (
    "| scenario | req/s | p50 ms | p99 ms | errors | CPU s/1000: API | worker | Postgres | Redis "
    "| RSS/PSS MB: API | worker | |"
)


class Finding(msgspec.Struct, kw_only=True):
    """One row. `cpu` is seconds by group per 1,000 requests; what does not apply is left None."""

    scenario: str
    version: str = ""
    rate: float | None = None
    p50: float | None = None
    p99: float | None = None
    errors: int = 0
    cpu: dict[str, float] = {}
    memory: Memory = {}
    note: str = ""
    faults: list[str] = []  # what must never be: the benchmark then ends with 1

    def row(self) -> str:
        """As a line of the table."""
        cells = [self.scenario + (f" [{self.version}]" if self.version else ""), _number(self.rate, 0)]
        cells += [_number(self.p50, 2), _number(self.p99, 2), str(self.errors)]
        cells += [_number(self.cpu.get(group), 3) for group in GROUPS]
        cells += [_pair(self.memory.get(name)) for name in ("api", "worker")]
        return "| " + " | ".join([*cells, "; ".join([self.note, *self.faults]).strip("; ")]) + " |"


def of(scenario: str, tally: Tally, cpu: dict[str, float], **more: Any) -> Finding:
    """The finding of a load: its rate, percentiles, errors, and what each request cost."""
    answered = max(1, len(tally.ms))
    return Finding(
        scenario=scenario,
        rate=tally.rate,
        p50=tally.p(50),
        p99=tally.p(99),
        errors=tally.errors,
        cpu={group: seconds / answered * 1000 for group, seconds in cpu.items()},
        **more,
    )


def table(findings: list[Finding]) -> str:
    """A Markdown table; several rounds of one scenario are one row of medians."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.scenario, finding.version), []).append(finding)
    rule = "|---|" + "---|" * (_HEAD.count("|") - 2)
    return "\n".join([_HEAD, rule, *(_middle(group).row() for group in groups.values())])


def _middle(group: list[Finding]) -> Finding:
    """The median of each figure; notes of the last round, faults of all."""
    last = group[-1]
    return msgspec.structs.replace(
        last,
        rate=_median([one.rate for one in group]),
        p50=_median([one.p50 for one in group]),
        p99=_median([one.p99 for one in group]),
        errors=sum(one.errors for one in group),
        cpu={name: median([one.cpu.get(name, 0.0) for one in group]) for name in last.cpu},
        faults=[fault for one in group for fault in one.faults],
    )


def _median(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def _pair(value: tuple[float, float] | None) -> str:
    return "–" if value is None else f"{value[0]:.0f} / {value[1]:.0f}"


async def machine(home: Home) -> str:
    """On what, and on how much data."""
    owner = await asyncpg.connect(home.database_url("owner"))
    version = await owner.fetchval("SHOW server_version")
    estimate = "SELECT reltuples::bigint FROM pg_class WHERE relname = $1"
    rows = [f"{await owner.fetchval(estimate, table):,} {table}" for table in ("conversations", "messages")]
    tenants = await owner.fetchval("SELECT count(*) FROM tenants WHERE plan = 'bench'")
    await owner.close()
    speed = min(_bcrypt_ms() for _ in range(3))
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, PostgreSQL {version}; "
        f"{tenants} tenants (the first has 15 %), {', '.join(rows)} (as last analysed); "
        f"one bcrypt 10 now takes {speed:.0f} ms of CPU (61–69 when the machine is quiet)"
    )


def _bcrypt_ms() -> float:
    """How slow this core is now: beside busy neighbours every CPU second here holds less work."""
    started = time.thread_time()
    crypto.password_hash("", 10)
    return (time.thread_time() - started) * 1000
