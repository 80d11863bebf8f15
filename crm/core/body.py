"""Decodes what clients send: JSON bodies and query strings into Structs, naming every wrong field at once."""

import re
import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import msgspec

from crm.core.errors import FieldError, MalformedBody, ValidationFailed

T = TypeVar("T", bound=msgspec.Struct)

# msgspec's sentences, ours in Portuguese, and ours in English where msgspec's tells people nothing; the first
# pattern that matches speaks.
_SAID: list[tuple[str, str, str]] = [
    (r"Expected `(.+?)` matching regex '\\\\S'", "não pode ficar em branco", "must not be blank"),
    (r"Expected `(.+?)` matching regex (.+)", "não tem o formato esperado", "does not have the expected form"),
    (r"Object missing required field `(.+?)`", r"falta o campo obrigatório `\1`", r"\g<0>"),
    (r"Object contains unknown field `(.+?)`", r"campo desconhecido `\1`", r"\g<0>"),
    (r"Expected `(.+?)` of length >= (\d+)", r"precisa de pelo menos \2 caracteres ou itens", r"\g<0>"),
    (r"Expected `(.+?)` of length <= (\d+)", r"pode ter no máximo \2 caracteres ou itens", r"\g<0>"),
    (r"Expected `(.+?)` >= (\S+)", r"deve ser no mínimo \2", r"\g<0>"),
    (r"Expected `(.+?)` <= (\S+)", r"deve ser no máximo \2", r"\g<0>"),
    (r"Expected `(.+?)`, got `(.+?)`", r"esperava `\1`, veio `\2`", r"\g<0>"),
    (r"Invalid enum value (.+)", r"valor não permitido: \1", r"\g<0>"),
    (r"Invalid (.+)", r"formato inválido (\1)", r"\g<0>"),
]
_PLACE = re.compile(r" - at `\$(.*?)`$")


def decode(raw: bytes, kind: type[T]) -> T:
    """A JSON body as `kind`. Raises MalformedBody (not JSON), ValidationFailed (every wrong field).

    What a type cannot say, the Struct's own `misfits(given)` names: fields that depend on each other, a time zone.
    """
    try:
        body = msgspec.json.decode(raw, type=kind)
        found = _nul(msgspec.to_builtins(body), "") if b"\\u0000" in raw else []
        found += _misfits(kind, _loose(raw), found) if hasattr(kind, "misfits") else []
    except msgspec.ValidationError as error:
        found = _errors(given := _loose(raw), kind, error, strict=True)
        raise ValidationFailed(errors=found + _misfits(kind, given, found)) from error
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


def problems(given: Any, kind: Any, pointer: str) -> list[FieldError]:
    """Every wrong field of a value whose kind only another field tells."""
    return _value_errors(given, kind, pointer, strict=True)


def _misfits(kind: type[msgspec.Struct], given: Any, found: list[FieldError]) -> list[FieldError]:
    """What the Struct itself says of fields that are not named yet; their types may be wrong."""
    misfits, named = getattr(kind, "misfits", None), {error.pointer for error in found}
    said = misfits(given) if misfits and isinstance(given, dict) else []
    return [error for error in said if error.pointer not in named]


def _errors(
    given: Any, kind: type[msgspec.Struct], first: msgspec.ValidationError, strict: bool
) -> list[FieldError]:
    """msgspec stops at the first wrong field: look at each field alone to name them all."""
    if not isinstance(given, dict):
        return [_field_error("", str(first))]
    return _object_errors(given, kind, "", strict) or [_field_error("", str(first))]


def _object_errors(
    given: dict[str, Any], kind: type[msgspec.Struct], pointer: str, strict: bool
) -> list[FieldError]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    errors = [
        FieldError(f"{pointer}/{_escape(name)}", f"campo desconhecido `{name}`", f"unknown field `{name}`")
        for name in given
        if name not in fields and kind.__struct_config__.forbid_unknown_fields
    ]
    for name, field in fields.items():
        if name in given:
            errors += _value_errors(given[name], field.type, f"{pointer}/{name}", strict)
        elif field.required:
            errors.append(_field_error(f"{pointer}/{name}", f"Object missing required field `{name}`"))
    return errors


def _value_errors(value: Any, kind: Any, pointer: str, strict: bool) -> list[FieldError]:
    try:
        msgspec.convert(value, kind, strict=strict)
        return _nul(value, pointer)
    except msgspec.ValidationError as error:
        return _inner_errors(value, kind, pointer, strict) or [_field_error(pointer, str(error))]
    except RecursionError:
        return [FieldError(pointer, "aninhado demais", "nested too deep")]


def _inner_errors(value: Any, kind: Any, pointer: str, strict: bool) -> list[FieldError]:
    """The wrong fields of the objects inside a value, each by its own place."""
    errors: list[FieldError] = []
    for option in _options(kind):
        if isinstance(value, dict) and isinstance(option, type) and issubclass(option, msgspec.Struct):
            errors += _object_errors(value, option, pointer, strict)
        elif isinstance(value, list) and get_origin(option) is list:
            for place, part in enumerate(value):
                errors += _value_errors(part, get_args(option)[0], f"{pointer}/{place}", strict)
    return errors


def _options(kind: Any) -> Iterator[Any]:
    """The types that a field's type is made of, without their limits."""
    if get_origin(kind) is Annotated:
        yield from _options(get_args(kind)[0])
    elif get_origin(kind) in (Union, types.UnionType):
        for part in get_args(kind):
            yield from _options(part)
    else:
        yield kind


def _field_error(pointer: str, sentence: str) -> FieldError:
    place = _PLACE.search(sentence)
    if place:
        sentence = sentence[: place.start()]
        pointer += re.sub(r"\[(\d+|\.\.\.)\]|\.", lambda part: f"/{part[1] or ''}", place[1])
    for pattern, pt, en in _SAID:
        if re.match(pattern, sentence):
            return FieldError(pointer, re.sub(pattern, pt, sentence), re.sub(pattern, en, sentence))
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
