"""What Meta's webhooks say of templates (Meta: other webhook fields): told apart by their keys, not by the field.

Called inside the tenant's transaction, under its door. Meta's time orders what arrives in any order.
"""

from datetime import datetime
from typing import Any

import msgspec

from crm.core import sql
from crm.core.feed import Event
from crm.core.payload import dict_of, maybe_time_of, text_of
from crm.core.tx import Tx
from crm.template_texts import component
from crm.templates.parts import word
from crm.templates.shapes import TemplateRow, updated
from crm.templates.syncing import want, write

_sql = sql.load("templates")

_AS = {"REINSTATED": "APPROVED", "UNARCHIVED": "APPROVED"}  # events that are no status of their own

Node = dict[str, Any]


async def told(tx: Tx, account: str, value: Node, at: datetime) -> list[Event]:
    """Do what a webhook says of a template; one that is not here is read from Meta soon."""
    row = await _found(tx, account, value)
    if row is None:
        if word(value.get("event")) != "DELETED":
            await want(tx, account)
        return []
    changes = _changes(row, value, at)
    if not changes:
        return []
    return [updated(await write(tx, msgspec.structs.replace(row, **changes)))]


async def _found(tx: Tx, account: str, value: Node) -> TemplateRow | None:
    """By Meta's id, else by name and language; the end of a former one of that name is not this one's end."""
    graph_id = text_of(value.get("message_template_id"))
    name = text_of(value.get("message_template_name"))
    language = (text_of(value.get("message_template_language")) or "").replace("-", "_")
    row = await tx.maybe(_sql.find, TemplateRow, account=account, graph_id=graph_id, name=name, language=language)
    former = row and graph_id and row.graph_id not in (None, graph_id)
    return None if former and word(value.get("event")) == "DELETED" else row


def _changes(row: TemplateRow, value: Node, at: datetime) -> dict[str, Any]:
    """The columns that a webhook changes."""
    graph_id = text_of(value.get("message_template_id"))
    learned = {"graph_id": graph_id} if graph_id and row.graph_id is None else {}
    if "new_quality_score" in value:
        return {**learned, "quality": word(value["new_quality_score"]) or None}
    if "new_category" in value or "correct_category" in value:
        return {**learned, **_category(row, value)}
    if "event" in value:
        return {**learned, **_status(row, value, at)}
    if "message_template_element" in value:
        return {**learned, "components": rewritten(row.components, value)}
    return learned


def _category(row: TemplateRow, value: Node) -> dict[str, Any]:
    """Announced: `new_category` is still today's, `correct_category` comes. Done: it was another before."""
    new = word(value.get("new_category")) or row.category
    coming = word(value.get("correct_category"))
    if coming:
        at = maybe_time_of(value.get("category_update_timestamp"))
        return {"category": new, "next_category": coming, "category_changes_at": at}
    before = word(value.get("previous_category")) or row.category
    return {
        "category": new,
        "previous_category": before,
        "next_category": None,
        "category_changes_at": None,
    }


def _status(row: TemplateRow, value: Node, at: datetime) -> dict[str, Any]:
    """The status with its reason and advice, unless Meta told a newer one before."""
    at = at.replace(microsecond=0)
    if row.status_at is not None and at < row.status_at:
        return {}
    event = word(value.get("event"))
    category = word(value.get("message_template_category"))
    moved = {"category": category, "previous_category": row.category} if category not in ("", row.category) else {}
    return {**moved, "status": _AS.get(event, event) or row.status, "status_at": at, **_why(value)}


def _why(value: Node) -> dict[str, str | None]:
    """`reason` in Meta's word, `advice` in its sentences."""
    rejected, other, ends = (dict_of(value.get(name)) for name in ("rejection_info", "other_info", "disable_info"))
    reason = word(value.get("reason"))
    told = [
        rejected.get("reason"),
        rejected.get("recommendation"),
        other.get("description"),
        ends.get("disable_date"),
    ]
    advice = " ".join(str(part) for part in told if part)
    return {
        "reason": (reason if reason != "NONE" else "") or word(other.get("title")) or None,
        "advice": advice or None,
    }


def rewritten(components: list[Node], value: Node) -> list[Node]:
    """The components with the texts that Meta tells; what it does not tell (examples, media) stays."""
    texts = {
        "HEADER": value.get("message_template_title"),
        "BODY": value.get("message_template_element"),
        "FOOTER": value.get("message_template_footer"),
    }
    parts = {kind: {**component(components, kind), "text": text} for kind, text in texts.items() if text_of(text)}
    for kind, part in parts.items():
        part.setdefault("type", kind)
    if "HEADER" in parts:
        parts["HEADER"].setdefault("format", "TEXT")
    buttons = value.get("message_template_buttons")
    if isinstance(buttons, list):
        parts["BUTTONS"] = {
            "type": "BUTTONS",
            "buttons": [_button(one) for one in buttons if isinstance(one, dict)],
        }
    kinds = [word(part.get("type")) for part in components]
    kept = [parts.pop(kind, part) for kind, part in zip(kinds, components, strict=True)]
    order = ["HEADER", "BODY", "FOOTER", "BUTTONS"]
    return sorted([*kept, *parts.values()], key=lambda part: _place(order, word(part.get("type"))))


def _place(order: list[str], kind: str) -> int:
    return order.index(kind) if kind in order else len(order)


def _button(node: Node) -> Node:
    """A button of the webhook in the words of the list."""
    prefix = "message_template_button_"
    return {name.removeprefix(prefix): part for name, part in node.items() if name.startswith(prefix)}
