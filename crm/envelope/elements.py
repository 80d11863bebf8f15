"""What a POST of Meta's holds (Meta: webhook transport): four levels, each field optional."""

import re
from collections.abc import Iterator
from typing import Any, Literal
from uuid import UUID

import msgspec

from crm import dead_letters
from crm.core.payload import dict_of, dicts_of, text_of

STATUSES: dict[Any, Literal["SENT", "DELIVERED", "READ", "PLAYED", "FAILED"]] = {
    "sent": "SENT",
    "delivered": "DELIVERED",
    "read": "READ",
    "played": "PLAYED",
    "failed": "FAILED",
}
ECHOES, HISTORY, STANDBY = "smb_message_echoes", "history", "standby"
_NUMBER = re.compile(r"[0-9A-Za-z_-]{1,64}")

Node = dict[str, Any]


class Element(msgspec.Struct, frozen=True):
    """One message, status or change with where it came from; all it is made of is kept for a dead letter."""

    kind: Literal["message", "status", "change", "other"]
    account: str
    number: str
    node: Node
    profiles: list[Node]
    field: str
    at: int = 0  # entry.time, where Meta says one: unix seconds
    echo: bool = False  # the hotel's own, sent elsewhere
    thread: str = ""  # of an imported history: the customer's wa_id, or user id


Parts = list[tuple[Element, UUID]]  # each with the channel it came over


def elements(body: Any) -> Iterator[Element]:
    """Every message, status and other change of a POST. What is not of the expected shape is `other`."""
    for entry in dicts_of(dict_of(body).get("entry")):
        for change in dicts_of(entry.get("changes")):
            yield from _of_change(str(entry.get("id", "")), change, entry.get("time"))


def lane(body: Any) -> str:
    """The phone_number_id that a POST names first, '' when it names none: those of one number wait in one lane."""
    for entry in dicts_of(dict_of(body).get("entry")):
        for change in dicts_of(entry.get("changes")):
            number = str(dict_of(dict_of(change.get("value")).get("metadata")).get("phone_number_id", ""))
            if _NUMBER.fullmatch(number):
                return number
    return ""


def _of_change(account: str, change: Node, time: Any) -> Iterator[Element]:
    value, field = dict_of(change.get("value")), str(change.get("field", ""))
    number = str(dict_of(value.get("metadata")).get("phone_number_id", ""))
    held = dict_of(value.get("standby")) if field == STANDBY else value
    profiles = dicts_of(held.get("contacts"))
    parts = [*_messages(held, field), *(("status", node, {}) for node in dicts_of(held.get("statuses")))]
    at = time if isinstance(time, int) else 0
    if not parts:
        whole = "change" if value and field != "messages" else "other"
        # PARTNER_*: the entry is our own business, the value names the customer's account (Meta: account_update).
        account = text_of(dict_of(value.get("waba_info")).get("waba_id")) or account
        yield Element(whole, account, number, value if whole == "change" else change, profiles, field, at)  # type: ignore[arg-type]
    for kind, node, more in parts:
        unknown = kind == "status" and text_of(node.get("status")) not in STATUSES
        yield Element("other" if unknown else kind, account, number, node, profiles, field, at, **more)  # type: ignore[arg-type]


def _messages(held: Node, field: str) -> Iterator[tuple[str, Node, dict[str, Any]]]:
    """The messages of a change, wherever its field keeps them (Meta: other webhook fields)."""
    if field in ("messages", HISTORY, STANDBY):
        yield from (
            ("message", node, {"echo": _is_own(node, held, field)}) for node in dicts_of(held.get("messages"))
        )
    if field in (ECHOES, HISTORY, STANDBY):
        yield from (("message", _sent(node), {"echo": True}) for node in dicts_of(held.get("message_echoes")))
    if field == HISTORY:
        for part in dicts_of(held.get("history")):
            for thread in dicts_of(part.get("threads")):
                name = text_of(thread.get("id")) or ""
                for node in dicts_of(thread.get("messages")):
                    yield "message", node, {"thread": name, "echo": bool(name) and _is_hotels(node, name)}


def _is_hotels(node: Node, thread: str) -> bool:
    """Of a thread, named by its customer: the hotel's number wrote. A customer may have a user id and no `from`."""
    if thread in (node.get("from"), node.get("from_user_id")):
        return False
    return any(text_of(node.get(name)) for name in ("from", "to", "to_user_id"))


def _is_own(node: Node, held: Node, field: str) -> bool:
    """Media of a history come outside their thread, the hotel's own among them: to somebody, or from its number."""
    if field != HISTORY:
        return False
    own = re.sub(r"\D", "", str(dict_of(held.get("metadata")).get("display_phone_number", "")))
    return bool(text_of(node.get("to")) or text_of(node.get("to_user_id"))) or bool(own and node.get("from") == own)


def _sent(node: Node) -> Node:
    """A standby's echo holds what was sent one level down: to a phone as dialled, or `recipient`, a user id."""
    sent = node.get("message")
    if not isinstance(sent, dict):
        return node
    dialled = re.sub(r"[^0-9]", "", text_of(sent.get("to")) or "")
    named = {"to": f"+{dialled}" if dialled else None, "to_user_id": text_of(sent.get("recipient"))}
    return {**sent, **named, **node}


def letter(element: Element) -> tuple[str, str, Node]:
    """The element as a dead letter: its kind, what it is about, and all it was made of."""
    node, wamid = element.node, text_of(element.node.get("id"))
    parts = [wamid, node.get("status")] if element.kind == "status" else [wamid]
    about = dead_letters.name_of(*parts) if wamid else dead_letters.digest_of(node)
    return f"inbound.{element.kind}", about, msgspec.structs.asdict(element)


def posted(item: Node) -> bytes:
    """The POST that holds a dead letter's element alone, as Meta would have sent it."""
    metadata = {"metadata": {"phone_number_id": item["number"]}} if item["number"] else {}
    change = {"field": item["field"], "value": {**_value(item), **metadata}}
    return msgspec.json.encode({"entry": [{"id": item["account"], "time": item.get("at"), "changes": [change]}]})


def _value(item: Node) -> Node:
    node, field = item["node"], item["field"]
    if item["kind"] == "change":
        return dict(node)
    if item.get("thread"):
        return {"history": [{"threads": [{"id": item["thread"], "messages": [node]}]}]}
    name = "statuses" if item["kind"] == "status" else "message_echoes" if item.get("echo") else "messages"
    held = {"contacts": item["profiles"], name: [node]}
    return {"standby": held} if field == STANDBY else held
