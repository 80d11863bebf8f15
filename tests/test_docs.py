"""What the documents promise is run: the walk of the README, the paths and commands they name."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from crm.core.config import Settings
from ops.dev.processes import free_port

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *ROOT.glob("*/README.md")]


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The demo as a newcomer starts it; its dev.json."""
    home = tmp_path_factory.mktemp("up")
    env = {**os.environ, "CRM_HOME": str(home), "PORT": str(free_port())}
    process = subprocess.Popen([ROOT / "ops/up"], env=env, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    shown: list[str] = []
    while not shown or not shown[-1].startswith("ready"):
        shown.append(process.stdout.readline())
        assert shown[-1], f"ops/up ended: {shown}"
    yield json.loads((home / "dev.json").read_text())
    process.send_signal(signal.SIGINT)
    process.wait(20)


def test_the_walk_of_the_readme_prints_what_it_says(up: dict[str, Any]) -> None:
    inbound = {"phoneNumberId": "106540352242922", "from": "5548998448722", "name": "Dora", "text": "Olá"}
    assert httpx.post(f"{up['graphUrl']}/_fake/inbound", json=inbound).json()["status"] == 200
    walk = re.search(r"<!-- walk.*?-->\n```sh\n(.*?)```", README, re.DOTALL)
    assert walk is not None
    script = "sleep 1\n" + walk[1].replace("http://127.0.0.1:3001", up["url"]).replace("python3", sys.executable)
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, timeout=30)
    assert (done.stdout.split(), done.stderr) == (["Olá", "QUEUED", "READ"], "")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_a_document_names_is_there(page: Path) -> None:
    named = re.findall(r"`(?:ops/test )?((?:crm|sql|migrations|tests|ops|docs)/[\w./-]*)`", page.read_text())
    missing = [path for path in named if not (ROOT / path).exists()]
    assert not missing


def test_every_command_a_document_names_exists() -> None:
    named = {name for page in PAGES for name in re.findall(r"python -m crm ([a-z][a-z-]+)", page.read_text())}
    shown = subprocess.run([sys.executable, "-m", "crm", "--help"], capture_output=True, text=True, cwd=ROOT)
    known = set(re.findall(r"^  ([a-z][a-z-]+)", shown.stdout, re.MULTILINE))
    assert named
    assert named <= known


def test_the_part_of_the_suite_the_readme_shows_has_tests() -> None:
    shown = re.findall(r"`ops/test (tests/\S+ -k \w+)`", README)
    for part in shown:
        collect = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *part.split()]
        assert subprocess.run(collect, capture_output=True, cwd=ROOT).returncode == 0, part
    assert shown


def test_every_variable_is_in_the_page_of_the_environment() -> None:
    page = (ROOT / "docs/environment.md").read_text()
    missing = [name.upper() for name in Settings.__struct_fields__ if f"`{name.upper()}`" not in page]
    assert not missing


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 120
