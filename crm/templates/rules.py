"""The rules of a new template, checked before a call is spent (Meta: templates): every wrong part is named."""

import itertools
import re
from collections.abc import Iterator
from typing import Any

from crm.core.errors import FieldError
from crm.template_texts import BODY_LENGTH, HEADER_LENGTH, VARIABLE, variables
from crm.templates.shapes import Create

CATEGORIES = ("UTILITY", "MARKETING", "AUTHENTICATION")
FOOTER_LENGTH, BUTTONS, BUTTON_LENGTH, URL_LENGTH, PHONE_LENGTH, CODE_LENGTH = 60, 10, 25, 2000, 20, 20
_FORMATS = ("TEXT", "IMAGE", "VIDEO", "DOCUMENT", "LOCATION")
_MOST = {"QUICK_REPLY": 10, "URL": 2, "PHONE_NUMBER": 1, "COPY_CODE": 1}
_WITHOUT_TEXT = {"COPY_CODE", "OTP", "SPM", "REQUEST_CONTACT_INFO"}
_BUTTON_TYPES = (*_MOST, "OTP", "FLOW", "MPM", "SPM", "REQUEST_CONTACT_INFO")
_TYPES = ("HEADER", "BODY", "FOOTER", "BUTTONS")
_NAMED = re.compile(r"[a-z][a-z0-9_]*")

Faults = Iterator[FieldError]


def check(new: Create) -> list[FieldError]:
    """Everything wrong with it, each by its JSON pointer; [] when Meta may see it."""
    return [*_check_head(new), *_check_components(new)]


def _check_head(new: Create) -> Faults:
    if not re.fullmatch(r"[a-z0-9_]{1,512}", new.name):
        yield FieldError("/name", "só a-z, 0-9 e _, de 1 a 512", "only a-z, 0-9 and _, 1 to 512 of them")
    if not re.fullmatch(r"[a-z]{2,3}(_[A-Z]{2,3})?", new.language):
        yield FieldError("/language", "um código como pt_BR", "a code such as pt_BR")
    if new.category not in CATEGORIES:
        yield _one_of("/category", CATEGORIES)
    if new.parameter_format not in ("POSITIONAL", "NAMED"):
        yield _one_of("/parameterFormat", ("POSITIONAL", "NAMED"))


def _check_components(new: Create) -> Faults:
    seen: set[str] = set()
    for place, part in enumerate(new.components):
        here = f"/components/{place}"
        if not isinstance(part, dict):
            yield FieldError(here, "deve ser um objeto", "must be an object")
            continue
        kind = word(part.get("type"))
        if kind not in _TYPES:
            yield _one_of(f"{here}/type", _TYPES)
        elif kind in seen:
            yield FieldError(here, f"só um {kind}", f"only one {kind}")
        else:
            seen.add(kind)
            yield from _check_component(kind, here, part, new)
    if "BODY" not in seen:
        yield FieldError("/components", "falta o BODY", "the BODY is missing")


def _check_component(kind: str, here: str, part: dict[str, Any], new: Create) -> Faults:
    named = new.parameter_format == "NAMED"
    if kind == "HEADER":
        yield from _check_header(here, part, named)
    elif kind == "BODY":
        # The body of an authentication template is Meta's own text.
        if new.category != "AUTHENTICATION" or "text" in part:
            yield from _check_body(here, part, named)
    elif kind == "FOOTER":
        if new.category != "AUTHENTICATION" or "text" in part:
            yield from _check_length(f"{here}/text", part.get("text"), FOOTER_LENGTH)
            if variables(_text(part)):
                yield FieldError(f"{here}/text", "sem variáveis", "no variables")
    else:
        yield from _check_buttons(f"{here}/buttons", part.get("buttons"), new)


def _check_header(here: str, part: dict[str, Any], named: bool) -> Faults:
    kind = word(part.get("format"))
    if kind not in _FORMATS:
        yield _one_of(f"{here}/format", _FORMATS)
        return
    if kind != "TEXT":
        return
    yield from _check_length(f"{here}/text", part.get("text"), HEADER_LENGTH)
    yield from _check_variables(f"{here}/text", _text(part), named)
    found = variables(_text(part))
    if len(found) > 1:
        yield FieldError(f"{here}/text", "no máximo uma variável", "at most one variable")
    yield from _check_examples(f"{here}/example", part.get("example"), "header_text", found, named)


def _check_body(here: str, part: dict[str, Any], named: bool) -> Faults:
    text = _text(part)
    yield from _check_length(f"{here}/text", part.get("text"), BODY_LENGTH)
    yield from _check_variables(f"{here}/text", text, named)
    bare = text.strip()
    edges = list(VARIABLE.finditer(bare))
    if edges and (edges[0].start() == 0 or edges[-1].end() == len(bare)):
        sentence = "uma variável não pode abrir nem fechar o texto"
        yield FieldError(f"{here}/text", sentence, "no variable at the start or the end of the text")
    yield from _check_examples(f"{here}/example", part.get("example"), "body_text", variables(text), named)


def _check_variables(here: str, text: str, named: bool) -> Faults:
    """Named in small letters, or numbered 1..n without a gap; and no brace stands alone."""
    found = variables(text)
    rest = VARIABLE.sub("", text)
    if "{{" in rest or "}}" in rest:
        yield FieldError(here, "chaves {{ }} sem par", "braces {{ }} without their pair")
    if named:
        wrong = [name for name in found if not _NAMED.fullmatch(name)]
        if wrong:
            yield FieldError(here, f"nomes só com a-z, 0-9 e _: {wrong}", f"names of a-z, 0-9 and _ only: {wrong}")
    elif {*found} != {str(number) for number in range(1, len(found) + 1)}:
        count = len(found)
        yield FieldError(here, f"numere as variáveis de 1 a {count}", f"number the variables 1 to {count}, no gaps")


def _check_examples(here: str, example: Any, key: str, found: list[str], named: bool) -> Faults:
    """One example for each variable, where Meta looks for them."""
    if not found:
        return
    node = example if isinstance(example, dict) else {}
    given = _named_examples(node.get(f"{key}_named_params")) if named else _examples(node.get(key))
    wanted = found if named else [str(place) for place in range(1, len(found) + 1)]
    missing = [name for name in wanted if not given.get(name)]
    if missing or len(given) != len(wanted):
        where = f"{here}/{key}{'_named_params' if named else ''}"
        sentence = f"um exemplo para cada variável ({len(found)})"
        yield FieldError(where, sentence, f"one example for each variable ({len(found)})")


def _examples(value: Any) -> dict[str, str]:
    """A body's examples are a list in a list, a header's are one."""
    if isinstance(value, list) and value and isinstance(value[0], list):
        value = value[0]
    texts = value if isinstance(value, list) else []
    return {str(place): text if isinstance(text, str) else "" for place, text in enumerate(texts, 1)}


def _named_examples(value: Any) -> dict[str, str]:
    nodes = [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
    return {str(one.get("param_name")): str(one.get("example") or "") for one in nodes}


def _check_buttons(here: str, buttons: Any, new: Create) -> Faults:
    if not isinstance(buttons, list) or not 1 <= len(buttons) <= BUTTONS:
        yield FieldError(here, f"uma lista de 1 a {BUTTONS}", f"a list of 1 to {BUTTONS}")
        return
    kinds = [word(one.get("type")) if isinstance(one, dict) else "" for one in buttons]
    for place, (button, kind) in enumerate(zip(buttons, kinds, strict=True)):
        if kind not in _BUTTON_TYPES:
            yield _one_of(f"{here}/{place}/type", _BUTTON_TYPES)
            continue
        most = _MOST.get(kind, 1)
        if kinds[: place + 1].count(kind) > most:
            yield FieldError(f"{here}/{place}", f"no máximo {most} de {kind}", f"at most {most} of {kind}")
        if kind == "OTP" and new.category != "AUTHENTICATION":
            yield FieldError(f"{here}/{place}/type", "OTP só em AUTHENTICATION", "OTP in AUTHENTICATION only")
        yield from _check_button(f"{here}/{place}", button, kind)
    quick = [kind == "QUICK_REPLY" for kind in kinds]
    if sum(left != right for left, right in itertools.pairwise(quick)) > 1:
        yield FieldError(
            here, "respostas rápidas juntas, sem outros botões no meio", "quick replies must be grouped"
        )


def _check_button(here: str, button: dict[str, Any], kind: str) -> Faults:
    if kind not in _WITHOUT_TEXT or "text" in button:
        yield from _check_length(f"{here}/text", button.get("text"), BUTTON_LENGTH)
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
        yield from _check_length(f"{here}/example", _first(button.get("example")), CODE_LENGTH)


def _check_url(here: str, button: dict[str, Any]) -> Faults:
    url = button.get("url")
    yield from _check_length(f"{here}/url", url, URL_LENGTH)
    if not isinstance(url, str):
        return
    if not re.match(r"https?://[^\s{}/]+", url):
        yield FieldError(f"{here}/url", "um endereço http(s)", "an http(s) address")
    found = VARIABLE.findall(url)
    if len(found) > 1 or (found and not url.endswith("}}")):
        yield FieldError(f"{here}/url", "uma variável só, no fim", "one variable only, at the end")
    if found and not _first(button.get("example")):
        yield FieldError(f"{here}/example", "falta um exemplo da variável", "an example of the variable is missing")


def _first(value: Any) -> Any:
    """Examples of buttons come as a text or as a list of one."""
    return value[0] if isinstance(value, list) and value else value


def _check_length(here: str, text: Any, limit: int) -> Faults:
    """Characters, not bytes."""
    if not isinstance(text, str) or not text.strip():
        yield FieldError(here, "falta o texto", "the text is missing")
    elif len(text) > limit:
        yield FieldError(
            here, f"{len(text)} caracteres; no máximo {limit}", f"{len(text)} characters; at most {limit}"
        )


def _one_of(here: str, known: tuple[str, ...]) -> FieldError:
    return FieldError(here, f"um de {', '.join(known)}", f"one of {', '.join(known)}")


def word(value: Any) -> str:
    """A word of Meta's: compared in capitals."""
    return value.upper() if isinstance(value, str) else ""


def _text(part: dict[str, Any]) -> str:
    text = part.get("text")
    return text if isinstance(text, str) else ""
