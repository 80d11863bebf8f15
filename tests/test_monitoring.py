"""ops/monitoring: every number the alerts and the dashboard name is told, and every alert says what to do."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from crm.core import metrics

ROOT = Path(__file__).parents[1]
RULES = (ROOT / "ops/monitoring/rules.yml").read_text()
DASHBOARD = json.loads((ROOT / "ops/monitoring/dashboard.json").read_text())
RUNBOOK = (ROOT / "ops/README.md").read_text()
BY_PROMETHEUS = {"up"}


def panels() -> Iterator[dict[str, Any]]:
    yield from (panel for panel in DASHBOARD["panels"] if panel["type"] != "row")


def expressions() -> list[str]:
    of_rules = re.findall(r"^        expr: (.+)$", RULES, re.MULTILINE)
    return of_rules + [target["expr"] for panel in panels() for target in panel["targets"]]


def test_every_number_that_is_asked_for_is_told() -> None:
    """By a page of ours: the names there, with the endings of histograms and counters."""
    page = metrics.page().decode()
    told = {line.split()[2]: line.split()[3] for line in page.splitlines() if line.startswith("# TYPE ")}
    names = {name for name, kind in told.items() if kind != "histogram"}
    names |= {f"{name}_{end}" for name, kind in told.items() if kind == "histogram" for end in ("bucket", "count")}
    asked = {name for one in expressions() for name in re.findall(r"\b(?:crm|process|up)\w*\b(?=[\s{\[)]|$)", one)}
    assert len(asked) >= 20
    assert asked - names - BY_PROMETHEUS == set()


def test_the_labels_that_are_asked_for_are_there() -> None:
    """What matches no label of its number is silent for ever."""
    known = {label for value in vars(metrics).values() for label in getattr(value, "_labelnames", ())}
    asked = {name for one in expressions() for name in re.findall(r'(\w+)=~?"', one)}
    assert asked <= known | {"job", "instance", "le"}


def test_every_alert_says_what_to_do_and_where_more_is_written() -> None:
    alerts = RULES.split("- alert: ")[1:]
    assert len(alerts) >= 15
    for alert in alerts:
        advice = re.search(
            r'^          do: "(.{20,}) ops/README\.md, ([^:"]+)(?:: ([^"]+))?"$', alert, re.MULTILINE
        )
        assert advice, alert
        assert re.search(rf"^## {re.escape(advice[2])}", RUNBOOK, re.MULTILINE), advice[2]
        wanted = advice[3]
        assert wanted is None or re.search(rf"^- \*\*{re.escape(wanted)}", RUNBOOK, re.M | re.I), wanted


def test_the_dashboard_shows_every_river() -> None:
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert all(panel["title"] and panel["targets"] for panel in panels())
    shown = " ".join(expressions())
    rivers = (
        "webhook_events",
        "webhook_lag",
        "sends",
        "sockets",
        "db_pool",
        "dead_letters",
        "certificate",
        "backup",
    )
    assert [river for river in rivers if f"crm_{river}" not in shown] == []
