"""Jobs, and hotels' parts of one: what goes wrong in one of them holds up no other."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from crm.core.errors import Problem

_log = logging.getLogger(__name__)


@contextmanager
def apart(job: str, tenant: UUID | None = None) -> Iterator[None]:
    """A job, or a hotel's part of it. What it raises is logged, and the next one's turn comes.

    Nothing may be lost silently, or end the worker: the row is still there to be worked.
    """
    told = {"job": job} | ({} if tenant is None else {"tenantId": str(tenant)})
    try:
        yield
    except Problem as problem:
        _log.warning("a job must wait", extra={**told, "why": problem.code})
    except Exception:
        _log.exception("a job failed", extra=told)
