"""The JSON Schemas of what goes in and out, as msgspec makes them, and then as generators of types read them."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

Schema = dict[str, Any]
_PLACE = "#/components/schemas/"


def schemas(asked: list[Any], read: list[Any], answered: list[Any]) -> tuple[dict[int, Schema], dict[str, Schema]]:
    """Schemas of bodies, of queries and headers, and of answers, by their types' id(); and those they refer to.

    An answer says everything, so each field is required that UNSET does not leave out. In a body null is as good
    as left out where it is the default, and other defaults are told in words: of a `default` openapi-typescript
    makes a field that must be given. A query has no null. None of these is referred to: theirs are whole.
    """
    kinds = [*asked, *read, *answered]
    made, components = msgspec.json.schema_components(kinds, ref_template=f"{_PLACE}{{name}}")
    components = _named([*made, *components.values()], components)
    by_kind = dict(zip(map(id, kinds), made, strict=True))
    into, out = (_reached((by_kind[id(kind)] for kind in some), components) for some in (asked, answered))
    for schema in [*made, *components.values()]:
        _open(schema)
    for name, schema in components.items():
        if name in into:
            _without_defaults(schema)
        elif name in out:
            _whole(schema)
    for kind in set(map(id, read)):
        by_kind[kind] = _without_null(components[_name(by_kind[kind])])
    return by_kind, {name: schema for name, schema in components.items() if name in into | out}


def _named(every: list[Schema], components: dict[str, Schema]) -> dict[str, Schema]:
    """Components by names (and titles) of their own: of two alike msgspec tells the modules, and clients broke."""
    names = {name: "".join(map(_camel, re.split(r"[.\W]", name.removeprefix("crm.")))) for name in components}
    for part in (part for schema in every for part in _parts(schema) if "$ref" in part):
        part["$ref"] = _PLACE + names.get(_name(part), _name(part))
    return {names[name]: {**schema, "title": names[name]} for name, schema in components.items()}


def _camel(word: str) -> str:
    """A part of a name. `shapes` says nothing."""
    return "" if word == "shapes" else "".join(part[:1].upper() + part[1:] for part in word.split("_"))


def _open(schema: Schema) -> None:
    """An object of any fields says so, without that generators give it none; so does a list of anything."""
    for part in _parts(schema):
        if part.get("type") == "object" and not part.keys() & {"properties", "additionalProperties"}:
            part["additionalProperties"] = True
        if part.get("type") == "array" and not part.keys() & {"items", "prefixItems"}:
            part["items"] = {}


def _reached(schemas: Iterable[Schema], components: dict[str, Schema]) -> set[str]:
    """The names of all components that these refer to, and those refer to."""
    found: set[str] = set()
    waiting = list(schemas)
    while waiting:
        for part in _parts(waiting.pop()):
            name = _name(part)
            if name and name not in found:
                found.add(name)
                waiting.append(components[name])
    return found


def _name(schema: Schema) -> str:
    """Of the component that a schema refers to, if it is no more than that."""
    return str(schema.get("$ref", "")).removeprefix(_PLACE)


def _parts(schema: Schema) -> Iterator[Schema]:
    """A schema and those inside it."""
    yield schema
    inner = [schema.get("items"), schema.get("additionalProperties"), *schema.get("anyOf", ())]
    for part in [*schema.get("properties", {}).values(), *inner]:
        if isinstance(part, dict):
            yield from _parts(part)


def _whole(schema: Schema) -> None:
    """Defaults are written, too."""
    for name, field in schema.get("properties", {}).items():
        if "default" in field:
            del field["default"]
            schema["required"].append(name)


def _without_defaults(schema: Schema) -> None:
    for field in schema.get("properties", {}).values():
        default = field.pop("default", None)
        if default is not None:
            field["description"] = f"Left out: {json.dumps(default)}."


def _without_null(schema: Schema) -> Schema:
    """A query's schema without what no query can say."""
    fields = {}
    for name, field in schema["properties"].items():
        told = {key: value for key, value in field.items() if key != "default" or value is not None}
        some = [one for one in told.pop("anyOf", ()) if one != {"type": "null"}]
        fields[name] = {**some[0], **told} if len(some) == 1 else {**told, "anyOf": some} if some else told
    return {**schema, "properties": fields}
