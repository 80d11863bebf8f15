"""The cards of a carousel, by Meta's rules (Meta: media card carousel templates): two to ten, all of one make."""

from typing import Any

from crm.core.errors import FieldError
from crm.template_texts import CARD_LENGTH, component
from crm.templates.buttons import check_buttons, kinds_of
from crm.templates.parts import Faults, check_body, check_header, one_of, word
from crm.templates.shapes import Create

LEAST, MOST, BUTTONS = 2, 10, 2
_TYPES, _FORMATS, _BUTTON_TYPES = (
    ("HEADER", "BODY", "BUTTONS"),
    ("IMAGE", "VIDEO"),
    ("QUICK_REPLY", "URL", "PHONE_NUMBER"),
)


def check(here: str, part: dict[str, Any], named: bool) -> Faults:
    """The CAROUSEL component itself."""
    cards = part.get("cards")
    if not isinstance(cards, list) or not LEAST <= len(cards) <= MOST:
        yield FieldError(f"{here}/cards", f"uma lista de {LEAST} a {MOST}", f"a list of {LEAST} to {MOST}")
        return
    makes = []
    for place, card in enumerate(cards):
        parts = card.get("components") if isinstance(card, dict) else None
        if not isinstance(parts, list) or not all(isinstance(one, dict) for one in parts):
            yield FieldError(f"{here}/cards/{place}/components", "uma lista de objetos", "a list of objects")
            continue
        yield from _check_card(f"{here}/cards/{place}/components", parts, named)
        makes.append(_make(parts))
        if makes[-1] != makes[0]:
            told = "os mesmos componentes em todos os cartões", "the same components in every card"
            yield FieldError(f"{here}/cards/{place}/components", *told)


def check_around(new: Create) -> Faults:
    """What may stand beside a CAROUSEL: a BODY, in a template for marketing."""
    if new.category != "MARKETING":
        yield FieldError("/category", "CAROUSEL só em MARKETING", "CAROUSEL in MARKETING only")
    for place, part in enumerate(new.components):
        kind = word(part.get("type")) if isinstance(part, dict) else ""
        if kind in ("HEADER", "FOOTER", "BUTTONS", "LIMITED_TIME_OFFER"):
            told = f"{kind} não cabe com CAROUSEL", f"{kind} does not go with CAROUSEL"
            yield FieldError(f"/components/{place}", *told)


def _check_card(here: str, parts: list[dict[str, Any]], named: bool) -> Faults:
    seen: set[str] = set()
    for place, part in enumerate(parts):
        kind, there = word(part.get("type")), f"{here}/{place}"
        if kind not in _TYPES:
            yield one_of(f"{there}/type", _TYPES)
        elif kind in seen:
            yield FieldError(there, f"só um {kind}", f"only one {kind}")
        elif kind == "HEADER":
            yield from check_header(there, part, named, _FORMATS)
        elif kind == "BODY":
            yield from check_body(there, part, named, CARD_LENGTH)
        else:
            yield from check_buttons(f"{there}/buttons", part.get("buttons"), "MARKETING", _BUTTON_TYPES, BUTTONS)
        seen.add(kind)
    if "HEADER" not in seen:
        yield FieldError(here, "falta o HEADER", "the HEADER is missing")


def _make(parts: list[dict[str, Any]]) -> tuple[Any, ...]:
    """What is the same of every card: the format of its file, whether it has a text, its buttons in order."""
    header, buttons = component(parts, "HEADER"), component(parts, "BUTTONS")
    return word(header.get("format")), bool(component(parts, "BODY")), kinds_of(buttons.get("buttons"))
