"""The alerts, played by Debian's promtool: each speaks when it should and is quiet a little before."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

MONITORING = Path(__file__).parents[2] / "ops/monitoring"
RULES = (MONITORING / "rules.yml").read_text()
ALERTS = re.findall(r"- alert: (\w+)", RULES)
pytestmark = pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is missing: apt install prometheus")

DAY, NOW = 86400, 60 * 120  # the drill's clock begins at 0 and looks after two hours


def promtool(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *words], cwd=folder, capture_output=True, text=True)


def steady(value: float) -> str:
    return f"{value}x240"


def rising(step: float) -> str:
    return f"0+{step}x240"


# Of each alert the series that must raise it, and those that just do not.
PLAY: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "CrmDown": ({'up{job="crm-api"}': steady(0)}, {'up{job="crm-api"}': steady(1)}),
    "CrmGone": (
        {'up{job="crm-api"}': steady(1)},
        {'up{job="crm-api"}': steady(1), 'up{job="crm-worker"}': steady(1)},
    ),
    "CrmFaults": (
        {'crm_http_request_seconds_count{status="500"}': rising(1)},
        {
            'crm_http_request_seconds_count{status="500"}': steady(9),
            'crm_http_request_seconds_count{status="404"}': rising(9),
        },
    ),
    "CrmTurnedAway": ({"crm_http_turned_away_total": rising(1)}, {"crm_http_turned_away_total": steady(7)}),
    "CrmPoolWaits": (
        {
            'crm_db_pool_wait_seconds_count{instance="a"}': rising(60),
            'crm_db_pool_wait_seconds_bucket{instance="a",le="1.0"}': rising(50),
        },
        {
            'crm_db_pool_wait_seconds_count{instance="a"}': rising(60),
            'crm_db_pool_wait_seconds_bucket{instance="a",le="1.0"}': rising(58),
        },
    ),
    "CrmWebhooksNotStored": (
        {'crm_webhook_events_total{outcome="failed"}': rising(1)},
        {
            'crm_webhook_events_total{outcome="failed"}': steady(3),
            'crm_webhook_events_total{outcome="stored"}': rising(9),
        },
    ),
    "CrmWebhooksRefused": (
        {'crm_webhook_events_total{outcome="refused"}': rising(1)},
        {'crm_webhook_events_total{outcome="refused"}': rising(0.5)},
    ),
    "CrmQueueOld": (
        {'crm_waiting_oldest_seconds{what="sends"}': steady(121)},
        {'crm_waiting_oldest_seconds{what="sends"}': steady(119)},
    ),
    "CrmWebhookLag": (
        {
            'crm_webhook_lag_seconds_bucket{le="10"}': rising(90),
            'crm_webhook_lag_seconds_bucket{le="30"}': rising(100),
            'crm_webhook_lag_seconds_bucket{le="+Inf"}': rising(100),
        },
        {
            'crm_webhook_lag_seconds_bucket{le="10"}': rising(96),
            'crm_webhook_lag_seconds_bucket{le="30"}': rising(100),
            'crm_webhook_lag_seconds_bucket{le="+Inf"}': rising(100),
        },
    ),
    "CrmSendsFail": (
        {'crm_sends_total{outcome="failed"}': rising(3), 'crm_sends_total{outcome="sent"}': rising(7)},
        {'crm_sends_total{outcome="failed"}': rising(1), 'crm_sends_total{outcome="sent"}': rising(9)},
    ),
    "CrmDeadLetters": ({"crm_dead_letters_open": steady(1)}, {"crm_dead_letters_open": steady(0)}),
    "CrmChannelPaused": ({"crm_channels_paused_open": steady(1)}, {"crm_channels_paused_open": steady(0)}),
    "CrmChannelSilent": (
        {'crm_channel_notices{kind="silent"}': steady(1)},
        {'crm_channel_notices{kind="quality_low"}': steady(1)},
    ),
    "CrmNumberQuality": (
        {'crm_channel_notices{kind="quality_low"}': steady(1)},
        {'crm_channel_notices{kind="silent"}': steady(1)},
    ),
    "CrmDiskFull": (
        {'crm_disk_bytes{what="free"}': "4000000-2000x240", 'crm_disk_bytes{what="size"}': steady(9_000_000)},
        {'crm_disk_bytes{what="free"}': "4000000-100x240", 'crm_disk_bytes{what="size"}': steady(9_000_000)},
    ),
    "CrmCertificateEnds": (
        {'crm_certificate_ends_timestamp_seconds{of="nginx"}': steady(13 * DAY)},
        {'crm_certificate_ends_timestamp_seconds{of="nginx"}': steady(15 * DAY)},
    ),
    "CrmBackupOld": (
        {
            'crm_backup_timestamp_seconds{what="good"}': steady(NOW - 27 * 3600),
            'crm_backup_timestamp_seconds{what="tried"}': steady(NOW),
        },
        {'crm_backup_timestamp_seconds{what="good"}': steady(NOW - 25 * 3600)},
    ),
    "CrmBackupFailed": ({"crm_backup_failed": steady(1)}, {"crm_backup_failed": steady(0)}),
    "CrmBackupUntested": (
        {'crm_backup_timestamp_seconds{what="verified"}': steady(NOW - 36 * DAY)},
        {'crm_backup_timestamp_seconds{what="verified"}': steady(NOW - 34 * DAY)},
    ),
}


def test_every_alert_is_played() -> None:
    assert sorted(PLAY) == sorted(ALERTS)


def test_each_alert_speaks_when_it_should_and_only_then(tmp_path: Path) -> None:
    """All in one run: of the silent scene no alert of that name, of the loud one just one or more."""
    (tmp_path / "rules.yml").write_text(RULES)
    scenes = [_scene(name, place == 0, both[place]) for name, both in PLAY.items() for place in (0, 1)]
    play = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": scenes}
    (tmp_path / "play.json").write_text(json.dumps(play))
    done = promtool("test", "rules", "play.json", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def _scene(name: str, loud: bool, series: dict[str, str]) -> dict[str, object]:
    """What promtool is to see: ALERTS is the series Prometheus writes of what fires."""
    asked = f'count(count by (alertname) (ALERTS{{alertname="{name}",alertstate="firing"}}))'
    return {
        "name": f"{name} {'loud' if loud else 'silent'}",
        "interval": "1m",
        "input_series": [{"series": one, "values": values} for one, values in series.items()],
        "promql_expr_test": [
            {"expr": asked, "eval_time": "2h", "exp_samples": [{"labels": "{}", "value": 1}] if loud else []}
        ],
    }


def test_prometheus_takes_the_rules_and_its_configuration() -> None:
    for command in (["check", "rules", "rules.yml"], ["check", "config", "prometheus.yml"]):
        done = promtool(*command, folder=MONITORING)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_expression_of_the_dashboard_parses(tmp_path: Path) -> None:
    """As rules that record them: promtool 2.42 has no other ear for an expression alone."""
    board = json.loads((MONITORING / "dashboard.json").read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    rules = [{"record": f"panel_{place}", "expr": one} for place, one in enumerate(asked)]
    (tmp_path / "board.json").write_text(json.dumps({"groups": [{"name": "board", "rules": rules}]}))
    done = subprocess.run(
        ["promtool", "check", "rules", "board.json"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, f"{len(asked)} rules found" in done.stdout) == (0, True), done.stdout + done.stderr
