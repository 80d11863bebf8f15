"""What an element says: a message of a customer or of the hotel's phone, a status of ours, a change."""

import re
from typing import Any, Literal
from uuid import UUID

from crm.changes import Change
from crm.contacts import Moved, Person
from crm.core import meta, metrics
from crm.core.payload import dict_of, dicts_of, text_of, time_of, uuid_of
from crm.envelope import kinds
from crm.envelope.elements import ECHOES, HISTORY, STANDBY, STATUSES, Element
from crm.messages import Advance, Inbound

Node = dict[str, Any]
Origin = Literal["PHONE", "HISTORY", "STANDBY"]

_ORIGINS: dict[str, Origin] = {ECHOES: "PHONE", HISTORY: "HISTORY", STANDBY: "STANDBY"}
_KNOWN = {"from", "from_user_id", "from_parent_user_id", "id", "timestamp", "type", "to", "to_user_id", "message"}
_MOVES = {"user_changed_number", "user_changed_user_id", "customer_changed_number", "user_id_update"}
_BSUID = re.compile(r"[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}")  # Meta: user ids
_ALREADY = {"DELIVERED", "READ", "PLAYED"}


def inbound(element: Element, channel: UUID) -> Inbound:
    """A message as it is to be kept. Raises ValueError when it names neither itself nor whom it is with."""
    node, kind = element.node, text_of(element.node.get("type")) or "unknown"
    wamid, person = text_of(node.get("id")), _person(element)
    # Media of a history that the hotel sent may not say to whom: its placeholder does.
    if not wamid or not (person.identities or element.field == HISTORY):
        raise ValueError("a message without id or sender, or whom it went to")
    if not kinds.known(kind):
        metrics.elements.labels("unknown type").inc()
    return Inbound(
        channel_id=channel,
        person=person,
        wamid=wamid,
        type=kind,
        content=kinds.content(kind, node),
        payload=_rest(element, kind) or None,
        at=time_of(node.get("timestamp")),
        reply_to_wamid=_quoted(dict_of(node.get("context"))),
        status=_status(element),
        origin=_ORIGINS.get(element.field),
        target_wamid=_target(kind, dict_of(node.get(kind))),
        from_ad=bool(node.get("referral")),
        moved=_moved(dict_of(node.get("system"))) if kind == "system" and not person.group else None,
    )


def _rest(element: Element, kind: str) -> Node:
    """The node without what has columns of its own; of a group's message, who of the group wrote it."""
    rest = {name: value for name, value in element.node.items() if name not in _KNOWN}
    if kind == "text":
        rest.pop("text", None)
    if text_of(element.node.get("group_id")):
        names = ("from", "from_user_id")
        rest["author"] = {name: element.node[name] for name in names if name in element.node}
        rest["author"]["name"] = text_of(dict_of(_profile(element).get("profile")).get("name"))
    return rest


def _quoted(context: Node) -> str | None:
    """The message that this one answers; a send names it otherwise, and so does its echo (Meta: sending)."""
    return text_of(context.get("id")) or text_of(context.get("message_id"))


def _person(element: Element) -> Person:
    """Whom the conversation is with: the group, the customer who wrote, or whom the hotel wrote to."""
    node = element.node
    group = text_of(node.get("group_id"))
    if group:
        return Person(group=group)
    side = "to" if element.echo else "from"
    profile = {} if element.echo else _profile(element)
    about = dict_of(profile.get("profile"))
    thread = element.thread
    by_user_id = bool(_BSUID.fullmatch(thread))
    number = ("" if by_user_id else thread) or text_of(node.get(side)) or ""
    dialled = number.startswith("+")  # Meta's own wa_id may be another (Meta: phone number quirks)
    return Person(
        wa_id=None if dialled else number or None,
        phone=number if dialled else None,
        bsuid=thread
        if by_user_id
        else text_of(dict_of(node.get("system")).get("previous_user_id")) or text_of(node.get(f"{side}_user_id")),
        parent_bsuid=text_of(node.get(f"{side}_parent_user_id")),
        profile_name=text_of(about.get("name")),
        username=text_of(about.get("username")),
    )


def _profile(element: Element) -> Node:
    """contacts[] is parallel in intent, not in index: match it by id."""
    wa_id, bsuid = text_of(element.node.get("from")), text_of(element.node.get("from_user_id"))
    for profile in element.profiles:
        if (wa_id and profile.get("wa_id") == wa_id) or (bsuid and profile.get("user_id") == bsuid):
            return profile
    return {}


def _status(element: Element) -> str:
    if not element.echo:
        return "RECEIVED"
    told = (text_of(dict_of(element.node.get("history_context")).get("status")) or "").upper()
    return told if told in _ALREADY else "SENT"


def _target(kind: str, node: Node) -> str | None:
    """The message that a reaction, an edit or a deletion is about."""
    if kind == "reaction":
        return text_of(node.get("message_id"))
    return text_of(node.get("original_message_id")) if kind in ("edit", "revoke") else None


def _moved(system: Node) -> Moved | None:
    """A customer's new number or user id, in the new spelling or the old ones (Meta: system)."""
    if text_of(system.get("type")) not in _MOVES:
        return None
    return Moved(
        wa_id=text_of(system.get("wa_id")) or text_of(system.get("new_wa_id")),
        bsuid=text_of(system.get("user_id")),
        parent_bsuid=text_of(system.get("parent_user_id")),
    )


def advance(element: Element) -> Advance:
    """A status of one of our messages. Raises ValueError when it names no message."""
    node = element.node
    wamid = text_of(node.get("id"))
    if not wamid:
        raise ValueError("a status without id")
    errors = dicts_of(node.get("errors"))
    return Advance(
        wamid=wamid,
        message_id=uuid_of(node.get("biz_opaque_callback_data")),
        status=STATUSES[node.get("status")],
        at=time_of(node.get("timestamp")),
        error=_error(errors[0]) if errors else None,
        pricing=_pricing(dict_of(node.get("pricing"))),
        bsuid=text_of(node.get("recipient_user_id")),
    )


def _pricing(node: Node) -> Node | None:
    """What Meta charges; its two spellings of one category are one here (Meta: statuses)."""
    if not node:
        return None
    category = text_of(node.get("category"))
    return {
        "type": text_of(node.get("type")),
        "category": category and category.replace("-", "_").lower(),
        "model": text_of(node.get("pricing_model")),
        "billable": node.get("billable") if isinstance(node.get("billable"), bool) else None,
    }


def change(element: Element, channel: UUID) -> Change:
    """A change of one of Meta's other fields."""
    return Change(element.field, element.account, channel, element.node, time_of(element.at or None))


def _error(error: Node) -> Node:
    code = error.get("code")
    title = text_of(error.get("title")) or text_of(error.get("message")) or ""
    detail = text_of(dict_of(error.get("error_data")).get("details")) or ""
    return meta.told(code if isinstance(code, int) else None, title, detail)
