"""The benchmark still runs, and counts right; what it measures is judged by people, not here."""

import re
import subprocess
import sys
import time
from pathlib import Path

from ops.bench.__main__ import turn
from tests.own import copied

ROOT = Path(__file__).parents[1]


def test_every_acknowledged_webhook_of_the_benchmark_is_a_message(tmp_path: Path) -> None:
    home = copied(tmp_path / "home").path
    words = ["--small", "--seconds", "0.3", "--home", home, "--scenario", "list", "webhooks"]
    done = subprocess.run(
        [sys.executable, "-m", "ops.bench", *words], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    table = done.stdout.partition("| scenario |")[2]
    assert "5 tenants" in done.stdout
    assert re.search(r"^\| list \| [1-9]\d*[^|]*\|[^|]*\|[^|]*\| 0 \|", table, re.MULTILINE)
    sent, rows = re.search(r"(\d+) sent = (\d+) messages", table).groups()
    assert int(sent) == int(rows) > 0


def test_of_two_versions_each_goes_first_in_every_second_round() -> None:
    versions = [("here", ROOT), ("then", ROOT)]
    firsts = [turn(versions, number)[0][0] for number in range(4)]
    assert firsts == ["here", "then", "here", "then"]


def test_a_command_of_the_checkout_is_the_process_that_was_started(tmp_path: Path) -> None:
    """Else who stops it leaves its servers running."""
    process = subprocess.Popen([sys.executable, "-m", "crm", "bench", "--home", tmp_path / "home"])
    words = Path(f"/proc/{process.pid}/cmdline")
    while "ops.bench" not in words.read_text():
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
