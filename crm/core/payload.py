"""Reads JSON as the world sends it: what Postgres cannot hold is replaced, not refused."""

import json
from typing import Any

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
