"""Which numbers' webhooks were refused for their signature, written down off the request's path.

Whoever wishes can send such a POST. So it costs a place in a small table in memory, which each process writes out
at most once in five seconds; the answer waits for nothing of it, and is the same for a number that nobody has.
"""

import asyncio
import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

from crm import channels
from crm.channels import RouteRow
from crm.core import metrics
from crm.core.errors import Problem
from crm.core.rails import Rails

log = logging.getLogger(__name__)

PAUSE_SECONDS = channels.EAR_SECONDS
CHANNELS = 200  # noted between two writings; of a flood over more, the rest is only counted


class Refusals:
    """What is to be written, and the task that writes it while there is anything."""

    def __init__(self, rails: Rails) -> None:
        self._rails = rails
        self._noted: dict[tuple[UUID, UUID], datetime] = {}
        self._writing: asyncio.Task[None] | None = None

    def note(self, routes: Iterable[RouteRow]) -> None:
        """A POST that names these numbers bore a signature that nobody's secret makes. Returns at once."""
        for route in routes:
            metrics.refused_numbers.inc()
            key = (route.tenant_id, route.id)
            if key in self._noted or len(self._noted) < CHANNELS:
                self._noted[key] = datetime.now(UTC)
        if self._noted and self._writing is None:
            self._writing = asyncio.create_task(self._write())

    async def _write(self) -> None:
        """The first at once, what comes meanwhile after a pause."""
        try:
            while self._noted:
                noted, self._noted = self._noted, {}
                for (tenant, channel), at in noted.items():
                    await self._write_one(tenant, channel, at)
                await asyncio.sleep(PAUSE_SECONDS)
        finally:
            self._writing = None

    async def _write_one(self, tenant: UUID, channel: UUID, at: datetime) -> None:
        try:
            async with self._rails.db.tenant(tenant) as tx:
                await channels.hear(tx, {(channel, "refused"): at})
        except Problem as error:  # Meta sends it again, and then it is noted again
            log.warning("a refused webhook was not noted", extra={"channelId": str(channel), "why": error.code})

    async def stop(self) -> None:
        """End the writing; what was noted since the last one is forgotten."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.wait([self._writing])
