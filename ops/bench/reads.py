"""What attendants read: the list of conversations at three depths, and histories."""

from datetime import datetime
from uuid import UUID

import asyncpg

from crm.core.page import write_cursor
from ops.bench import client
from ops.bench.report import Finding
from ops.bench.run import Run

_LIST = "/api/conversations"
_PLACES = """
SELECT last_message_at, id
FROM conversations
WHERE tenant_id = (SELECT id FROM tenants WHERE slug = 'bench-1') AND NOT archived
ORDER BY last_message_at DESC, id DESC
LIMIT 20 OFFSET $1
"""
_LONG = """
SELECT c.id
FROM conversations AS c
INNER JOIN messages AS m ON m.tenant_id = c.tenant_id AND m.conversation_id = c.id
WHERE c.tenant_id = (SELECT id FROM tenants WHERE slug = $1) AND c.id IN (
    SELECT id FROM conversations
    WHERE tenant_id = (SELECT id FROM tenants WHERE slug = $1) AND NOT archived
    ORDER BY last_message_at DESC LIMIT 2000
)
GROUP BY c.id
HAVING count(*) > 50
LIMIT 100
"""


async def first_page(run: Run) -> list[Finding]:
    """Every connection reads the first tenant's first page, with its total."""
    [token] = await run.tokens([1])
    return [await run.measure("list", [client.get(_LIST, token)], "20 of the first tenant")]


async def page_200(run: Run) -> list[Finding]:
    """The 200th page by number, with its total."""
    [token] = await run.tokens([1])
    return [await run.measure("page200", [client.get(f"{_LIST}?page=200", token)], "page=200")]


async def page_1000(run: Run) -> list[Finding]:
    """About the 1,000th page by cursor: twenty cursors around it, or the last page of a small seed."""
    [token] = await run.tokens([1])
    cursors = [write_cursor(at, row) for at, row in await _places(run, 999 * 20)]
    requests = [client.get(f"{_LIST}?cursor={cursor}", token) for cursor in cursors]
    return [await run.measure("page1000", requests, "1,000th page by cursor")]


async def history(run: Run) -> list[Finding]:
    """Fifty messages of long conversations of up to sixteen tenants."""
    tenants = list(range(1, min(run.tenants, 16) + 1))
    requests = []
    for tenant, token in zip(tenants, await run.tokens(tenants), strict=True):
        paths = [f"{_LIST}/{row}/messages?limit=50" for row in await _long_ones(run, tenant)]
        requests += [client.get(path, token) for path in paths]
    note = f"50 of {len(requests)} conversations of {len(tenants)} tenants"
    return [await run.measure("history", requests, note)]


async def _places(run: Run, deep: int) -> list[tuple[datetime, UUID]]:
    owner = await asyncpg.connect(run.system.home.database_url("owner"))
    rows = await owner.fetch(_PLACES, deep) or await owner.fetch(_PLACES, 0)
    await owner.close()
    return [(row[0], row[1]) for row in rows]


async def _long_ones(run: Run, tenant: int) -> list[UUID]:
    owner = await asyncpg.connect(run.system.home.database_url("owner"))
    rows = await owner.fetch(_LONG, f"bench-{tenant}")
    await owner.close()
    return [row[0] for row in rows]
