"""What Sentry gets of a fault, read at a real receiver: where it happened, and nothing that anybody wrote."""

import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ops.dev.home import Home

ROOT = Path(__file__).parents[1]
WORDS = [
    "Meu CPF é 123",
    "5548999990001",
    "Dora Silva",
    "EAAGtokenOfMeta",
    "Bearer eyJhb.eyJzd.c2ln",
    "segredo-do-corpo",
]
# A process as `python -m crm api` begins, in which a handler fails in every way that could take something along.
FAILS = """
import asyncio, logging, sys
from crm import __main__
from crm.core import log
settings = __main__._settings()
log.bind(requestId="r-1", tenantId="t-1", userId="u-1")
own = logging.getLogger("crm.messages")
def deeper(text, phone, headers):
    raise ValueError(text + phone)
async def handler():
    guest, token = {"name": "Dora Silva"}, "EAAGtokenOfMeta"
    headers = {"authorization": "Bearer eyJhb.eyJzd.c2ln"}
    body = b"segredo-do-corpo"
    own.warning("before Dora Silva")
    try:
        deeper("Meu CPF é 123", "5548999990001", headers)
    except ValueError as error:
        raise RuntimeError(token + repr(guest)) from error
try:
    asyncio.run(handler())
except RuntimeError:
    own.exception("a job failed", extra={"body": "segredo-do-corpo", "phone": "5548999990001"})
    logging.getLogger("uvicorn.error").error("in Dora Silva", exc_info=KeyError("Dora Silva"), stack_info=True)
    own.error("filled with %s", "EAAGtokenOfMeta")
print("sentry_sdk" in sys.modules)
"""


class Receiver(ThreadingHTTPServer):
    """Keeps what is posted to it, unpacked."""

    def __init__(self) -> None:
        self.got: list[str] = []
        super().__init__(("127.0.0.1", 0), _Taking)


class _Taking(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        unpacked = gzip.decompress(body) if self.headers["content-encoding"] == "gzip" else body
        self.server.got.append(f"{self.headers}\n{unpacked.decode()}")
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_words: Any) -> None:
        """Says nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def fail(home: Home, dsn: str) -> str:
    """Run a process that fails; its last line: whether Sentry's package was imported."""
    env = {**os.environ, **home.environ(), "SENTRY_DSN": dsn}
    done = subprocess.run(
        [sys.executable, "-c", FAILS], cwd=ROOT, env=env, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def events(receiver: Receiver) -> list[dict[str, Any]]:
    """The items of the envelopes that are events."""
    lines = [line for got in receiver.got for line in got.splitlines() if line.startswith("{")]
    return [one for one in map(json.loads, lines) if "exception" in one]


def test_a_fault_comes_with_its_place_and_nothing_that_anybody_wrote(home: Home, receiver: Receiver) -> None:
    assert fail(home, f"http://key@127.0.0.1:{receiver.server_port}/1") == "True"
    whole = "\n".join(receiver.got)
    assert [word for word in WORDS if word in whole or json.dumps(word)[1:-1] in whole] == []
    [job, server, filled] = events(receiver)
    assert [value["type"] for value in job["exception"]["values"]] == ["ValueError", "RuntimeError"]
    places = [frame["function"] for value in job["exception"]["values"] for frame in value["stacktrace"]["frames"]]
    assert {"handler", "deeper"} <= set(places)
    assert (job["logentry"], job["logger"]) == ({"message": "a job failed"}, "crm.messages")
    assert job["tags"] == {"requestId": "r-1", "tenantId": "t-1", "userId": "u-1"}
    assert ("logentry" in server, filled["logentry"]["message"]) == (False, "filled with %s")


def test_an_event_holds_only_what_is_known_to_be_harmless(home: Home, receiver: Receiver) -> None:
    fail(home, f"http://key@127.0.0.1:{receiver.server_port}/1")
    plain = {"event_id", "timestamp", "level", "logger", "platform", "environment", "release"}
    assert set().union(*events(receiver)) <= plain | {"tags", "logentry", "exception", "_meta"}
    frames = [
        frame
        for event in events(receiver)
        for value in event["exception"]["values"]
        for frame in value["stacktrace"]["frames"]
    ]
    assert set().union(*frames) == {"filename", "function", "module", "lineno", "in_app"}


def test_without_a_dsn_nothing_is_sent_or_imported(home: Home, receiver: Receiver) -> None:
    assert (fail(home, ""), receiver.got) == ("False", [])
