"""What may be done about each of Meta's error codes (Meta: error codes; facts, section 6.2)."""

from typing import Literal

import msgspec

Retry = Literal["permanent", "transient", "throttled", "uncertain"]
Scope = Literal["message", "channel", "account"]


class Rule(msgspec.Struct, frozen=True):
    """What a refusal means: for this message alone, for its channel, or for every channel of its account (WABA).

    `wait` is the least pause in seconds. `people`: nothing helps before somebody has done what `action` says, and
    the messages wait for that without losing a try.
    """

    retry: Retry = "permanent"
    scope: Scope = "message"
    wait: int = 0
    people: bool = False
    action: str | None = None


PERMANENT = Rule()
TRANSIENT = Rule("transient")
THROTTLED = Rule("throttled", "channel", 5, action="slow_down")
UNCERTAIN = Rule("uncertain")
PAIR = 131056  # Meta: pair rate limit, one message in 6 seconds to one person, retry after 4^tries
_TOKEN = Rule("throttled", "channel", people=True, action="update_token")


def _account(action: str) -> Rule:
    return Rule("throttled", "channel", people=True, action=action)


_RULES = {
    **dict.fromkeys((2, 131000, 131016, 133004, 2494100), TRANSIENT),
    131057: Rule("transient", wait=60),
    PAIR: Rule("throttled", "message", 6, action="slow_down"),
    130429: THROTTLED,
    133016: Rule("throttled", "channel", 3600, action="slow_down"),
    **dict.fromkeys((4, 80007), Rule("throttled", "account", 60, action="slow_down")),
    **dict.fromkeys((131048, 131064), _account("check_quality")),
    **dict.fromkeys((0, 3, 10, 33, 190, 131005), _TOKEN),
    **dict.fromkeys((368, 131031, 134011), _account("check_account")),
    131042: _account("check_payment"),
    **dict.fromkeys((131045, 133006, 133010), _account("register_number")),
    131037: _account("check_name"),
    # Meta files it under the account, yet it is about the recipient's country: one guest must not stop a hotel.
    130497: Rule(action="check_number"),
    131047: Rule(action="send_template"),
    **dict.fromkeys((131021, 131026, 131030, 131062), Rule(action="check_number")),
    131049: Rule(action="wait_24_hours"),
    131050: Rule(action="opted_out"),
}


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
    if (code == 100 and refusal.subcode == 33) or 200 <= code <= 299:
        return _TOKEN
    if code == 1 and status >= 500:
        return TRANSIENT
    found = _RULES.get(code, PERMANENT)
    return TRANSIENT if found.retry == "permanent" and refusal.is_transient else found


def _by_status(status: int) -> Rule:
    if status == 429:
        return THROTTLED
    if status in (502, 504):  # a gateway lost the answer: Graph itself may have taken the message
        return UNCERTAIN
    return TRANSIENT if status >= 500 else PERMANENT


def action(code: int | None) -> str | None:
    """A word for what helps, or None."""
    return None if code is None else _RULES.get(code, PERMANENT).action
