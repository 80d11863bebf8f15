"""A number as people see it: the row, how it stands with Meta, and its open notices."""

from collections.abc import Sequence
from uuid import UUID

from crm.channels import health, notices
from crm.channels.health import FactRow
from crm.channels.notices import NoticeOut
from crm.channels.shapes import ChannelOut, ChannelRow, HealthOut, TokenState, shown
from crm.core import edge, sql
from crm.core.feed import Event
from crm.core.http import Call
from crm.core.page import stamp
from crm.core.tx import Tx

_sql = sql.load("channels")
Facts = dict[str, FactRow]


def english(call: Call) -> bool:
    """Whether the caller reads English rather than Portuguese."""
    return edge.prefers_english(call.request.headers.get("accept-language", ""))


async def shown_all(tx: Tx, rows: Sequence[ChannelRow], english: bool, full: bool = True) -> list[ChannelOut]:
    """The rows with their health: two more statements, however many they are."""
    one = rows[0].id if len(rows) == 1 else None
    facts = await health.facts(tx, one)
    told: dict[UUID, list[NoticeOut]] = {}
    for notice in await notices.open_of(tx, one):
        told.setdefault(notice.channel_id, []).append(notices.shown(notice, english))
    return [shown(row, _health(row, facts.get(row.id, {}), told.get(row.id, [])), full) for row in rows]


async def updated(tx: Tx, channels: Sequence[UUID]) -> list[Event]:
    """`channel:updated` for each: as an attendant may see it, in Portuguese, for sockets have no language."""
    if not channels:
        return []
    rows = await tx.many(_sql.of, ChannelRow, ids=list(channels))
    seen = await shown_all(tx, rows, english=False, full=False) if rows else []
    return [Event("channel:updated", None, {"channel": channel}) for channel in seen]


def _health(row: ChannelRow, facts: Facts, open_notices: list[NoticeOut]) -> HealthOut:
    return HealthOut(
        token_state=_token(row, facts),
        quality=_value(facts, "quality"),
        limit=_value(facts, "limit"),
        name_status=_value(facts, "name_status"),
        username=_value(facts, "username") or None,
        last_webhook_at=_at(facts, "webhook"),
        last_inbound_at=_at(facts, "inbound"),
        last_status_at=_at(facts, "status"),
        last_check_at=_at(facts, "check"),
        notices=open_notices,
    )


def _token(row: ChannelRow, facts: Facts) -> TokenState:
    if row.access_token_hint is None:
        return "MISSING"
    states: dict[str | None, TokenState] = {"OK": "OK", "REFUSED": "REFUSED"}
    return states.get(_value(facts, "access"), "UNKNOWN")


def _value(facts: Facts, name: str) -> str | None:
    return facts[name].value if name in facts else None


def _at(facts: Facts, name: str) -> str | None:
    return stamp(facts[name].at) if name in facts else None
