"""Example files of a template's headers: named by our own ids, handed to Meta as handles (Meta: media)."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import msgspec

from crm.core import meta_media, sql
from crm.core.errors import FieldError, ValidationFailed
from crm.core.meta_media import Sample
from crm.core.payload import dict_of
from crm.core.rails import Rails
from crm.core.store import key_of
from crm.core.tx import Tx
from crm.templates.graph import Account, Node
from crm.templates.parts import word
from crm.templates.shapes import Create

_sql = sql.load("templates")
_TYPES = {
    "IMAGE": ("image/jpeg", "image/png"),
    "VIDEO": ("video/mp4",),
    "DOCUMENT": ("application/pdf",),
}


class SampleRow(msgspec.Struct, frozen=True):
    """A file of the hotel's that may be an example."""

    id: UUID
    mime_type: str
    size: int
    sha256: bytes


async def found(tx: Tx, new: Create) -> dict[UUID, SampleRow]:
    """The files that headers name as their example. Raises ValidationFailed, naming what is not there or unfit."""
    named = [(here, part, file) for here, part in _headers(new.components) if (file := _ours(part))]
    ids = list({file for _, _, file in named})
    rows = {row.id: row for row in await tx.many(_sql.samples, SampleRow, ids=ids)} if ids else {}
    faults = [
        FieldError(f"{here}/example/header_handle/0", *_needs(part))
        for here, part, file in named
        if file not in rows or rows[file].mime_type not in _types(part)
    ]
    if faults:
        raise ValidationFailed(errors=faults)
    return rows


async def handed(rails: Rails, tenant: UUID, account: Account, new: Create, rows: dict[UUID, SampleRow]) -> Create:
    """The template with Meta's handles in place of our ids. Raises MetaError, NotFound, Unavailable."""
    if not rows:
        return new
    app = await account.app()
    handles = {}
    for row in rows.values():
        pieces = await rails.store.read(key_of(tenant, row.sha256), 0, row.size)
        sample = Sample(row.mime_type, row.size, pieces)
        handles[row.id] = await meta_media.sample(rails.graph, app, account.token(), sample)
    components = msgspec.json.decode(msgspec.json.encode(new.components))
    for _, part in _headers(components):
        if file := _ours(part):
            part["example"]["header_handle"] = [handles[file]]
    return msgspec.structs.replace(new, components=components)


def _headers(components: list[Any], above: str = "") -> Iterator[tuple[str, Node]]:
    """The headers of a checked template that show a file, those of cards too, each with its place.

    Nothing else is looked into: what a part has besides, nobody has checked.
    """
    for place, part in enumerate(components):
        here, kind = f"{above}/components/{place}", word(part.get("type"))
        if kind == "HEADER" and _types(part):
            yield here, part
        for number, card in enumerate(part["cards"] if kind == "CAROUSEL" else []):
            yield from _headers(card["components"], f"{here}/cards/{number}")


def _ours(part: Node) -> UUID | None:
    """The example when it is named by an id of ours: a handle of Meta's is none."""
    handles = dict_of(part.get("example")).get("header_handle") or [""]
    try:
        return UUID(handles[0])
    except ValueError:
        return None


def _types(part: Node) -> tuple[str, ...]:
    return _TYPES.get(word(part.get("format")), ())


def _needs(part: Node) -> tuple[str, str]:
    types = ", ".join(_types(part))
    return f"um arquivo enviado a /api/media: {types}", f"a file sent to /api/media: {types}"
