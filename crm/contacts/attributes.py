"""Fields of contacts that a hotel has of its own: any while its admin declares none, then those declared alone."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from crm import audit
from crm.contacts.knowing import hold
from crm.core import sql
from crm.core.access import ATTENDANT, TENANT_ADMIN
from crm.core.errors import FieldError, ValidationFailed, invalid
from crm.core.fields import Name
from crm.core.http import Call, Door
from crm.core.tx import Tx

_sql = sql.load("attributes")

TEXT_LIMIT = 1000  # characters of a value
EXACT = 2**53  # the largest number that every reader of JSON reads as it was written (RFC 8259, section 6)
MOST, KEY_LIMIT = 100, 40  # fields that are declared, or that a contact has; characters of a key

Key = Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,39}$(?!\n)")]
Option = Annotated[str, Meta(min_length=1, max_length=100)]
Type = Literal["text", "number", "date", "boolean", "list"]


class AttributeRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A field of contacts, as declared, stored and shown. A list's value is one of its options."""

    key: Key
    label: Name
    type: Type
    options: Annotated[list[Option], Meta(max_length=100)] = []


class Attributes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of them, in the order of the form."""

    data: Annotated[list[AttributeRow], Meta(max_length=MOST)]


class FreeRow(msgspec.Struct, frozen=True):
    """A field that nobody declared."""

    key: str


async def check(tx: Tx, values: dict[str, Any], kept: Mapping[str, Any]) -> None:
    """Values fit what the hotel declared, if anything; null takes away one of those `kept`, whatever it is.

    Raises ValidationFailed naming each wrong one.
    """
    if not values:
        return
    known = {row.key: row for row in await declared(tx)}
    errors = [
        fault
        for key, value in values.items()
        if value is not None and (fault := _fault(key, value, known.get(key)) if known else _any(key, value))
    ]
    if errors:
        raise ValidationFailed(errors=errors)
    if sum(value is not None for value in {**kept, **values}.values()) > max(MOST, len(kept)):
        raise invalid("/attributes", f"no máximo {MOST} campos", f"at most {MOST} fields")


def _any(key: str, value: Any) -> FieldError | None:
    """A field of a hotel that declared none: text, a number, or yes and no."""
    if not 1 <= len(key) <= KEY_LIMIT or key != key.strip() or not key.isprintable():
        return FieldError(
            _pointer(key[:KEY_LIMIT]),
            f"o nome de um campo tem de 1 a {KEY_LIMIT} caracteres, sem espaços nas pontas",
            f"the name of a field has 1 to {KEY_LIMIT} characters and no space around it",
        )
    if any(_FITS[kind](value, None) for kind in ("text", "number", "boolean")):
        return None
    return FieldError(
        _pointer(key), "não é texto, número, nem true ou false", "neither text, nor a number, nor true or false"
    )


def _pointer(key: str) -> str:
    """RFC 6901."""
    return "/attributes/" + key.replace("~", "~0").replace("/", "~1")


async def declared(tx: Tx) -> list[AttributeRow]:
    """What the hotel declared, in its order."""
    return await tx.many(_sql.declared, AttributeRow)


async def free(tx: Tx) -> list[str]:
    """The keys that most contacts have, for a table of all of them where nothing is declared."""
    return [row.key for row in await tx.many(_sql.free, FreeRow, most=MOST)]


def _fault(key: str, value: Any, row: AttributeRow | None) -> FieldError | None:
    pointer = _pointer(key)
    if row is None:
        return FieldError(pointer, f"campo não declarado `{key}`", f"undeclared attribute `{key}`")
    if _FITS[row.type](value, row):
        return None
    words = {"list": ", ".join(row.options)}.get(row.type, row.type)
    return FieldError(pointer, f"não é válido; espera-se: {words}", f"not valid; expected: {words}")


def _is_date(value: Any) -> bool:
    try:
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


_FITS: dict[str, Callable[[Any, Any], bool]] = {
    "text": lambda value, _: isinstance(value, str) and len(value) <= TEXT_LIMIT,
    "number": lambda value, _: type(value) in (int, float) and abs(value) <= EXACT,
    "date": lambda value, _: _is_date(value),
    "boolean": lambda value, _: isinstance(value, bool),
    "list": lambda value, row: value in row.options,
}


async def page(call: Call) -> Attributes:
    """What the hotel declared."""
    return Attributes(await declared(call.tx))


async def declare(call: Call) -> Attributes:
    """Declare all fields anew; values of a field that is gone stay, and can no longer be written.

    Raises ValidationFailed.
    """
    rows: list[AttributeRow] = call.body.data
    if errors := _faults(rows):
        raise ValidationFailed(errors=errors)
    await hold(call.tx)  # of two at once the later one sees what to take away
    await call.tx.none(_sql.declare, fields=rows)
    await audit.note(call, call.tx, "contact_attributes.declared", keys=[row.key for row in rows])
    return Attributes(await declared(call.tx))


def _faults(rows: list[AttributeRow]) -> list[FieldError]:
    """A key stands once; a list has options, and nothing else has."""
    errors, seen = [], set[str]()
    for place, row in enumerate(rows):
        if row.key in seen:
            errors.append(FieldError(f"/data/{place}/key", "chave repetida", "the key stands twice"))
        if (row.type == "list") != bool(row.options):
            errors.append(
                FieldError(
                    f"/data/{place}/options",
                    "só `list` tem opções, e precisa delas",
                    "only a `list` has options, and it needs them",
                )
            )
        seen.add(row.key)
    return errors


routes = [
    Door(method="GET", path="/api/contact-attributes", handler=page, role=ATTENDANT, answer=Attributes),
    Door(
        method="PUT",
        path="/api/contact-attributes",
        handler=declare,
        role=TENANT_ADMIN,
        body=Attributes,
        answer=Attributes,
    ),
]
