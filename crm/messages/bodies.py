"""The body of a send as Graph takes it (Meta: sending): one small function a type, all in one table."""

import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any
from uuid import UUID

from crm.messages.composing import IN_HEADERS, headers, in_headers, our_id
from crm.messages.shapes import ClaimedRow

_LINK = re.compile(r"https?://\S")
_NAMES = {"text/plain": "txt", "application/pdf": "pdf", "application/msword": "doc"}
_NOBODY = UUID(int=0)
Node = dict[str, Any]
Files = Mapping[UUID, str]  # Meta's ids of a message's files, by ours


def files(message: ClaimedRow) -> list[UUID]:
    """The files that Meta must have before the message can go, each once."""
    own = [message.media_id] if message.media_id else []
    return list(dict.fromkeys([*own, *(file for file, _ in in_headers(message.payload))] if own else []))


def body(message: ClaimedRow, recipient: dict[str, str], files: Files) -> Node:
    """The whole body. `files` are Meta's ids of the message's files; our own id comes back in each status."""
    kind = "audio" if message.type == "voice" else message.type
    whole: Node = {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        **recipient,
        "type": kind,
        kind: _NODES[message.type](message, files),
        "biz_opaque_callback_data": str(message.id),
    }
    if message.reply_to_wamid and message.type != "reaction":
        whole["context"] = {"message_id": message.reply_to_wamid}
    return whole


def _own(message: ClaimedRow) -> Any:
    """What the row keeps under the name of its type."""
    return (message.payload or {}).get(message.type)


def _text(message: ClaimedRow, _files: Files) -> Node:
    """Meta shows the first link, if there is one and nobody has said no."""
    wanted = (_own(message) or {}).get("preview_url", True)
    shown = {"preview_url": True} if wanted and _LINK.search(message.content) else {}
    return {"body": message.content, **shown}


def _file(message: ClaimedRow, files: Files) -> Node:
    return {"id": _whole(message, files), **(_own(message) or {})}


def _voice(message: ClaimedRow, files: Files) -> Node:
    return {"id": _whole(message, files), "voice": True}


def _whole(message: ClaimedRow, files: Files) -> str | None:
    """Meta's id of the file that the message is."""
    return files.get(message.media_id) if message.media_id else None


def _document(message: ClaimedRow, files: Files) -> Node:
    return {"id": _whole(message, files), "filename": filename(message), **(_own(message) or {})}


def filename(message: ClaimedRow) -> str:
    """The document's name, with an extension: WhatsApp shows and opens it by that."""
    media = message.media or {}
    kind = str(media.get("mimeType") or "").partition(";")[0]
    return str(media.get("filename") or f"documento.{_NAMES.get(kind, 'bin')}")


def _kept(message: ClaimedRow, _files: Files) -> Any:
    return _own(message)


def _contacts(message: ClaimedRow, _files: Files) -> list[Node]:
    """A part of the name stands beside the whole: Meta's reference asks for one, its examples all have it."""
    return [
        card if len(card["name"]) > 1 else {**card, "name": {**card["name"], "first_name": _whole_name(card)}}
        for card in _own(message)
    ]


def _whole_name(card: Node) -> str:
    return str(card["name"]["formatted_name"])


def _reaction(message: ClaimedRow, _files: Files) -> Node:
    return {"message_id": message.reply_to_wamid, "emoji": _own(message)["emoji"]}


def _with_files(message: ClaimedRow, files: Files) -> Node:
    """An interactive message or a template, its files by Meta's ids."""
    made = deepcopy(message.payload or {})
    for parent in headers(made):
        kind = str(parent.get("type"))
        named = parent.get(kind) if kind in IN_HEADERS else None
        if isinstance(named, dict) and (graph_id := files.get(our_id(named) or _NOBODY)):
            name = {"filename": filename(message)} if kind == "document" else {}
            parent[kind] = {**name, **named, "id": graph_id}
    return dict(made[message.type])


_NODES: dict[str, Callable[[ClaimedRow, Files], Any]] = {
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
    "interactive": _with_files,
    "template": _with_files,
}
