"""Is the process beside this command alive? Asked by its container every half minute: it imports next to nothing.

Liveness only: Postgres and Redis may be away, and a restart would not bring them back (`GET /health/ready` tells).
"""

import http.client
import os
import re
import time

SECONDS = 5.0  # an answer takes a millisecond
STILL = 120.0  # the worker goes round each second; while Postgres says nothing a round takes up to half a minute
_BEAT = re.compile(rb"^crm_worker_round_timestamp_seconds (\S+)$", re.MULTILINE)


class Ill(Exception):
    """It is not alive; the text says how that showed."""


def api(ready: bool = False) -> str:
    """The API on PORT answers; `ready`: and finds Postgres, Redis and its migrations. Raises Ill."""
    port = os.environ.get("PORT", "3001")
    _get(port, "/health/ready" if ready else "/health")
    return f"the API on port {port} is {'ready' if ready else 'alive'}"


def worker() -> str:
    """The worker whose numbers are on WORKER_METRICS_PORT goes its rounds. Raises Ill."""
    port = os.environ.get("WORKER_METRICS_PORT", "")
    if not port:
        raise Ill("WORKER_METRICS_PORT is not set: a worker without numbers cannot be asked")
    found = _BEAT.search(_get(port, "/metrics"))
    still = time.time() - float(found[1]) if found else STILL + 1
    if still > STILL:
        raise Ill(f"the worker has not gone round for {still:.0f} seconds")
    return f"the worker went round {max(still, 0):.0f} seconds ago"


def _get(port: str, path: str) -> bytes:
    host = os.environ.get("HOST", "127.0.0.1").replace("0.0.0.0", "127.0.0.1").replace("::", "::1")  # noqa: S104
    connection = http.client.HTTPConnection(host, int(port), timeout=SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        content = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise Ill(f"nothing answers on port {port}: {error or type(error).__name__}") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise Ill(f"port {port} answered {answer.status}: {content[:300].decode(errors='replace')}")
    return content
