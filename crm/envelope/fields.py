"""Reads what may be missing or of another type than told: every field of Meta's is optional."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID


def text_of(value: Any) -> str | None:
    """A text, or a number as text; None for anything else and for ''."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) and value != "" else None


def dict_of(value: Any) -> dict[str, Any]:
    """The object, or an empty one."""
    return value if isinstance(value, dict) else {}


def dicts_of(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; what is none is left out."""
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []


def time_of(stamp: Any) -> datetime:
    """Unix seconds as text or number; now when missing or absurd."""
    try:
        return datetime.fromtimestamp(int(stamp), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return datetime.now(UTC)


def uuid_of(text: Any) -> UUID | None:
    """A UUID, None when it is none."""
    try:
        return UUID(text) if isinstance(text, str) else None
    except ValueError:
        return None
