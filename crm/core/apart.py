"""The turns of many hotels in one job: what goes wrong with one of them holds up no other."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from crm.core.errors import Problem

_log = logging.getLogger(__name__)


@contextmanager
def apart(job: str, tenant: UUID) -> Iterator[None]:
    """A hotel's part of a job. What it raises is logged, under the hotel's id, and the next one's turn comes."""
    told = {"job": job, "tenantId": str(tenant)}
    try:
        yield
    except Problem as problem:
        _log.warning("a hotel's part of a job must wait", extra={**told, "why": problem.code})
    except Exception:
        _log.exception("a hotel's part of a job failed", extra=told)
