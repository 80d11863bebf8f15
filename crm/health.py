"""Is the process beside me well? Asked every few seconds in each container: it starts fast, and imports little."""

import os
import re
from http.client import HTTPConnection, HTTPException

SECONDS = 4.0
# A worker's loop goes on within a second. While Postgres hangs each piece of work waits for its own limits first.
STUCK_SECONDS = 120.0


class Unwell(Exception):
    """The process does not work; the text says how that shows."""


def ask(process: str) -> str:
    """Ask the `api` or the `worker` of this machine; a sentence. Raises Unwell."""
    return _api() if process == "api" else _worker()


def ready() -> str:
    """The API of this machine finds Postgres, Redis and its migrations; a sentence. Raises Unwell."""
    _get(int(os.environ.get("PORT") or 3001), "/health/ready")
    return "the API is ready"


def _api() -> str:
    """It answers; whether Postgres and Redis do is asked by /health/ready, for no restart would mend them."""
    _get(int(os.environ.get("PORT") or 3001), "/health")
    return "the API answers"


def _worker() -> str:
    """Its page is served by a thread of its own: what counts is when the loop last went on."""
    port = int(os.environ.get("WORKER_METRICS_PORT") or 0)
    if not port:
        raise Unwell("set WORKER_METRICS_PORT: without its page nobody can tell how the worker is")
    found = re.search(r"^crm_worker_turn_seconds (\S+)", _get(port, "/metrics"), re.MULTILINE)
    if not found:
        raise Unwell("the worker has not begun to work")
    if float(found[1]) > STUCK_SECONDS:
        raise Unwell(f"the worker's loop has not gone on for {float(found[1]):.0f} seconds")
    return "the worker works"


def _get(port: int, path: str) -> str:
    host = os.environ.get("HOST") or "127.0.0.1"
    connection = HTTPConnection("127.0.0.1" if host in ("0.0.0.0", "::") else host, port, timeout=SECONDS)  # noqa: S104
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode()
    except (OSError, HTTPException) as error:
        raise Unwell(f"port {port} does not answer: {error}") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise Unwell(f"{path} answers {answer.status}: {text[:300]}")
    return text
