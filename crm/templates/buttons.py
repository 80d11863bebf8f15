"""The buttons of a template, by Meta's rules (Meta: templates)."""

import itertools
import re
from typing import Any

from crm.core.errors import FieldError
from crm.template_texts import VARIABLE
from crm.templates.parts import Faults, check_length, first, one_of, word

BUTTONS, BUTTON_LENGTH, URL_LENGTH, PHONE_LENGTH, CODE_LENGTH = 10, 25, 2000, 20, 20
_MOST = {"QUICK_REPLY": 10, "URL": 2, "PHONE_NUMBER": 1, "COPY_CODE": 1}
_WITHOUT_TEXT = {"COPY_CODE", "OTP", "SPM", "REQUEST_CONTACT_INFO"}
TYPES = (*_MOST, "OTP", "FLOW", "MPM", "SPM", "REQUEST_CONTACT_INFO")


def kinds_of(buttons: Any) -> list[str]:
    """Their types in order; '' for what is none."""
    listed = buttons if isinstance(buttons, list) else []
    return [word(one.get("type")) if isinstance(one, dict) else "" for one in listed]


def check_buttons(
    here: str, buttons: Any, category: str, types: tuple[str, ...] = TYPES, most: int = BUTTONS
) -> Faults:
    """1 to `most` buttons of these types, quick replies together."""
    if not isinstance(buttons, list) or not 1 <= len(buttons) <= most:
        yield FieldError(here, f"uma lista de 1 a {most}", f"a list of 1 to {most}")
        return
    kinds = kinds_of(buttons)
    for place, (button, kind) in enumerate(zip(buttons, kinds, strict=True)):
        if kind not in types:
            yield one_of(f"{here}/{place}/type", types)
            continue
        allowed = _MOST.get(kind, 1)
        if kinds[: place + 1].count(kind) > allowed:
            yield FieldError(f"{here}/{place}", f"no máximo {allowed} de {kind}", f"at most {allowed} of {kind}")
        if kind == "OTP" and category != "AUTHENTICATION":
            yield FieldError(f"{here}/{place}/type", "OTP só em AUTHENTICATION", "OTP in AUTHENTICATION only")
        yield from _check_button(f"{here}/{place}", button, kind)
    quick = [kind == "QUICK_REPLY" for kind in kinds]
    if sum(left != right for left, right in itertools.pairwise(quick)) > 1:
        yield FieldError(
            here, "respostas rápidas juntas, sem outros botões no meio", "quick replies must be grouped"
        )


def _check_button(here: str, button: dict[str, Any], kind: str) -> Faults:
    if kind not in _WITHOUT_TEXT or "text" in button:
        yield from check_length(f"{here}/text", button.get("text"), BUTTON_LENGTH)
    if kind == "URL":
        yield from _check_url(here, button)
    if kind == "PHONE_NUMBER":
        phone = button.get("phone_number")
        if not isinstance(phone, str) or not re.fullmatch(r"\+?[0-9 ()-]{5,20}", phone):
            sentence = f"um telefone de até {PHONE_LENGTH} caracteres"
            yield FieldError(
                f"{here}/phone_number", sentence, f"a phone number of at most {PHONE_LENGTH} characters"
            )
    if kind == "COPY_CODE":
        yield from check_length(f"{here}/example", first(button.get("example")), CODE_LENGTH)


def _check_url(here: str, button: dict[str, Any]) -> Faults:
    url = button.get("url")
    yield from check_length(f"{here}/url", url, URL_LENGTH)
    if not isinstance(url, str):
        return
    if not re.match(r"https?://[^\s{}/]+", url):
        yield FieldError(f"{here}/url", "um endereço http(s)", "an http(s) address")
    found = VARIABLE.findall(url)
    if len(found) > 1 or (found and not url.endswith("}}")):
        yield FieldError(f"{here}/url", "uma variável só, no fim", "one variable only, at the end")
    if found and not first(button.get("example")):
        yield FieldError(f"{here}/example", "falta um exemplo da variável", "an example of the variable is missing")
