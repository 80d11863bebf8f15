"""Interactive messages in Meta's own shape, with Meta's limits in characters (Meta: sending).

Buttons, lists, a link and the question for a place are read in full; catalogues and flows pass as they are.
"""

from collections import Counter
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from crm.core import body
from crm.core.errors import FieldError

PASSED_ON = {"flow", "product", "product_list", "catalog_message", "carousel", "address_message"}
LARGEST = 16 * 1024  # bytes of an object that passes as it is
_ROWS = 10  # of a list, in all its sections together

Text60 = Annotated[str, Meta(min_length=1, max_length=60)]
Title = Annotated[str, Meta(min_length=1, max_length=20)]
RowTitle = Annotated[str, Meta(min_length=1, max_length=24)]


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of a message in Meta's shape: a field nobody knows is refused, here and not by Meta."""


class File(Part, frozen=True):
    """A file by our own id: it is uploaded to Meta, never linked to."""

    id: UUID
    filename: Text60 | None = None


class Header(Part, frozen=True):
    """Above the body: a line, or one file."""

    type: Literal["text", "image", "video", "document"]
    text: Text60 | None = None
    image: File | None = None
    video: File | None = None
    document: File | None = None


class LineHeader(Part, frozen=True):
    """Above a list stands only a line."""

    type: Literal["text"]
    text: Text60


class Body(Part, frozen=True):
    """The text of all but lists."""

    text: Annotated[str, Meta(min_length=1, max_length=1024)]


class ListBody(Part, frozen=True):
    """The text of a list."""

    text: Annotated[str, Meta(min_length=1, max_length=4096)]


class Footer(Part, frozen=True):
    """Below, in grey."""

    text: Text60


class Reply(Part, frozen=True):
    """What a button answers."""

    id: Annotated[str, Meta(min_length=1, max_length=256)]
    title: Title


class Button(Part, frozen=True):
    """A button that answers."""

    type: Literal["reply"]
    reply: Reply


class ButtonsAction(Part, frozen=True):
    """One to three buttons."""

    buttons: Annotated[list[Button], Meta(min_length=1, max_length=3)]


class Buttons(Part, frozen=True):
    """A question with up to three buttons."""

    type: Literal["button"]
    body: Body
    action: ButtonsAction
    header: Header | None = None
    footer: Footer | None = None


class Row(Part, frozen=True):
    """A line of a list."""

    id: Annotated[str, Meta(min_length=1, max_length=200)]
    title: RowTitle
    description: Annotated[str, Meta(min_length=1, max_length=72)] | None = None


class Section(Part, frozen=True):
    """Some lines of a list below a title; of several sections each has one."""

    rows: Annotated[list[Row], Meta(min_length=1, max_length=_ROWS)]
    title: RowTitle | None = None


class ListAction(Part, frozen=True):
    """The button that opens the list, and the list."""

    button: Title
    sections: Annotated[list[Section], Meta(min_length=1, max_length=10)]


class Listed(Part, frozen=True):
    """A question with a list of up to ten rows."""

    type: Literal["list"]
    body: ListBody
    action: ListAction
    header: LineHeader | None = None
    footer: Footer | None = None


class LinkParameters(Part, frozen=True):
    """What the button says, and where it leads."""

    display_text: Title
    url: Annotated[str, Meta(pattern=r"^https?://\S+$(?!\n)", max_length=2000)]


class LinkAction(Part, frozen=True):
    """A button that opens an address."""

    name: Literal["cta_url"]
    parameters: LinkParameters


class Link(Part, frozen=True):
    """A text with a button that opens an address."""

    type: Literal["cta_url"]
    body: Body
    action: LinkAction
    header: Header | None = None
    footer: Footer | None = None


class PlaceAction(Part, frozen=True):
    """The one action there is."""

    name: Literal["send_location"]


class PlaceRequest(Part, frozen=True):
    """Asks the customer where they are."""

    type: Literal["location_request_message"]
    body: Body
    action: PlaceAction


_KINDS = {"button": Buttons, "list": Listed, "cta_url": Link, "location_request_message": PlaceRequest}


def misfits(given: Any, pointer: str) -> list[FieldError]:
    """Every wrong field of an interactive node."""
    kind = given.get("type") if isinstance(given, dict) else None
    if isinstance(kind, str) and kind in PASSED_ON:
        return too_large(given, pointer)
    if not isinstance(kind, str) or kind not in _KINDS:
        known = ", ".join([*_KINDS, *sorted(PASSED_ON)])
        return [FieldError(f"{pointer}/type", f"use um destes: {known}", f"use one of: {known}")]
    found = body.problems(given, _KINDS[kind], pointer)
    return found or _header_misfits(given.get("header"), f"{pointer}/header") or _action_misfits(given, pointer)


def too_large(given: Any, pointer: str) -> list[FieldError]:
    """Whether an object that passes as it is has too many bytes."""
    if len(msgspec.json.encode(given)) <= LARGEST:
        return []
    return [FieldError(pointer, f"maior que {LARGEST} bytes", f"larger than {LARGEST} bytes")]


def _header_misfits(header: Any, pointer: str) -> list[FieldError]:
    """A header has what its type names, and nothing else."""
    if not header:
        return []
    kind = header["type"]
    errors = [
        FieldError(f"{pointer}/{name}", f"não cabe em `{kind}`", f"does not go with `{kind}`")
        for name in header
        if name not in ("type", kind) and header[name] is not None
    ]
    if header.get(kind) is None:
        errors.append(FieldError(f"{pointer}/{kind}", f"falta o campo `{kind}`", f"`{kind}` is missing"))
    return errors


def _action_misfits(given: dict[str, Any], pointer: str) -> list[FieldError]:
    """Ids are unique, a list has ten rows in all, and of several sections each has a title."""
    action = given["action"]
    if given["type"] == "button":
        return _twice([button["reply"]["id"] for button in action["buttons"]], f"{pointer}/action/buttons")
    if given["type"] != "list":
        return []
    sections, place = action["sections"], f"{pointer}/action/sections"
    ids = [row["id"] for section in sections for row in section["rows"]]
    errors = _twice(ids, place)
    if len(ids) > _ROWS:
        errors.append(FieldError(place, f"no máximo {_ROWS} linhas ao todo", f"at most {_ROWS} rows in all"))
    for number, section in enumerate(sections if len(sections) > 1 else []):
        if not section.get("title"):
            told = "obrigatório com várias seções", "needed with several sections"
            errors.append(FieldError(f"{place}/{number}/title", *told))
    return errors


def _twice(ids: list[str], pointer: str) -> list[FieldError]:
    repeated = ", ".join(name for name, times in Counter(ids).items() if times > 1)
    if not repeated:
        return []
    return [FieldError(pointer, f"id repetido: {repeated[:200]}", f"an id stands twice: {repeated[:200]}")]
