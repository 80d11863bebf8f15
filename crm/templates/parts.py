"""The texts of a template's parts, by Meta's rules (Meta: templates): lengths, variables, examples."""

import re
from collections.abc import Iterator
from typing import Any

from crm.core.errors import FieldError
from crm.template_texts import BODY_LENGTH, HEADER_LENGTH, MEDIA, VARIABLE, variables

FOOTER_LENGTH = 60
_FORMATS = ("TEXT", "IMAGE", "VIDEO", "DOCUMENT", "LOCATION")
_NAMED = re.compile(r"[a-z][a-z0-9_]*")

Faults = Iterator[FieldError]


def check_header(here: str, part: dict[str, Any], named: bool, formats: tuple[str, ...] = _FORMATS) -> Faults:
    """A line with at most one variable, or a file or a place; of a file Meta wants to see an example."""
    kind = word(part.get("format"))
    if kind not in formats:
        yield one_of(f"{here}/format", formats)
        return
    if kind in MEDIA:
        yield from _check_sample(f"{here}/example/header_handle", part.get("example"))
    if kind != "TEXT":
        return
    yield from check_length(f"{here}/text", part.get("text"), HEADER_LENGTH)
    yield from _check_variables(f"{here}/text", _text(part), named)
    found = variables(_text(part))
    if len(found) > 1:
        yield FieldError(f"{here}/text", "no máximo uma variável", "at most one variable")
    yield from _check_examples(f"{here}/example", part.get("example"), "header_text", found, named)


def _check_sample(here: str, example: Any) -> Faults:
    """One handle of Meta's resumable upload."""
    handles = example.get("header_handle") if isinstance(example, dict) else None
    if not (isinstance(handles, list) and len(handles) == 1 and isinstance(handles[0], str) and handles[0]):
        yield FieldError(here, "falta um arquivo de exemplo", "an example file is missing")


def check_body(here: str, part: dict[str, Any], named: bool, most: int = BODY_LENGTH) -> Faults:
    """A text whose variables stand inside it, each with an example."""
    text = _text(part)
    yield from check_length(f"{here}/text", part.get("text"), most)
    yield from _check_variables(f"{here}/text", text, named)
    bare = text.strip()
    edges = list(VARIABLE.finditer(bare))
    if edges and (edges[0].start() == 0 or edges[-1].end() == len(bare)):
        sentence = "uma variável não pode abrir nem fechar o texto"
        yield FieldError(f"{here}/text", sentence, "no variable at the start or the end of the text")
    yield from _check_examples(f"{here}/example", part.get("example"), "body_text", variables(text), named)


def check_footer(here: str, part: dict[str, Any]) -> Faults:
    """A short line without variables."""
    yield from check_length(f"{here}/text", part.get("text"), FOOTER_LENGTH)
    if variables(_text(part)):
        yield FieldError(f"{here}/text", "sem variáveis", "no variables")


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


def first(value: Any) -> Any:
    """Examples of buttons come as a text or as a list of one."""
    return value[0] if isinstance(value, list) and value else value


def check_length(here: str, text: Any, limit: int) -> Faults:
    """Characters, not bytes."""
    if not isinstance(text, str) or not text.strip():
        yield FieldError(here, "falta o texto", "the text is missing")
    elif len(text) > limit:
        yield FieldError(
            here, f"{len(text)} caracteres; no máximo {limit}", f"{len(text)} characters; at most {limit}"
        )


def one_of(here: str, known: tuple[str, ...]) -> FieldError:
    return FieldError(here, f"um de {', '.join(known)}", f"one of {', '.join(known)}")


def word(value: Any) -> str:
    """A word of Meta's: compared in capitals."""
    return value.upper() if isinstance(value, str) else ""


def _text(part: dict[str, Any]) -> str:
    text = part.get("text")
    return text if isinstance(text, str) else ""
