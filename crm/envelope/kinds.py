"""What a person reads of each kind of message (Meta: inbound message types): its words, or a label with them."""

from collections.abc import Callable
from typing import Any

from crm.core.payload import dict_of, dicts_of, text_of

LABELS = {
    "image": "Imagem",
    "video": "Vídeo",
    "audio": "Áudio",
    "document": "Documento",
    "sticker": "Figurinha",
    "location": "Localização",
    "contacts": "Contato",
    "reaction": "Reação",
    "order": "Pedido",
    "system": "Aviso do WhatsApp",
    "interactive": "Resposta",
    "button": "Resposta",
    "template": "Modelo",
    "edit": "Mensagem editada",
    "revoke": "Mensagem apagada",
    "request_welcome": "Abriu a conversa",
    "media_placeholder": "Mídia do histórico",
    "unsupported": "Mensagem que a API não entrega",
}
_UNSUPPORTED = {
    "edit": "edição",
    "poll_creation": "enquete",
    "poll_update": "voto em enquete",
    "pin": "mensagem fixada",
    "group_invite": "convite de grupo",
    "gif": "GIF",
    "keep_in_chat": "mensagem guardada",
    "product": "produto",
    "order": "pedido",
    "hsm": "modelo",
    "media_placeholder": "mídia",
}
_TEXTS = ("body", "caption", "name", "formatted_name", "filename", "title", "text", "emoji")

Node = dict[str, Any]


def content(kind: str, node: Node) -> str:
    """The text itself, or a label in brackets with whatever words the node has; never empty but for a text."""
    if kind == "text":
        return text_of(dict_of(node.get("text")).get("body")) or ""
    label = LABELS.get(kind, f"Mensagem do tipo {kind[:60]}")
    words = _WORDS.get(kind, _any)(node, node.get(kind))
    return f"[{label}] {words}" if words else f"[{label}]"


def known(kind: str) -> bool:
    """Whether this kind is one we have words for; others are counted, so that somebody looks."""
    return kind == "text" or kind in LABELS


def _any(_node: Node, inner: Any) -> str | None:
    return next((text for part in _layers(inner) for name in _TEXTS if (text := text_of(part.get(name)))), None)


def _layers(inner: Any) -> list[Node]:
    """The node and the objects one level inside it: interactive replies have their title there."""
    outer = inner[0] if isinstance(inner, list) and inner else inner
    top = dict_of(outer)
    return [top, *(part for part in top.values() if isinstance(part, dict))]


def _location(_node: Node, inner: Any) -> str | None:
    place = dict_of(inner)
    words = [text for name in ("name", "address") if (text := text_of(place.get(name)))]
    where = [str(place[name]) for name in ("latitude", "longitude") if place.get(name) is not None]
    return ", ".join(words or where) or None


def _contacts(_node: Node, inner: Any) -> str | None:
    return ", ".join(words for card in dicts_of(inner) if (words := _card(card))) or None


def _card(card: Node) -> str | None:
    """A name, or a phone: a card may lack either."""
    name = dict_of(card.get("name"))
    names = [text_of(name.get(part)) for part in ("formatted_name", "first_name", "last_name")]
    phones = [text_of(phone.get("phone")) or text_of(phone.get("wa_id")) for phone in dicts_of(card.get("phones"))]
    return next((text for text in [*names, *phones] if text), None)


def _reaction(_node: Node, inner: Any) -> str:
    return text_of(dict_of(inner).get("emoji")) or "retirada"


def _order(_node: Node, inner: Any) -> str | None:
    items = dicts_of(dict_of(inner).get("product_items"))
    counts = [str(item.get("quantity", "")) for item in items]
    many = sum(int(count) for count in counts if count.isdecimal() and len(count) < 7)
    told = [f"{many} itens" if many != 1 else "1 item"] if many else []
    words = text_of(dict_of(inner).get("text"))
    return ": ".join([*told, *([words] if words else [])]) or None


def _interactive(_node: Node, inner: Any) -> str | None:
    node = dict_of(inner)
    if node.get("type") == "nfm_reply":
        reply = dict_of(node.get("nfm_reply"))
        return text_of(reply.get("body")) or text_of(reply.get("name")) or "formulário"
    return _any(node, inner)


def _edit(_node: Node, inner: Any) -> str | None:
    message = dict_of(dict_of(inner).get("message"))
    kind = text_of(message.get("type"))
    return content(kind, message) if kind and kind != "edit" else None


def _unsupported(node: Node, inner: Any) -> str | None:
    kind = text_of(dict_of(inner).get("type"))
    titles = [text_of(error.get("title")) for error in dicts_of(node.get("errors"))]
    return _UNSUPPORTED.get(kind, kind) if kind else next((title for title in titles if title), None)


def _nothing(_node: Node, _inner: Any) -> None:
    return None


_WORDS: dict[str, Callable[[Node, Any], str | None]] = {
    "location": _location,
    "contacts": _contacts,
    "reaction": _reaction,
    "order": _order,
    "interactive": _interactive,
    "edit": _edit,
    "revoke": _nothing,
    "unsupported": _unsupported,
}
