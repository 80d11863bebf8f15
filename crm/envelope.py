"""Reads Meta's envelope (Meta: webhook transport, inbound types, statuses): four levels, each field optional."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from crm import dead_letters
from crm.changes import Change
from crm.contacts import Person
from crm.core import meta
from crm.messages import Advance, Inbound

STATUSES: dict[Any, Literal["SENT", "DELIVERED", "READ", "PLAYED", "FAILED"]] = {
    "sent": "SENT",
    "delivered": "DELIVERED",
    "read": "READ",
    "played": "PLAYED",
    "failed": "FAILED",
}
_LABELS = {
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
    "edit": "Mensagem editada",
    "revoke": "Mensagem apagada",
    "request_welcome": "Abriu a conversa",
    "unsupported": "Mensagem que a API não entrega",
}
_NUMBER = re.compile(r"[0-9A-Za-z_-]{1,64}")
_KNOWN = {"from", "from_user_id", "id", "timestamp", "type"}
_TEXTS = ("body", "caption", "name", "formatted_name", "filename", "title", "text", "emoji")


class Element(msgspec.Struct, frozen=True):
    """One message or status with where it came from; what it is made of is kept for a dead letter."""

    kind: Literal["message", "status", "change", "other"]
    account: str
    number: str
    node: dict[str, Any]
    profiles: list[dict[str, Any]]
    field: str
    at: int = 0  # entry.time, where Meta says one: unix seconds


Parts = list[tuple[Element, UUID]]  # each with the channel it came over


def elements(body: Any) -> Iterator[Element]:
    """Every message, status and other change of a POST. What is not of the expected shape is `other`."""
    for entry in _dicts(_dict(body).get("entry")):
        for change in _dicts(entry.get("changes")):
            yield from _of_change(str(entry.get("id", "")), change, entry.get("time"))


def lane(body: Any) -> str:
    """The phone_number_id that a POST names first, '' when it names none: those of one number wait in one lane."""
    for entry in _dicts(_dict(body).get("entry")):
        for change in _dicts(entry.get("changes")):
            number = str(_dict(_dict(change.get("value")).get("metadata")).get("phone_number_id", ""))
            if _NUMBER.fullmatch(number):
                return number
    return ""


def _of_change(account: str, change: dict[str, Any], time: Any) -> Iterator[Element]:
    value, field = _dict(change.get("value")), str(change.get("field", ""))
    number = str(_dict(value.get("metadata")).get("phone_number_id", ""))
    profiles = _dicts(value.get("contacts"))
    parts = [("message", node) for node in _dicts(value.get("messages"))]
    parts += [("status", node) for node in _dicts(value.get("statuses"))]
    if field != "messages" or not parts:
        at = time if isinstance(time, int) else 0
        # PARTNER_*: the entry is our own business, the value names the customer's account (Meta: account_update).
        account = _text(_dict(value.get("waba_info")).get("waba_id")) or account
        yield Element("change" if value else "other", account, number, value or change, profiles, field, at)
        return
    for kind, node in parts:
        other = (kind == "status" and _text(node.get("status")) not in STATUSES) or "group_id" in node
        yield Element("other" if other else kind, account, number, node, profiles, field)  # type: ignore[arg-type]


def letter(element: Element) -> tuple[str, str, dict[str, Any]]:
    """The element as a dead letter: its kind, what it is about, and all it was made of."""
    node, wamid = element.node, _text(element.node.get("id"))
    parts = [wamid, node.get("status")] if element.kind == "status" else [wamid]
    about = dead_letters.name_of(*parts if wamid else [node])
    return f"inbound.{element.kind}", about, msgspec.structs.asdict(element)


def posted(item: dict[str, Any]) -> bytes:
    """The POST that holds a dead letter's element alone, as Meta would have sent it."""
    kind, number = item["kind"], item["number"]
    value: dict[str, Any] = {"metadata": {"phone_number_id": number}, "contacts": item["profiles"]}
    if kind == "change":
        value = item["node"]
    else:
        value["statuses" if kind == "status" else "messages"] = [item["node"]]
    change = {"field": item["field"], "value": value}
    return msgspec.json.encode({"entry": [{"id": item["account"], "time": item.get("at"), "changes": [change]}]})


def change(element: Element, channel: UUID) -> Change:
    """A change of one of Meta's other fields."""
    at = _time(element.at or None)
    return Change(element.field, element.account, channel, element.node, at)


def inbound(element: Element, channel: UUID) -> Inbound:
    """A customer's message. Raises ValueError when it names neither itself nor its sender."""
    node = element.node
    wamid, wa_id, bsuid = _text(node.get("id")), _text(node.get("from")), _text(node.get("from_user_id"))
    if not wamid or not (wa_id or bsuid):
        raise ValueError("a message without id or sender")
    kind = _text(node.get("type")) or "unknown"
    rest = {name: value for name, value in node.items() if name not in _KNOWN}
    content = _content(kind, node)
    if kind == "text":
        rest.pop("text", None)
    name = _profile_name(element.profiles, wa_id, bsuid)
    return Inbound(
        channel_id=channel,
        person=Person(wa_id=wa_id, bsuid=bsuid, profile_name=name),
        wamid=wamid,
        type=kind,
        content=content,
        payload=rest or None,
        at=_time(node.get("timestamp")),
        reply_to_wamid=_text(_dict(node.get("context")).get("id")),
    )


def advance(element: Element) -> Advance:
    """A status of one of our messages. Raises ValueError when it names no message."""
    node = element.node
    wamid = _text(node.get("id"))
    if not wamid:
        raise ValueError("a status without id")
    errors = _dicts(node.get("errors"))
    return Advance(
        wamid=wamid,
        message_id=_uuid(node.get("biz_opaque_callback_data")),
        status=STATUSES[node.get("status")],
        at=_time(node.get("timestamp")),
        error=_error(errors[0]) if errors else None,
    )


def sounds(parts: Parts, inbound: list[Inbound], reports: list[Advance]) -> dict[tuple[UUID, str], datetime]:
    """What was heard of each channel, and when: its newest message and status by Meta's time, this POST by ours."""
    now = datetime.now(UTC)
    sounds = {(channel, "webhook"): now for _, channel in parts}
    reporting = [channel for element, channel in parts if element.kind == "status"]
    heard = [(item.channel_id, "inbound", item.at) for item in inbound]
    heard += [(channel, "status", report.at) for channel, report in zip(reporting, reports, strict=True)]
    for channel, name, at in heard:
        sounds[channel, name] = max(at, sounds.get((channel, name), at))
    return sounds


def _error(error: dict[str, Any]) -> dict[str, Any]:
    code = error.get("code")
    title = _text(error.get("title")) or _text(error.get("message")) or ""
    detail = _text(_dict(error.get("error_data")).get("details")) or ""
    return meta.told(code if isinstance(code, int) else None, title, detail)


def _content(kind: str, node: dict[str, Any]) -> str:
    """What a person reads: the text itself, or a label with whatever words the node has."""
    if kind == "text":
        return _text(_dict(node.get("text")).get("body")) or ""
    inner = node.get(kind)
    words = next((text for part in _layers(inner) for name in _TEXTS if (text := _text(part.get(name)))), None)
    label = _LABELS.get(kind, f"Mensagem do tipo {kind}")
    return f"[{label}] {words}" if words else f"[{label}]"


def _layers(inner: Any) -> list[dict[str, Any]]:
    """The node and the objects one level inside it: interactive replies have their title there."""
    outer = inner[0] if isinstance(inner, list) and inner else inner
    top = _dict(outer)
    return [top, *(part for part in top.values() if isinstance(part, dict))]


def _profile_name(profiles: list[dict[str, Any]], wa_id: str | None, bsuid: str | None) -> str | None:
    """contacts[] is parallel in intent, not in index: match it by id."""
    for profile in profiles:
        if (wa_id and profile.get("wa_id") == wa_id) or (bsuid and profile.get("user_id") == bsuid):
            return _text(_dict(profile.get("profile")).get("name"))
    return None


def _time(stamp: Any) -> datetime:
    """Unix seconds as text or number; now when missing or absurd."""
    try:
        return datetime.fromtimestamp(int(stamp), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return datetime.now(UTC)


def _uuid(text: Any) -> UUID | None:
    try:
        return UUID(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _text(value: Any) -> str | None:
    return str(value) if isinstance(value, str | int) and value != "" else None


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []
