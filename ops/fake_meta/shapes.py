"""Shape checks of outgoing messages, with Meta's limits (Meta: §6 table)."""

from collections.abc import Callable
from typing import Any

from . import cards
from .errors import GraphError, invalid, required

Node = dict[str, Any]
HEADERS = {"text", "image", "video", "document"}
COMPONENTS = {"header", "body", "button", "carousel", "limited_time_offer", "order_status"}
CAPTIONED = {"image", "video", "document"}
PASSED_THROUGH = {"flow", "product", "product_list", "catalog_message", "carousel", "address_message"}


def text_in(node: Any, name: str, most: int, *, code: int = 100, least: int = 1) -> str:
    """A string parameter of `least` to `most` characters (not bytes)."""
    value = node.get(name) if isinstance(node, dict) else None
    if value is None:
        raise required(name)
    if not isinstance(value, str) or not least <= len(value) <= most:
        raise invalid(f"Param {name} must be a string of {least} to {most} characters", code)
    return value


def at_most(node: Node, name: str, most: int, *, code: int = 100) -> None:
    """The same for a parameter that may be missing."""
    if node.get(name) is not None:
        text_in(node, name, most, code=code)


def text(node: Node) -> None:
    """Body 1 to 4096."""
    text_in(node, "body", 4096)


def media(kind: str) -> Callable[[Node], None]:
    """Exactly one of id and link; captions only where there is a place for them."""

    def check(node: Node) -> None:
        if ("id" in node) == ("link" in node):
            raise invalid(f"Param {kind} must have exactly one of id and link")
        if "link" in node and not str(node["link"]).startswith(("http://", "https://")):
            raise invalid(f"Param {kind}['link'] is not a valid URI.")
        if "caption" in node and kind not in CAPTIONED:
            raise invalid(f'Unexpected key "caption" on param {kind}')
        at_most(node, "caption", 1024)
        if "voice" in node and (kind != "audio" or not isinstance(node["voice"], bool)):
            raise invalid(f"Param {kind}['voice'] must be a boolean of an audio")

    return check


def location(node: Node) -> None:
    """Latitude and longitude, as numbers or numeric strings."""
    for name, most in (("latitude", 90), ("longitude", 180)):
        try:
            inside = abs(float(node[name])) <= most
        except (KeyError, TypeError, ValueError):
            raise required(f"location['{name}']") from None
        if not inside:
            raise invalid(f"Param location['{name}'] is out of range", 131009)
    for name in ("name", "address"):
        at_most(node, name, 1000)


def contacts(node: Any) -> None:
    """1 to 257 contacts, each with a formatted name."""
    if not isinstance(node, list) or not 1 <= len(node) <= 257:
        raise invalid("Param contacts must be an array of 1 to 257 contacts")
    for one in node:
        text_in(one.get("name"), "formatted_name", 1024)


def reaction(node: Node) -> None:
    """An empty emoji removes the reaction."""
    text_in(node, "message_id", 512)
    text_in(node, "emoji", 32, least=0)


def interactive(node: Node) -> None:
    """Buttons, lists, links and location requests; the rest passes."""
    kind = text_in(node, "type", 64)
    if kind in PASSED_THROUGH:
        return
    check = INTERACTIVE.get(kind)
    if check is None:
        raise invalid(f"Param interactive['type'] must not be {kind!r}")
    text_in(node.get("body"), "text", 4096 if kind == "list" else 1024, code=131009)
    at_most(node.get("footer") or {}, "text", 60, code=131009)
    if "header" in node:
        header(node["header"], {"text"} if kind == "list" else HEADERS)
    check(node.get("action") or {})


def header(node: Node, kinds: set[str]) -> None:
    """A line of 60, or one file."""
    kind = node.get("type")
    if kind not in kinds or kind not in node:
        raise invalid(f"Param header['type'] must be one of {sorted(kinds)}, and be there", 131009)
    if kind == "text":
        text_in(node, "text", 60, code=131009)
    else:
        media(kind)(node[kind])


def buttons(action: Node) -> None:
    """Up to three, titles of 20, ids of 256, none twice."""
    replies = [button.get("reply") for button in action.get("buttons", [])]
    if not 1 <= len(replies) <= 3:
        raise invalid("Invalid buttons count. Min allowed buttons: 1, Max allowed buttons: 3", 131009)
    for reply in replies:
        text_in(reply, "title", 20, code=131009)
        text_in(reply, "id", 256, code=131009)
    distinct([reply["id"] for reply in replies])


def listed(action: Node) -> None:
    """Up to ten rows in all sections together."""
    text_in(action, "button", 20, code=131009)
    sections = action.get("sections", [])
    rows = [row for section in sections for row in section.get("rows", [])]
    if not 1 <= len(rows) <= 10:
        raise invalid("Total row count exceed max allowed count: 10", 131009)
    for row in rows:
        text_in(row, "title", 24, code=131009)
        text_in(row, "id", 200, code=131009)
        at_most(row, "description", 72, code=131009)
    for section in sections:
        at_most(section, "title", 24, code=131009)
        if len(sections) > 1 and not section.get("title"):
            raise invalid("Section title is required when there is more than one section", 131009)
    distinct([row["id"] for row in rows])


def distinct(ids: list[str]) -> None:
    """Ids are unique inside a message."""
    if len(set(ids)) < len(ids):
        raise invalid("Duplicated ids", 131009)


def link(action: Node) -> None:
    """A button that opens an address."""
    text_in(action.get("parameters"), "display_text", 20, code=131009)
    url = text_in(action.get("parameters"), "url", 2000, code=131009)
    if action.get("name") != "cta_url" or not url.startswith(("http://", "https://")):
        raise invalid("Param action must be named cta_url and have a valid URL", 131009)


def asked_location(action: Node) -> None:
    """The one action there is."""
    if action.get("name") != "send_location":
        raise invalid("Param action['name'] must be send_location", 131009)


def template(node: Node) -> None:
    """Name, language, and what fills it; whether it exists is looked up by the send itself."""
    text_in(node, "name", 512)
    text_in(node.get("language"), "code", 16)
    for component in cards.inside(node.get("components", [])):
        kind = str(component.get("type", "")).lower()
        if kind not in COMPONENTS or (kind == "button") != ("sub_type" in component and "index" in component):
            raise invalid(f"Unexpected component {kind!r}: a button has sub_type and index")
        for parameter in component.get("parameters", []):
            parameter_of(parameter)


def parameter_of(node: Node) -> None:
    """A parameter holds what its type names; a file by its id or link."""
    kind = text_in(node, "type", 32)
    if kind not in node:
        raise GraphError(132012, f"(#132012) Parameter format does not match: {kind} is missing")
    if kind in HEADERS - {"text"}:
        media(kind)({name: value for name, value in node[kind].items() if name != "filename"})


def files(body: Node) -> list[tuple[str, str]]:
    """Every file that a body names by an id, with its kind: its own, or those of headers and parameters."""
    node = body[str(body.get("type", "text"))]
    if body.get("type") in MEDIA:
        parents: list[Node] = [body]
    elif body.get("type") == "interactive":
        parents = [node.get("header") or {}]
    elif body.get("type") == "template":
        parts = cards.inside(node.get("components", []))
        parents = [part for component in parts for part in component.get("parameters", [])]
    else:
        parents = []
    named = [(parent["type"], parent[parent["type"]]) for parent in parents if parent.get("type") in MEDIA]
    return [(kind, str(file["id"])) for kind, file in named if "id" in file]


INTERACTIVE: dict[str, Callable[[Node], None]] = {
    "button": buttons,
    "list": listed,
    "cta_url": link,
    "location_request_message": asked_location,
}
MEDIA = {"image", "video", "audio", "document", "sticker"}
TYPES: dict[str, Callable[[Any], None]] = {
    "text": text,
    "location": location,
    "contacts": contacts,
    "reaction": reaction,
    "interactive": interactive,
    "template": template,
} | {kind: media(kind) for kind in sorted(MEDIA)}


def check(body: Node) -> str:
    """The type of a well-formed message request, else Graph's complaint."""
    kind = body.get("type", "text")
    if not isinstance(kind, str) or kind not in TYPES:
        raise GraphError(100, f"(#100) Param type must be one of {sorted(TYPES)} - got {kind!r}.")
    if kind not in body:
        raise required(kind)
    if kind == "reaction" and "context" in body:
        raise invalid("Param context is not allowed on a reaction", 131009)
    try:
        TYPES[kind](body[kind])
    except (AttributeError, KeyError, TypeError):
        raise invalid(f"Param {kind} has the wrong shape") from None
    at_most(body, "biz_opaque_callback_data", 512)
    return str(kind)
