"""Raw webhooks of an erased person: what they held of that person is taken out, what they held of others stays."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import msgspec

from crm.core import payload, sql
from crm.core.apart import apart
from crm.core.rails import Rails
from crm.privacy.shapes import RawRow, SpanRow, WaitingErasureRow

_sql = sql.load("privacy")

_MOST = 50  # webhooks read at a time: each may be 3 MB


async def look_through(rails: Rails, goes_on: Callable[[], bool]) -> None:
    """Work the erasures that wait, of every tenant."""
    async with rails.db.system(alone=True) as tx:
        waiting = await tx.many(_sql.waiting, WaitingErasureRow)
    for row in waiting:
        if goes_on():
            with apart("erase", row.tenant_id):
                await _look_through(rails, row.tenant_id, row.id)


async def _look_through(rails: Rails, tenant: UUID, erasure: UUID) -> None:
    async with rails.db.tenant(tenant) as tx:
        spans = await tx.many(_sql.take, SpanRow, id=erasure)
    for span in spans:
        while await _clean(rails, span):
            pass
    async with rails.db.tenant(tenant) as tx:
        await tx.none(_sql.looked_through, id=erasure)


async def _clean(rails: Rails, span: SpanRow) -> bool:
    """Clean the next webhooks of a span; whether there were any."""
    place = {"since": span.since, "until": span.until, "lanes": span.lanes, "needles": span.needles}
    async with rails.db.system() as tx:
        rows = await tx.many(_sql.raw, RawRow, max=_MOST, **place)
        for row in rows:
            body = without(row.body, span.needles)
            await tx.none(_sql.rewrite, received_at=row.received_at, id=row.id, body=body)
    return bool(rows)


def without(body: bytes, needles: Sequence[str]) -> bytes:
    """A webhook without the items of its lists that name a person; nothing of it when that does not help."""
    try:
        rest = msgspec.json.encode(_without(payload.read(body), needles))
    except ValueError:
        return b"{}"
    return b"{}" if any(needle.encode() in rest for needle in needles) else rest


def _without(node: Any, needles: Sequence[str]) -> Any:
    """The innermost list decides: of a webhook of many people the one goes, not the webhook."""
    if isinstance(node, dict):
        return {key: _without(value, needles) for key, value in node.items()}
    if isinstance(node, list):
        return [rest for each in node if not _names(rest := _without(each, needles), needles)]
    return node


def _names(node: Any, needles: Sequence[str]) -> bool:
    if isinstance(node, dict):
        return any(_names(value, needles) for value in node.values())
    if isinstance(node, list):
        return any(_names(each, needles) for each in node)
    return isinstance(node, str) and any(needle in node for needle in needles)
