"""Reads JSON as the world sends it: what Postgres cannot hold is replaced, and every field is optional."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec


def read(body: bytes) -> Any:
    """The JSON of a webhook. Raises ValueError when it is none.

    Half an emoji (a lone surrogate) and NUL are legal in JSON and impossible in Postgres: they become U+FFFD.
    """
    try:
        try:
            found = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return clean(json.loads(body))
        return clean(found) if b"\\u0000" in body else found
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def clean(value: Any) -> Any:
    """The same value with every text storable."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, dict):
        return {clean(name): clean(part) for name, part in value.items()}
    if isinstance(value, list):
        return [clean(part) for part in value]
    return value


def text_of(value: Any) -> str | None:
    """A text, or a number as text; None for anything else and for ''."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) and value != "" else None


def dict_of(value: Any) -> dict[str, Any]:
    """The object, or an empty one."""
    return value if isinstance(value, dict) else {}


def dicts_of(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; what is none is left out."""
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []


def time_of(stamp: Any, otherwise: datetime | None = None) -> datetime:
    """Unix seconds as text or number; when missing or absurd `otherwise`, or now."""
    return maybe_time_of(stamp) or otherwise or datetime.now(UTC)


def maybe_time_of(stamp: Any) -> datetime | None:
    """Unix seconds as text or number; None when missing or absurd."""
    try:
        return datetime.fromtimestamp(int(stamp), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def uuid_of(text: Any) -> UUID | None:
    """A UUID, None when it is none."""
    try:
        return UUID(text) if isinstance(text, str) else None
    except ValueError:
        return None
