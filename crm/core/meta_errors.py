"""What may be done about each of Meta's errors (Meta: error codes): the table's rule, or one by the HTTP status."""

import msgspec

from crm.core.meta_codes import (
    OPTED_OUT,
    PAIR,
    PERMANENT,
    TABLE,
    THROTTLED,
    TOKEN,
    TRANSIENT,
    UNCERTAIN,
    Meaning,
    Rule,
)

__all__ = [
    "OPTED_OUT",
    "PAIR",
    "PERMANENT",
    "TRANSIENT",
    "UNCERTAIN",
    "Meaning",
    "Refusal",
    "Rule",
    "action",
    "meaning",
    "rule",
]


class Refusal(msgspec.Struct, frozen=True):
    """What Meta's answer says of itself: `code` is None when it had none of Graph's own, as a proxy's page."""

    status: int
    code: int | None = None
    subcode: int = 0
    is_transient: bool = False


def rule(refusal: Refusal) -> Rule:
    """Meta's code first, the HTTP status only without one: throttling arrives as 400 as well as 429."""
    code, status = refusal.code, refusal.status
    if code is None:
        return TRANSIENT if refusal.is_transient else _by_status(status)
    if code == 100 and refusal.subcode == 33:
        return TOKEN
    if code == 1 and status >= 500:
        return TRANSIENT
    known = TABLE.get(code)
    found = known.rule if known else PERMANENT
    return TRANSIENT if found.retry == "permanent" and refusal.is_transient else found


def _by_status(status: int) -> Rule:
    if status == 429:
        return THROTTLED
    if status in (502, 504):  # a gateway lost the answer: Graph itself may have taken the message
        return UNCERTAIN
    return TRANSIENT if status >= 500 else PERMANENT


def meaning(code: int | None, subcode: int = 0) -> Meaning | None:
    """The line of the table: a subcode's own first (Meta: template errors), then the code's; None when unknown."""
    own = TABLE.get(subcode) if subcode else None
    return own or (None if code is None else TABLE.get(code))


def action(code: int | None) -> str | None:
    """A word for what helps, or None."""
    found = meaning(code)
    return found.rule.action if found else None
