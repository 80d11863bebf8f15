"""Decodes what clients send: JSON bodies and query strings into Structs, naming every wrong field at once."""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from crm.core.errors import FieldError, MalformedBody, ValidationFailed

T = TypeVar("T", bound=msgspec.Struct)

# msgspec's sentences (English) and ours in Portuguese; the first pattern that matches speaks.
_PT = [
    (r"Object missing required field `(.+?)`", r"falta o campo obrigatório `\1`"),
    (r"Object contains unknown field `(.+?)`", r"campo desconhecido `\1`"),
    (r"Expected `(.+?)` of length >= (\d+)", r"precisa de pelo menos \2 caracteres ou itens"),
    (r"Expected `(.+?)` of length <= (\d+)", r"pode ter no máximo \2 caracteres ou itens"),
    (r"Expected `(.+?)` matching regex (.+)", r"não tem o formato esperado (\2)"),
    (r"Expected `(.+?)` >= (\S+)", r"deve ser no mínimo \2"),
    (r"Expected `(.+?)` <= (\S+)", r"deve ser no máximo \2"),
    (r"Expected `(.+?)`, got `(.+?)`", r"esperava `\1`, veio `\2`"),
    (r"Invalid enum value (.+)", r"valor não permitido: \1"),
    (r"Invalid (.+)", r"formato inválido (\1)"),
]
_PLACE = re.compile(r" - at `\$(.*?)`$")


def decode(raw: bytes, kind: type[T]) -> T:
    """A JSON body as `kind`. Raises MalformedBody (not JSON), ValidationFailed (every wrong field)."""
    try:
        body = msgspec.json.decode(raw, type=kind)
        found = _nul(msgspec.to_builtins(body), "") if b"\\u0000" in raw else []
    except msgspec.ValidationError as error:
        raise ValidationFailed(errors=_errors(_loose(raw), kind, error, strict=True)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedBody from error
    if found:
        raise ValidationFailed(errors=found)
    return body


def params(given: Mapping[str, str], kind: type[T]) -> T:
    """A query string's values as `kind`; numbers and booleans are read from their text. Raises ValidationFailed."""
    found = _nul(dict(given), "")
    if found:
        raise ValidationFailed(errors=found)
    try:
        return msgspec.convert(dict(given), kind, strict=False)
    except msgspec.ValidationError as error:
        raise ValidationFailed(errors=_errors(dict(given), kind, error, strict=False)) from error


def _loose(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedBody from error


def _errors(
    given: Any, kind: type[msgspec.Struct], first: msgspec.ValidationError, strict: bool
) -> list[FieldError]:
    """msgspec stops at the first wrong field: look at each field alone to name them all."""
    if not isinstance(given, dict):
        return [_field_error("", str(first))]
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    errors = [
        FieldError(f"/{_escape(name)}", f"campo desconhecido `{name}`", f"unknown field `{name}`")
        for name in given
        if name not in fields
    ]
    for name, field in fields.items():
        if name in given:
            errors += _value_errors(name, given[name], field.type, strict)
        elif field.required:
            errors.append(_field_error(f"/{name}", f"Object missing required field `{name}`"))
    return errors or [_field_error("", str(first))]


def _value_errors(name: str, value: Any, kind: Any, strict: bool) -> list[FieldError]:
    try:
        msgspec.convert(value, kind, strict=strict)
        return _nul(value, f"/{name}")
    except msgspec.ValidationError as error:
        return [_field_error(f"/{name}", str(error))]
    except RecursionError:
        return [FieldError(f"/{name}", "aninhado demais", "nested too deep")]


def _field_error(pointer: str, sentence: str) -> FieldError:
    place = _PLACE.search(sentence)
    if place:
        sentence = sentence[: place.start()]
        pointer += re.sub(r"\[(\d+|\.\.\.)\]|\.", lambda part: f"/{part[1] or ''}", place[1])
    for pattern, pt in _PT:
        if re.match(pattern, sentence):
            return FieldError(pointer, re.sub(pattern, pt, sentence), sentence)
    return FieldError(pointer, sentence, sentence)


def _nul(value: Any, pointer: str) -> list[FieldError]:
    """NUL is valid in JSON and impossible in Postgres' text: refuse it by name."""
    if isinstance(value, str):
        bad = "\x00" in value
        return [FieldError(pointer, "contém o caractere NUL", "contains the NUL character")] if bad else []
    if isinstance(value, dict):
        found = [error for name in value for error in _nul(name, pointer)]  # a key may hold it too
        return found + [error for name in value for error in _nul(value[name], f"{pointer}/{_escape(str(name))}")]
    if isinstance(value, list | tuple):
        return [error for place, part in enumerate(value) for error in _nul(part, f"{pointer}/{place}")]
    return []


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
