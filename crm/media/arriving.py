"""Media that messages bring: a row each, so that the message is there at once and the bytes follow."""

import re
from typing import Any
from uuid import UUID

import msgspec

from crm.core import meta_media, sql
from crm.core.tx import Tx
from crm.media import names
from crm.media.shapes import ArrivedRow
from crm.media.sniffing import UNKNOWN
from crm.messages import Inbound

_sql = sql.load("media")

_KINDS = {"image", "video", "audio", "document", "sticker"}  # Meta: inbound message types
_GRAPH_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
_URL = 2048  # characters of a URL kept; of a longer one Meta is asked anyway
Key = tuple[UUID, str]


async def attach(tx: Tx, inbound: list[Inbound]) -> list[Inbound]:
    """The same messages, each that names media with its row. The caller holds the tenant's door.

    One row for each id of a channel, so that a replay finds its own.
    """
    found: dict[Key, dict[str, Any]] = {}
    for item in inbound:
        node = _node(item)
        if node is not None:
            found[item.channel_id, node["id"]] = node
    if not found:
        return inbound
    rows = await _arrive(tx, found)
    return [_with(item, rows) for item in inbound]


def _node(item: Inbound) -> dict[str, Any] | None:
    """The part of a message that names media by a usable id."""
    node = (item.payload or {}).get(item.type) if item.type in _KINDS else None
    if not isinstance(node, dict):
        return None
    graph_id = str(node.get("id", ""))
    return {**node, "id": graph_id} if _GRAPH_ID.fullmatch(graph_id) else None


async def _arrive(tx: Tx, found: dict[Key, dict[str, Any]]) -> dict[Key, ArrivedRow]:
    nodes = list(found.values())
    rows = await tx.many(
        _sql.arrive,
        ArrivedRow,
        channels=[channel for channel, _ in found],
        graph_ids=[graph_id for _, graph_id in found],
        graph_urls=[_url(node.get("url")) for node in nodes],
        mime_types=[_claimed(node.get("mime_type")) for node in nodes],
        filenames=[names.clean(node.get("filename")) for node in nodes],
        digests=[meta_media.digest(node.get("sha256")) for node in nodes],
        voices=[node.get("voice") is True for node in nodes],
        animateds=[node.get("animated") is True for node in nodes],
    )
    return {(row.channel_id, row.graph_id): row for row in rows}


def _with(item: Inbound, rows: dict[Key, ArrivedRow]) -> Inbound:
    node = _node(item)
    if node is None:
        return item
    row = rows[item.channel_id, node["id"]]
    return msgspec.structs.replace(item, media_id=row.id, media=row.shown)


def _url(url: Any) -> str | None:
    return url if isinstance(url, str) and 0 < len(url) <= _URL else None


def _claimed(mime_type: Any) -> str:
    """What Meta says it is, until the bytes tell."""
    return mime_type[:100] if isinstance(mime_type, str) and mime_type else UNKNOWN
