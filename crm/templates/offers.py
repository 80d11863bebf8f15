"""Offers that end at a time, by Meta's rules (Meta: limited-time offer templates)."""

from typing import Any

from crm.core.errors import FieldError
from crm.template_texts import OFFER_BODY_LENGTH, OFFER_CODE_LENGTH, component
from crm.templates.buttons import kinds_of
from crm.templates.parts import Faults, check_length, first, one_of, word
from crm.templates.shapes import Create

TEXT_LENGTH = 16
_FORMATS, _BUTTON_TYPES = ("IMAGE", "VIDEO"), ("COPY_CODE", "URL")


def check(here: str, part: dict[str, Any]) -> Faults:
    """The LIMITED_TIME_OFFER component itself: its line, and whether it counts down."""
    offer, there = part.get("limited_time_offer"), f"{here}/limited_time_offer"
    if not isinstance(offer, dict):
        yield FieldError(there, "deve ser um objeto", "must be an object")
        return
    yield from check_length(f"{there}/text", offer.get("text"), TEXT_LENGTH)
    if not isinstance(offer.get("has_expiration", False), bool):
        yield FieldError(f"{there}/has_expiration", "true ou false", "true or false")


def check_around(new: Create) -> Faults:
    """What stands beside a LIMITED_TIME_OFFER: a shorter BODY, a link, the code; no FOOTER; for marketing."""
    if new.category != "MARKETING":
        told = "LIMITED_TIME_OFFER só em MARKETING", "LIMITED_TIME_OFFER in MARKETING only"
        yield FieldError("/category", *told)
    parts = [(f"/components/{place}", part) for place, part in enumerate(new.components) if isinstance(part, dict)]
    for here, part in parts:
        yield from _check_beside(here, part)
    yield from _check_needed([part for _, part in parts])


def _check_beside(here: str, part: dict[str, Any]) -> Faults:
    kind, text = word(part.get("type")), part.get("text")
    if kind == "FOOTER":
        told = "FOOTER não cabe com LIMITED_TIME_OFFER", "FOOTER does not go with LIMITED_TIME_OFFER"
        yield FieldError(here, *told)
    elif kind == "HEADER" and word(part.get("format")) not in _FORMATS:
        yield one_of(f"{here}/format", _FORMATS)
    elif kind == "BODY" and isinstance(text, str) and text.strip():
        yield from check_length(f"{here}/text", text, OFFER_BODY_LENGTH)
    elif kind == "BUTTONS":
        yield from _check_buttons(f"{here}/buttons", part.get("buttons"))


def _check_buttons(here: str, buttons: Any) -> Faults:
    for place, kind in enumerate(kinds_of(buttons)):
        if kind not in _BUTTON_TYPES:
            yield one_of(f"{here}/{place}/type", _BUTTON_TYPES)
        elif kind == "COPY_CODE":
            code = first(buttons[place].get("example"))
            if isinstance(code, str) and code.strip():
                yield from check_length(f"{here}/{place}/example", code, OFFER_CODE_LENGTH)
            if place:
                yield FieldError(f"{here}/{place}", "COPY_CODE vem primeiro", "COPY_CODE comes first")


def _check_needed(parts: list[dict[str, Any]]) -> Faults:
    """A link always, and a code where the offer counts down."""
    kinds = kinds_of(component(parts, "BUTTONS").get("buttons"))
    offer = component(parts, "LIMITED_TIME_OFFER").get("limited_time_offer")
    ends = isinstance(offer, dict) and offer.get("has_expiration") is True
    for kind in ("URL", *(["COPY_CODE"] if ends else [])):
        if kind not in kinds:
            told = f"LIMITED_TIME_OFFER pede um botão {kind}", f"LIMITED_TIME_OFFER takes a button {kind}"
            yield FieldError("/components", *told)
