"""How a number stands with Meta: the newest word on each matter, and the cheap ear that hears its traffic."""

import re
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from crm.core import sql
from crm.core.tx import Tx

_sql = sql.load("health")

EAR_SECONDS = 5.0  # traffic of one channel is written down at most so often, by each process
TOKEN_SECONDS = 60.0  # and that its token works, so often
_written: dict[tuple[UUID, str], float] = {}


class FactRow(msgspec.Struct, frozen=True):
    """The newest word on one matter of a channel."""

    channel_id: UUID
    name: str
    value: str | None
    at: datetime


class NewsRow(msgspec.Struct, frozen=True):
    """A matter on which something new was heard."""

    channel_id: UUID
    name: str


class AccountChannelRow(msgspec.Struct, frozen=True):
    """A channel of an account, with its number as people typed it and as Meta told it."""

    id: UUID
    typed: str | None
    told: str | None


async def keep(tx: Tx, channels: Iterable[UUID], at: datetime, **words: str | None) -> set[tuple[UUID, str]]:
    """Keep the newest word on these matters, in one statement; for which channel and matter it was news."""
    pairs = [(channel, name) for channel in channels for name in words]
    rows = await tx.many(
        _sql.heard,
        NewsRow,
        channels=[channel for channel, _ in pairs],
        names=[name for _, name in pairs],
        vals=[words[name] for _, name in pairs],
        ats=[at] * len(pairs),
    )
    return {(row.channel_id, row.name) for row in rows}


async def hear(tx: Tx, sounds: Mapping[tuple[UUID, str], datetime]) -> set[tuple[UUID, str]]:
    """Traffic of channels (`webhook`, `refused`, `inbound`, `status`), its time: at most once in 5 seconds each.

    One statement for a whole batch, and none while the last one is fresh: a busy channel costs nothing. Answers
    what was written and is newer than all before.
    """
    due = _due(sounds, EAR_SECONDS)
    if not due:
        return set()
    rows = await tx.many(
        _sql.heard,
        NewsRow,
        channels=[channel for channel, _ in due],
        names=[name for _, name in due],
        vals=[None] * len(due),
        ats=[sounds[key] for key in due],
    )
    _remember(tx, due)
    return {(row.channel_id, row.name) for row in rows}


async def works(tx: Tx, channel: UUID) -> None:
    """Meta has taken a call with the channel's token."""
    due = _due([(channel, "access")], TOKEN_SECONDS)
    if due:
        await keep(tx, [channel], datetime.now(UTC), access="OK")
        _remember(tx, due)


def _due(keys: Iterable[tuple[UUID, str]], pause: float) -> list[tuple[UUID, str]]:
    now = time.monotonic()
    return [key for key in keys if now - _written.get(key, -pause) >= pause]


def _remember(tx: Tx, keys: list[tuple[UUID, str]]) -> None:
    """Once it is durable: what was rolled back was not written."""

    async def remember() -> None:
        _written.update(dict.fromkeys(keys, time.monotonic()))

    tx.after_commit(remember)


async def facts(tx: Tx, channel: UUID | None) -> dict[UUID, dict[str, FactRow]]:
    """All that was heard of a channel, or of all, by name."""
    found: dict[UUID, dict[str, FactRow]] = {}
    for row in await tx.many(_sql.of_all, FactRow, channel=channel):
        found.setdefault(row.channel_id, {})[row.name] = row
    return found


async def forget(tx: Tx, channel: UUID) -> None:
    """The channel is out of use, or has another number."""
    await tx.none(_sql.forget, channel=channel)


async def meant(tx: Tx, account: str, display: str | None) -> list[UUID]:
    """The channels of an account: that of a number as people dial it, or all when none is named.

    A number that no channel is known by is that of the account's only channel whose number nobody knows.
    """
    rows = await tx.many(_sql.of_account, AccountChannelRow, account=account)
    if not display:
        return [row.id for row in rows]
    same = [row.id for row in rows if _alike(display, row.told) or _alike(display, row.typed)]
    unknown = [row.id for row in rows if row.told is None and row.typed is None]
    return same or (unknown if len(unknown) == 1 else [])


def _alike(one: str, other: str | None) -> bool:
    """The same digits, one of them perhaps without its country code."""
    a, b = re.sub(r"\D", "", one), re.sub(r"\D", "", other or "")
    return min(len(a), len(b)) >= 8 and (a.endswith(b) or b.endswith(a))
