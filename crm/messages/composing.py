"""What a message to send becomes in its row: the words a person reads, what it is made of, and its file."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec

from crm import template_texts
from crm.messages.kinds import FILES, Send, TemplateUse

_LABELS = {
    "image": "[Imagem]",
    "video": "[Vídeo]",
    "audio": "[Áudio]",
    "voice": "[Mensagem de voz]",
    "document": "[Documento]",
    "sticker": "[Figurinha]",
}
IN_HEADERS = ("image", "video", "document")


def content(new: Send) -> str:
    """What a person reads of it: the text or caption itself, or a label. A template's text is `filled`."""
    if new.kind in FILES:
        return new.caption or _LABELS[new.kind]
    return _WORDS[new.kind](new)


def _place(new: Send) -> str:
    assert new.location is not None
    place = new.location
    return f"[Localização] {place.name or place.address or f'{place.latitude}, {place.longitude}'}"


def _cards(new: Send) -> str:
    return f"[Contato] {', '.join(card.name.formatted_name for card in new.contacts or [])}"[:4096]


def _emoji(new: Send) -> str:
    assert new.reaction is not None
    return f"[Reação] {new.reaction.emoji}" if new.reaction.emoji else "[Reação retirada]"


def _question(new: Send) -> str:
    body = (new.interactive or {}).get("body")
    text = body.get("text") if isinstance(body, dict) else None
    return text if isinstance(text, str) and text else "[Mensagem interativa]"


_WORDS: dict[str, Callable[[Send], str]] = {
    "text": lambda new: new.content or "",
    "location": _place,
    "contacts": _cards,
    "reaction": _emoji,
    "interactive": _question,
}


def filled(components: list[dict[str, Any]], use: TemplateUse) -> str:
    """The template as the customer reads it."""
    return (template_texts.filled(components, template(use).get("components")) or f"[Modelo] {use.name}")[:4096]


def payload(new: Send) -> dict[str, Any] | None:
    """What it is made of beside its words, under the name of its type; a file by our own id."""
    if new.kind == "text":
        return None if new.preview_url else {"text": {"preview_url": False}}
    if new.kind in FILES:
        return {new.kind: {"caption": new.caption}} if new.caption else None
    if new.template is not None:
        return {"template": template(new.template)}
    return {new.kind: msgspec.to_builtins(getattr(new, new.kind))}


def template(use: TemplateUse) -> dict[str, Any]:
    """The node as Graph takes it; a file in it still by our own id."""
    components = msgspec.to_builtins(use.components)
    return {"name": use.name, "language": {"code": use.code}} | ({"components": components} if components else {})


def files(new: Send) -> list[tuple[UUID, str]]:
    """The files it needs, and as what: its own, that of its header, or one of each card."""
    if new.media_id is not None:
        return [(new.media_id, new.kind)]
    return in_headers(payload(new))


def in_headers(payload: dict[str, Any] | None) -> list[tuple[UUID, str]]:
    """The files that a payload's headers name, and as what; in a carousel one of each card."""
    found = []
    for parent in headers(payload):
        kind = parent.get("type")
        if kind in IN_HEADERS and isinstance(named := parent.get(kind), dict) and (ours := our_id(named)):
            found.append((ours, str(kind)))
    return found


def our_id(named: dict[str, Any]) -> UUID | None:
    """None where a message that passes as it is names a file by something else than our id."""
    try:
        return UUID(str(named.get("id")))
    except ValueError:
        return None


def headers(payload: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The places of a payload that may hold a file: an interactive's header, a template's parameters."""
    made = payload or {}
    header = made.get("interactive", {}).get("header")
    parts = made.get("template", {}).get("components", [])
    parts = [*parts, *(part for card in cards(made) for part in card.get("components", []))]
    parameters = [parameter for part in parts for parameter in part.get("parameters", [])]
    return [part for part in [header, *parameters] if isinstance(part, dict)]


def cards(payload: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The cards of a template's carousel, in order."""
    components = (payload or {}).get("template", {}).get("components", [])
    return [card for component in components for card in component.get("cards", [])]
