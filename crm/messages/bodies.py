"""The body of a send as Graph takes it (Meta: sending): one small function a type, all in one table."""

import re
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from crm.messages.composing import IN_HEADERS, headers
from crm.messages.shapes import ClaimedRow

_LINK = re.compile(r"https?://\S")
_NAMES = {"text/plain": "txt", "application/pdf": "pdf", "application/msword": "doc"}
Node = dict[str, Any]


def body(message: ClaimedRow, recipient: dict[str, str], graph_id: str | None = None) -> Node:
    """The whole body. `graph_id` is Meta's id of the message's file; our own id comes back in each status."""
    kind = "audio" if message.type == "voice" else message.type
    whole: Node = {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        **recipient,
        "type": kind,
        kind: _NODES[message.type](message, graph_id),
        "biz_opaque_callback_data": str(message.id),
    }
    if message.reply_to_wamid and message.type != "reaction":
        whole["context"] = {"message_id": message.reply_to_wamid}
    return whole


def _own(message: ClaimedRow) -> Any:
    """What the row keeps under the name of its type."""
    return (message.payload or {}).get(message.type)


def _text(message: ClaimedRow, _graph_id: str | None) -> Node:
    """Meta shows the first link, if there is one and nobody has said no."""
    wanted = (_own(message) or {}).get("preview_url", True)
    shown = {"preview_url": True} if wanted and _LINK.search(message.content) else {}
    return {"body": message.content, **shown}


def _file(message: ClaimedRow, graph_id: str | None) -> Node:
    return {"id": graph_id, **(_own(message) or {})}


def _voice(_message: ClaimedRow, graph_id: str | None) -> Node:
    return {"id": graph_id, "voice": True}


def _document(message: ClaimedRow, graph_id: str | None) -> Node:
    return {"id": graph_id, "filename": filename(message), **(_own(message) or {})}


def filename(message: ClaimedRow) -> str:
    """The document's name, with an extension: WhatsApp shows and opens it by that."""
    media = message.media or {}
    kind = str(media.get("mimeType") or "").partition(";")[0]
    return str(media.get("filename") or f"documento.{_NAMES.get(kind, 'bin')}")


def _kept(message: ClaimedRow, _graph_id: str | None) -> Any:
    return _own(message)


def _contacts(message: ClaimedRow, _graph_id: str | None) -> list[Node]:
    """A part of the name stands beside the whole: Meta's reference asks for one, its examples all have it."""
    return [
        card if len(card["name"]) > 1 else {**card, "name": {**card["name"], "first_name": _whole_name(card)}}
        for card in _own(message)
    ]


def _whole_name(card: Node) -> str:
    return str(card["name"]["formatted_name"])


def _reaction(message: ClaimedRow, _graph_id: str | None) -> Node:
    return {"message_id": message.reply_to_wamid, "emoji": _own(message)["emoji"]}


def _with_file(message: ClaimedRow, graph_id: str | None) -> Node:
    """An interactive message or a template, its file by Meta's id."""
    made = deepcopy(message.payload or {})
    for parent in headers(made) if graph_id else []:
        kind = parent.get("type")
        if kind in IN_HEADERS and isinstance(parent.get(kind), dict):
            name = {"filename": filename(message)} if kind == "document" else {}
            parent[kind] = {**name, **parent[kind], "id": graph_id}
    return dict(made[message.type])


_NODES: dict[str, Callable[[ClaimedRow, str | None], Any]] = {
    "text": _text,
    "image": _file,
    "video": _file,
    "audio": _file,
    "voice": _voice,
    "document": _document,
    "sticker": _file,
    "location": _kept,
    "contacts": _contacts,
    "reaction": _reaction,
    "interactive": _with_file,
    "template": _with_file,
}
