"""What the metrics page looks up: who waits (of tenants the 20 worst), pools, disk, certificate, backups."""

import json
import re
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crm import gauges
from crm.core import metrics, rails
from crm.core.config import Settings
from crm.core.rails import Rails
from tests.certificates import certificate
from tests.scratch import Scratch
from tests.system import Guest, Hotel, eventually

BY_TENANT = re.compile(r'^(crm_\w+)\{tenant="([^"]*)"(?:,what="(\w+)")?', re.MULTILINE)


def told(name: str) -> dict[str, float]:
    """The lines of a number on the page, by their labels."""
    found = re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", metrics.page().decode(), re.MULTILINE)
    return {labels: float(value) for labels, value in found}


async def test_of_25_hotels_that_wait_the_20_worst_have_a_line(migrated: Scratch, settings: Settings) -> None:
    """On every number that is told by tenant; the sums are of all."""
    migrated.run(
        """INSERT INTO tenants (slug, name, email)
        SELECT 'h' || n, 'H', 'h@h.example' FROM generate_series(1, 25) AS n"""
    )
    migrated.run(
        """INSERT INTO channels (tenant_id, name, phone_number_id, waba_id, verify_token, paused_until)
        SELECT id, 'C', slug, slug, slug, 'infinity' FROM tenants WHERE slug ~ '^h'"""
    )
    migrated.run(
        """INSERT INTO channel_notices (tenant_id, channel_id, kind, severity)
        SELECT tenant_id, id, 'silent', 'WARNING' FROM channels"""
    )
    migrated.run(
        """INSERT INTO webhook_waiting (lane, received_at, id, bytes)
        SELECT waba_id, now() - substr(waba_id, 2)::int * INTERVAL '1 minute', id, 1 FROM channels"""
    )
    migrated.run(
        """INSERT INTO dead_letters (tenant_id, kind, about, item, error)
        SELECT id, 'event', slug, '{}', 'x' FROM tenants WHERE slug ~ '^h'"""
    )
    laid = await rails.lay(migrated.instead(settings))
    await gauges.rows(laid)
    await laid.close()
    tenants: dict[tuple[str, str], set[str]] = {}
    for name, slug, what in BY_TENANT.findall(metrics.page().decode()):
        tenants.setdefault((name, what), set()).add(slug)
    names = {"crm_tenant_waiting_oldest_seconds", "crm_dead_letters_waiting", "crm_channels_paused"}
    assert {name for name, _ in tenants} == names | {"crm_channels_silent"}
    assert {len(slugs) for slugs in tenants.values()} == {20}
    waiting = tenants["crm_tenant_waiting_oldest_seconds", "webhook_events"]
    assert waiting == {f"h{n}" for n in range(6, 26)}
    assert (told("crm_dead_letters_open")[""], told("crm_channels_paused_open")[""]) == (25, 25)
    assert told("crm_channel_notices") == {'kind="silent"': 25}


def test_every_number_that_is_told_by_tenant_is_bounded() -> None:
    """A new one with that label must be set through the 20 highest, and be named here."""
    source = Path(gauges.__file__).read_text()
    for name, value in vars(metrics).items():
        if "tenant" in getattr(value, "_labelnames", ()):
            assert re.search(rf"_highest\(metrics\.{name},|metrics\.{name}\.labels\(what, slug\)", source), name


async def test_how_long_a_webhook_took_is_measured(hotel_a: Hotel, guest: Guest) -> None:
    before = told("crm_webhook_lag_seconds_count").get("", 0)
    await guest.writes()

    async def measured() -> bool:
        return told("crm_webhook_lag_seconds_count")[""] > before

    await eventually(measured)


async def test_the_pools_and_the_disk_are_told(laid: Rails) -> None:
    async with laid.db.system():
        gauges.around(laid)
    assert told("crm_db_pool_connections")['role="system",state="busy"'] == 1
    disk = told("crm_disk_bytes")
    assert 0 < disk['what="free"'] < disk['what="size"']


async def test_a_certificate_is_told_until_when_it_is_valid(laid: Rails, tmp_path: Path) -> None:
    named = certificate(tmp_path / "fullchain.pem", 20)
    watched = msgspec.structs.replace(laid.settings, certificate_file=str(named))
    gauges.around(msgspec.structs.replace(laid, settings=watched))
    left = told("crm_certificate_ends_timestamp_seconds")['of="nginx"'] - time.time()
    assert left == pytest.approx(20 * 86400, abs=60)
    named.write_text("no certificate")
    gauges.around(msgspec.structs.replace(laid, settings=watched))
    assert told("crm_certificate_ends_timestamp_seconds")['of="nginx"'] == 0


@pytest.mark.parametrize(
    ("state", "good", "failed"),
    [
        (None, 0, 0),
        ({"lastGood": "2026-11-28T03:00:00Z", "lastTried": "2026-11-28T03:00:00Z"}, 1795834800, 0),
        ({"lastGood": "2026-11-28T03:00:00Z", "lastError": "the disk is full"}, 1795834800, 1),
        ("{", None, 1),
    ],
)
async def test_backups_are_told_as_they_tell(
    laid: Rails, tmp_path: Path, state: Any, good: int | None, failed: int
) -> None:
    metrics.backup.clear()
    if state is not None:
        (tmp_path / "state.json").write_text(state if isinstance(state, str) else json.dumps(state))
    watched = msgspec.structs.replace(laid.settings, backup_dir=str(tmp_path))
    gauges.around(msgspec.structs.replace(laid, settings=watched))
    assert told("crm_backup_timestamp_seconds").get('what="good"') == good
    assert told("crm_backup_failed")[""] == failed
