"""What Meta's other fields say of a number or an account (Meta: other webhook fields), read into news.

Each reader is pure: it takes the field's value, which is somebody else's JSON, and never raises.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from crm.channels.notices import LIMIT_LOWERED, NAME_REFUSED, QUALITY_LOW, Severity

Value = dict[str, Any]
_LONGEST = 500  # characters kept of a text of Meta's: a notice goes to every socket of the hotel


class News(msgspec.Struct, frozen=True):
    """A matter's newest word, the notice it raises, and those it ends."""

    name: str
    value: str
    raises: str | None = None
    data: Value = {}
    severity: Severity | None = None
    ends: tuple[str, ...] = ()


def quality(value: Value) -> list[News]:
    """phone_number_quality_update, old and new shape: a colour (or FLAGGED), and the limit of conversations."""
    event = _word(value, "event")
    news = [of_colour(colour)] if (colour := _word(value, "new_quality_score", "quality_rating")) else []
    if event == "FLAGGED" and not news:
        news = [of_colour("RED")]
    if event == "UNFLAGGED" and not news:  # back to medium or high: which, Meta does not say
        news = [News("quality", "UNKNOWN", ends=(QUALITY_LOW,))]
    return news + _limit(value, event)


def of_colour(colour: str) -> News:
    """The quality that a number has now."""
    if colour in ("RED", "YELLOW"):
        severity: Severity = "CRITICAL" if colour == "RED" else "WARNING"
        return News("quality", colour, QUALITY_LOW, {"quality": colour}, severity)
    return News("quality", colour, ends=(QUALITY_LOW,) if colour == "GREEN" else ())


def capability(value: Value) -> list[News]:
    """business_capability_update: the limit, as a number or as a tier."""
    return _limit(value, "")


def _limit(value: Value, event: str) -> list[News]:
    names = ("max_daily_conversations_per_business", "current_limit", "max_daily_conversation_per_phone")
    limit = _word(value, *names)
    if not limit:
        return []
    if event == "DOWNGRADE":
        return [News("limit", limit, LIMIT_LOWERED, {"limit": limit, "was": _word(value, "old_limit") or None})]
    return [News("limit", limit, ends=(LIMIT_LOWERED,) if event == "UPGRADE" else ())]


def name(value: Value) -> list[News]:
    """phone_number_name_update."""
    decision = _word(value, "decision")
    return [of_name(decision, _text(value, "requested_verified_name"), _text(value, "rejection_reason"))]


def of_name(status: str, asked: str | None = None, reason: str | None = None) -> News:
    """How the display name stands now."""
    if status in ("DECLINED", "REJECTED"):
        told = reason if reason and reason.upper() != "NONE" else None
        return News("name_status", status, NAME_REFUSED, {"name": asked, "says": told})
    return News("name_status", status, ends=(NAME_REFUSED,) if status == "APPROVED" else ())


def review(value: Value) -> list[News]:
    """account_review_update."""
    decision = _word(value, "decision")
    if decision == "REJECTED":
        return [News("review", decision, "review_refused")]
    return [News("review", decision, ends=("review_refused",) if decision == "APPROVED" else ())]


def alert(value: Value) -> list[News]:
    """account_alerts: what is only informational is heard, and nobody is bothered with it."""
    info = _dict(value.get("alert_info")) or value
    kind, status = _word(info, "alert_type"), _word(info, "alert_status")
    if status in ("RESOLVED", "DISMISSED"):
        return [News("alert", kind, ends=tuple(_ALERTS.values()))]
    raises = _ALERTS.get(_word(info, "alert_severity"))
    if raises is None:
        return [News("alert", kind)]
    return [News("alert", kind, raises, {"type": kind, "status": status, "says": _text(info, "alert_description")})]


# A kind each: what is grave is not said over by a lesser alert.
_ALERTS = {"CRITICAL": "account_alert_critical", "WARNING": "account_alert"}


def security(value: Value) -> list[News]:
    """security: a PIN that somebody wants reset, or has changed."""
    event = _word(value, "event")
    return [News("security", event, "security_event", {"event": event, "requester": _text(value, "requester")})]


def username(value: Value) -> list[News]:
    """business_username_update."""
    if _word(value, "status") == "DELETED":
        return [News("username", "", "username_deleted", {"username": _text(value, "username")})]
    return [News("username", _text(value, "username") or "", ends=("username_deleted",))]


def account(value: Value) -> list[News]:
    """account_update: each event is of one matter; those that ask nothing of anybody are kept raw alone."""
    event = _word(value, "event")
    if event == "DISABLED_UPDATE":
        return [_ban(_dict(value.get("ban_info")))]
    if event == "ACCOUNT_RESTRICTION":
        return [News("restriction", event, "account_restricted", {"restrictions": _restrictions(value)})]
    if event == "ACCOUNT_VIOLATION":
        says = _text(_dict(value.get("violation_info")), "violation_type")
        return [News("violation", says or event, "account_violation", {"says": says})]
    return [_EVENTS[event]] if event in _EVENTS else []


def _restrictions(value: Value) -> list[Value]:
    """What is restricted, and until when."""
    told = value.get("restriction_info")
    parts = [part for part in told if isinstance(part, dict)] if isinstance(told, list) else []
    names = ("restriction_type", "expiration", "remediation")
    return [{name: _word(part, name) for name in names if name in part} for part in parts[:10]]


def _ban(info: Value) -> News:
    state = _word(info, "waba_ban_state")
    if state == "REINSTATE":
        return News("ban", state, ends=("account_banned", "account_restricted", "account_violation"))
    return News("ban", state, "account_banned", {"state": state, "date": _text(info, "waba_ban_date")})


_EVENTS = {
    "ACCOUNT_DELETED": News("deletion", "ACCOUNT_DELETED", "account_deleted"),
    "ACCOUNT_OFFBOARDED": News("phone_app", "ACCOUNT_OFFBOARDED", "phone_app_left"),
    "ACCOUNT_RECONNECTED": News("phone_app", "ACCOUNT_RECONNECTED", ends=("phone_app_left",)),
    "PARTNER_ADDED": News("partner", "PARTNER_ADDED", ends=("app_removed",)),
    "PARTNER_APP_INSTALLED": News("partner", "PARTNER_APP_INSTALLED", ends=("app_removed",)),
    "PARTNER_APP_UNINSTALLED": News("partner", "PARTNER_APP_UNINSTALLED", "app_removed"),
    "PARTNER_REMOVED": News("partner", "PARTNER_REMOVED", "app_removed"),
}

READERS: dict[str, Callable[[Value], list[News]]] = {
    "account_alerts": alert,
    "account_review_update": review,
    "account_update": account,
    "business_capability_update": capability,
    "business_username_update": username,
    "phone_number_name_update": name,
    "phone_number_quality_update": quality,
    "security": security,
}


def _word(value: Value, *names: str) -> str:
    """The first of these that is there, in capitals; Meta writes limits as numbers or as words."""
    found = next((value[name] for name in names if isinstance(value.get(name), str | int)), "")
    return str(found).upper()[:_LONGEST]


def _text(value: Value, name: str) -> str | None:
    found = value.get(name)
    return found[:_LONGEST] if isinstance(found, str) and found else None


def _dict(value: Any) -> Value:
    return value if isinstance(value, dict) else {}
