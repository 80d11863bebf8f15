"""The rules of a new template, checked before a call is spent (Meta: templates): every wrong part is named."""

import re
from typing import Any

from crm.core.errors import FieldError
from crm.templates import cards, offers
from crm.templates.buttons import check_buttons
from crm.templates.parts import Faults, check_body, check_footer, check_header, one_of, word
from crm.templates.shapes import Create

CATEGORIES = ("UTILITY", "MARKETING", "AUTHENTICATION")
_TYPES = ("HEADER", "BODY", "FOOTER", "BUTTONS", "CAROUSEL", "LIMITED_TIME_OFFER")


def check(new: Create) -> list[FieldError]:
    """Everything wrong with it, each by its JSON pointer; [] when Meta may see it."""
    return [*_check_head(new), *_check_components(new)]


def _check_head(new: Create) -> Faults:
    if not re.fullmatch(r"[a-z0-9_]{1,512}", new.name):
        yield FieldError("/name", "só a-z, 0-9 e _, de 1 a 512", "only a-z, 0-9 and _, 1 to 512 of them")
    if not re.fullmatch(r"[a-z]{2,3}(_[A-Z]{2,3})?", new.language):
        yield FieldError("/language", "um código como pt_BR", "a code such as pt_BR")
    if new.category not in CATEGORIES:
        yield one_of("/category", CATEGORIES)
    if new.parameter_format not in ("POSITIONAL", "NAMED"):
        yield one_of("/parameterFormat", ("POSITIONAL", "NAMED"))


def _check_components(new: Create) -> Faults:
    seen: set[str] = set()
    for place, part in enumerate(new.components):
        here = f"/components/{place}"
        if not isinstance(part, dict):
            yield FieldError(here, "deve ser um objeto", "must be an object")
            continue
        kind = word(part.get("type"))
        if kind not in _TYPES:
            yield one_of(f"{here}/type", _TYPES)
        elif kind in seen:
            yield FieldError(here, f"só um {kind}", f"only one {kind}")
        else:
            seen.add(kind)
            yield from _check_component(kind, here, part, new)
    if "BODY" not in seen:
        yield FieldError("/components", "falta o BODY", "the BODY is missing")
    if "CAROUSEL" in seen:
        yield from cards.check_around(new)
    elif "LIMITED_TIME_OFFER" in seen:
        yield from offers.check_around(new)


def _check_component(kind: str, here: str, part: dict[str, Any], new: Create) -> Faults:
    named = new.parameter_format == "NAMED"
    # The body and the footer of an authentication template are Meta's own texts.
    own = new.category != "AUTHENTICATION" or "text" in part
    if kind == "HEADER":
        yield from check_header(here, part, named)
    elif kind == "BODY" and own:
        yield from check_body(here, part, named)
    elif kind == "FOOTER" and own:
        yield from check_footer(here, part)
    elif kind == "BUTTONS":
        yield from check_buttons(f"{here}/buttons", part.get("buttons"), new.category)
    elif kind == "CAROUSEL":
        yield from cards.check(here, part, named)
    elif kind == "LIMITED_TIME_OFFER":
        yield from offers.check(here, part)
