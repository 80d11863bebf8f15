"""Values of a hotel's own attributes as people type them in a cell, and as a cell shows them."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from crm.contacts.attributes import EXACT, TEXT_LIMIT, AttributeRow

_YES, _NO = {"sim", "s", "yes", "y", "true", "1", "x"}, {"não", "nao", "n", "no", "false", "0"}


class Wrong(Exception):
    """A cell that cannot be taken, in Portuguese and English."""

    def __init__(self, pt: str, en: str) -> None:
        super().__init__(en)
        self.pt, self.en = pt, en


def read(text: str, row: AttributeRow | None) -> Any:
    """The value of an attribute. Raises Wrong."""
    if row is None:
        raise Wrong("este campo não está mais declarado", "this attribute is not declared any more")
    try:
        return _READ[row.type](text, row)
    except ValueError as error:
        raise Wrong(*_EXPECTED[row.type](row)) from error


def write(value: Any) -> str:
    """A value as a cell, which reads as the same value again."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _text(text: str, _row: AttributeRow) -> str:
    if len(text) > TEXT_LIMIT:
        raise ValueError
    return text


def _number(text: str, _row: AttributeRow) -> int | float:
    """As in English, or with Brazil's comma before the decimals and dots between thousands."""
    number = float(text.replace(".", "").replace(",", ".") if "," in text else text)
    if not abs(number) <= EXACT:
        raise ValueError
    return int(number) if number.is_integer() else number


def _date(text: str, _row: AttributeRow) -> str:
    form = "%d/%m/%Y" if "/" in text else "%Y-%m-%d"
    return datetime.strptime(text, form).date().isoformat()  # noqa: DTZ007 a day of no zone


def _boolean(text: str, _row: AttributeRow) -> bool:
    word = text.casefold()
    if word not in _YES | _NO:
        raise ValueError
    return word in _YES


def _option(text: str, row: AttributeRow) -> str:
    found = {option.casefold(): option for option in row.options}.get(text.casefold())
    if found is None:
        raise ValueError
    return found


_READ: Mapping[str, Callable[[str, AttributeRow], Any]] = {
    "text": _text,
    "number": _number,
    "date": _date,
    "boolean": _boolean,
    "list": _option,
}
_EXPECTED: Mapping[str, Callable[[AttributeRow], tuple[str, str]]] = {
    "text": lambda _: (f"no máximo {TEXT_LIMIT} caracteres", f"at most {TEXT_LIMIT} characters"),
    "number": lambda _: ("não é um número", "not a number"),
    "date": lambda _: ("use dd/mm/aaaa ou aaaa-mm-dd", "use dd/mm/yyyy or yyyy-mm-dd"),
    "boolean": lambda _: ("use sim ou não", "use yes or no"),
    "list": lambda row: (f"use: {', '.join(row.options)}", f"use: {', '.join(row.options)}"),
}
