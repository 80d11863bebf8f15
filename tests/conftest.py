"""What a run begins and ends with; its people and their system are in tests/people.py."""

import asyncio
import gc
import importlib
import os
import shutil
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import pytest
import uvloop
from slipcover import pytest_plugin

if measure := pytest_plugin._slipcover_instance:  # a worker's, which is not handed `--immediate`
    measure.immediate = True  # else a line is measured fifty times, then all functions are walked through

LONG = ["test_connection", "test_screens", "test_looks", "test_bench", "test_drain"]  # 13 to 25 s each, few tests

gc.disable()  # until all is collected: what stays for the whole run is not looked through again and again


def pytest_configure(config: pytest.Config) -> None:
    """The event loop of production, and a folder of this run's own.

    The usual folder is closed by each other run to the user that Postgres runs as: its files were out of its reach.
    """
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    part = getattr(config, "workerinput", None)
    if part or not config.getoption("numprocesses"):
        config.pluginmanager.import_plugin("tests.people")  # who only hands tests out has no use for them: 3 s
    if part:
        _compile_a_part(**part)
    else:
        memory = os.environ.get("CRM_TESTS_IN")  # the whole suite's (ops/dev/test.py)
        os.environ["PYTEST_DEBUG_TEMPROOT"] = tempfile.mkdtemp(prefix="crm-tests-", dir=memory)


def _compile_a_part(workerid: str, workercount: int, **_: object) -> None:
    """Import the tests, each worker from another place on: a fresh checkout compiles each of them once.

    All in one order, each compiled everything: 12 s of CPU a worker before its first test instead of 9.
    """
    files = sorted(Path(__file__).parent.glob("test_*.py"))
    first = len(files) * int(workerid.removeprefix("gw")) // workercount
    for file in files[first:] + files[:first]:
        importlib.import_module(f"tests.{file.stem}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long files first, then those of many tests: all wait for who is handed a long one last.

    `--no-loadscope-reorder` (ops/dev/test.py) keeps the order; xdist goes by the number of tests alone.
    """
    tests = Counter(item.path for item in items)
    items.sort(key=lambda item: (item.path.stem not in LONG, -tests[item.path], item.path))


def pytest_collection_finish() -> None:
    """Look for rubbish from now on, and not in what was collected: a tenth of a worker's CPU went there."""
    gc.freeze()
    gc.enable()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """What a run that failed leaves is kept, with the servers' logs."""
    if not hasattr(session.config, "workerinput"):
        folder = os.environ["PYTEST_DEBUG_TEMPROOT"]
        if exitstatus == 0:
            shutil.rmtree(folder)
        else:
            if "CRM_TESTS_IN" in os.environ:  # it would fill the memory
                subprocess.run(["mv", folder, tempfile.gettempdir()], check=True)
            print(f"\nkept: {tempfile.gettempdir()}/{os.path.basename(folder)}")
