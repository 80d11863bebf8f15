"""Numbers that are looked up when Prometheus asks: what waits in Postgres, and what lies around the process."""

from collections.abc import Iterable, Sequence

from prometheus_client import Gauge

from crm import channels
from crm.channels import RestingTenantRow
from crm.core import metrics, sql, surroundings
from crm.core.rails import Rails
from crm.core.tx import Tx
from crm.dead_letters import WaitingLettersRow
from crm.jobs import WaitingRow
from crm.messages import WaitingSendsRow

TENANTS = 20  # of each number, those where it is highest: 10,000 hotels would be as many series

Waiting = dict[str, Sequence[WaitingRow | WaitingSendsRow]]


async def rows(rails: Rails) -> None:
    """What only Postgres knows. Raises Unavailable."""
    async with rails.db.system() as tx:
        found = await waiting(tx)
        buried = await tx.many(sql.load("dead_letters").waiting_by_tenant, WaitingLettersRow)
        resting = await tx.many(sql.load("channels").resting, RestingTenantRow)
        noticed = await channels.noticed(tx)
    _tell_waiting(found)
    metrics.letters_all.set(sum(row.rows for row in buried))
    metrics.paused_all.set(sum(row.channels for row in resting))
    _highest(metrics.letters, [(row.slug, row.rows) for row in buried])
    _highest(metrics.paused, [(row.slug, row.channels) for row in resting])
    _highest(metrics.silent, [(row.slug, row.channels) for row in noticed if row.kind == "silent"])
    metrics.notices.clear()
    for row in noticed:
        metrics.notices.labels(row.kind).inc(row.channels)


async def waiting(tx: Tx) -> Waiting:
    """The raw webhooks and sends that wait, by lane and tenant, as the system's role."""
    return {
        "webhook_events": await tx.many(sql.load("inbound").waiting, WaitingRow),
        "sends": await tx.many(sql.load("sends").waiting, WaitingSendsRow),
    }


def _tell_waiting(waiting: Waiting) -> None:
    metrics.tenants_oldest.clear()
    for what, found in waiting.items():
        metrics.waiting.labels(what).set(sum(row.rows for row in found))
        metrics.oldest.labels(what).set(max((row.oldest for row in found), default=0))
        of_tenants: dict[str, float] = {}  # a tenant may have several lanes
        for row in found:
            of_tenants[row.slug or ""] = max(row.oldest, of_tenants.get(row.slug or "", 0))
        for slug, oldest in _top(of_tenants.items()):
            metrics.tenants_oldest.labels(what, slug).set(oldest)


def _highest(gauge: Gauge, numbers: Iterable[tuple[str, float]]) -> None:
    """A tenant that has none any more has no line."""
    gauge.clear()
    for slug, number in _top(numbers):
        gauge.labels(slug).set(number)


def _top(numbers: Iterable[tuple[str, float]]) -> list[tuple[str, float]]:
    return sorted(numbers, key=lambda pair: (-pair[1], pair[0]))[:TENANTS]


def around(rails: Rails) -> None:
    """The pools of this process, the disk, the certificate, the backups; what is not watched has no line."""
    for role, (busy, idle) in rails.db.connections().items():
        metrics.pool.labels(role, "busy").set(busy)
        metrics.pool.labels(role, "idle").set(idle)
    disk = surroundings.disk(rails.settings)
    metrics.disk.labels("free").set(disk.free)
    metrics.disk.labels("size").set(disk.size)
    _tell_certificate(rails)
    _tell_backup(rails)


def _tell_certificate(rails: Rails) -> None:
    """One that cannot be read ended at the beginning of time."""
    try:
        found = surroundings.certificate(rails.settings)
    except (OSError, ValueError):
        metrics.certificate.labels("nginx").set(0)
        return
    if found:
        metrics.certificate.labels("nginx").set(found.ends.timestamp())


def _tell_backup(rails: Rails) -> None:
    """Never is 0; a word that cannot be read is a failure."""
    try:
        said = surroundings.backup(rails.settings)
    except (OSError, ValueError):
        metrics.backup_failed.set(1)
        return
    if said is None:
        return
    times = {"good": said.last_good, "tried": said.last_tried, "verified": said.last_verified}
    for what, at in times.items():
        metrics.backup.labels(what).set(at.timestamp() if at else 0)
    metrics.backup_failed.set(said.last_error is not None)
