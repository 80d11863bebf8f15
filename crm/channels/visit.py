"""One go-live check under way: the channel, its token, and what its steps learn."""

from typing import Any

import msgspec

from crm.channels.health import FactRow
from crm.channels.reported import News
from crm.channels.shapes import CheckedRow
from crm.core.meta import Graph


class Visit(msgspec.Struct):
    """One check of one channel. `host`: where the caller reached this API; `news`: what was learnt on the way."""

    graph: Graph
    row: CheckedRow
    token: str
    facts: dict[str, FactRow]
    host: str
    news: list[News] = []

    async def ask(self, method: str, path: str, body: Any = None, **query: str | int) -> dict[str, Any]:
        """A call with the channel's token. Raises MetaError."""
        return await self.graph.ask(method, path, self.token, body, **query)
