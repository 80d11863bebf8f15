"""Cells: what a line says of a person, or what is wrong in it; and cells that nothing takes for a formula."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import phonenumbers

from crm.contacts.attributes import AttributeRow
from crm.contacts.phones import mexican
from crm.core.fields import Email, Name, normal_email
from crm.spreadsheets import values
from crm.spreadsheets.headings import ATTRIBUTE
from crm.spreadsheets.shapes import ErrorRow, LineRow
from crm.spreadsheets.values import Wrong

MARKET = "BR"  # whose numbers a phone without a country is one of
MOST_TAGS, LONGEST_TAG = 50, 50
_PART = re.compile(r"(?:\\[\\|]|[^|])+")  # up to a bar that no backslash stands before
_SIGNS = set("=+-@\t\r")
_FORMULA = re.compile(r"[=@\t\r]|[+-](?!\d+\Z)")  # a plus before nothing but digits is a phone, and harmless


class Said(msgspec.Struct, frozen=True):
    """What a line says of a person; None leaves what is known."""

    phone: str
    name: str | None = None
    email: str | None = None
    tags: list[str] = []
    attributes: dict[str, Any] = {}


def guarded(text: str) -> str:
    """A cell that Excel would take for a formula begins with an apostrophe, so that it is shown and not run."""
    return f"'{text}" if _FORMULA.match(text) else text


def _bare(text: str) -> str:
    """A cell as it was before it was guarded."""
    text = text.strip()
    return text[1:] if text.startswith("'") and text[1:2] in _SIGNS else text


class Table(msgspec.Struct, frozen=True):
    """What the columns of a file are, their headings, and the hotel's attributes by key."""

    columns: list[str]
    headings: list[str]
    attributes: dict[str, AttributeRow] = {}


def said(row: LineRow, table: Table) -> Said | list[ErrorRow]:
    """What a line says, or each thing that is wrong in it."""
    found: dict[str, Any] = {"attributes": {}}
    errors: list[ErrorRow] = []
    if len(row.cells) > len(table.columns):
        wrong = Wrong("há mais células do que títulos", "there are more cells than headings")
        errors.append(ErrorRow(row.line, len(table.columns), "", wrong.pt, wrong.en))
    cells = [*row.cells, *[""] * len(table.columns)]
    for place, (column, cell) in enumerate(zip(table.columns, cells, strict=False)):
        try:
            _read(column, _bare(cell), table, found)
        except Wrong as wrong:
            errors.append(ErrorRow(row.line, place, table.headings[place], wrong.pt, wrong.en))
    return errors or Said(**found)


def repeated(table: Table, line: int, first: int) -> ErrorRow:
    """What is wrong in a line on somebody of whom an earlier line says something else."""
    place = table.columns.index("phone")
    wrong = Wrong(
        f"esta pessoa já está na linha {first}, com outros dados: junte as duas linhas",
        f"this person is in line {first} already, with other words: make the two lines one",
    )
    return ErrorRow(line, place, table.headings[place], wrong.pt, wrong.en)


def _read(column: str, text: str, table: Table, found: dict[str, Any]) -> None:
    """Put what a cell says where it belongs. Raises Wrong."""
    if column.startswith(ATTRIBUTE) and text:
        key = column.removeprefix(ATTRIBUTE)
        found["attributes"][key] = values.read(text, table.attributes.get(key))
    elif column == "phone":
        found[column] = phone(text)
    elif column in _READ and text:
        found[column] = _READ[column](text)


def phone(text: str) -> str:
    """A phone in E.164; one without a country is Brazilian. Raises Wrong."""
    if not text:
        raise Wrong("falta o telefone", "the phone is missing")
    if re.fullmatch(r"[\d.,]+E\+?\d+", text, re.IGNORECASE):
        raise Wrong(
            "a planilha encurtou o telefone (notação científica): formate a coluna como texto",
            "the spreadsheet has shortened the phone (scientific notation): format the column as text",
        )
    try:
        number = phonenumbers.parse(mexican(re.sub(r"^00(?=[1-9])", "+", text)), MARKET)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not _whole(number):
        raise Wrong("telefone inválido: use +55 48 99999-0000", "bad phone number: use +55 48 99999-0000")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _whole(number: phonenumbers.PhoneNumber) -> bool:
    """Whether a number may be one, with its area's code: in Brazil two digits before at least eight."""
    area = number.country_code != 55 or (number.national_number or 0) >= 10**9
    return area and phonenumbers.is_possible_number(number)


def _name(text: str) -> str:
    try:
        return msgspec.convert(" ".join(text.split()), Name)
    except msgspec.ValidationError as error:
        raise Wrong("no máximo 200 caracteres", "at most 200 characters") from error


def _email(text: str) -> str:
    try:
        return msgspec.convert(normal_email(text), Email)
    except msgspec.ValidationError as error:
        raise Wrong("e-mail inválido", "bad e-mail address") from error


def _tags(text: str) -> list[str]:
    r"""Tags between bars, or where there is none, commas or semicolons; each once. A tag's own are \| and \\."""
    parts = _PART.findall(text)
    parts = re.split(r"[,;]", text) if parts == [text] else parts
    words = [re.sub(r"\\([\\|])", r"\1", part).strip() for part in parts]
    tags = list(dict.fromkeys(_short(word, LONGEST_TAG) for word in words if word))
    if len(tags) > MOST_TAGS:
        raise Wrong(f"no máximo {MOST_TAGS} etiquetas", f"at most {MOST_TAGS} tags")
    return tags


def tags_cell(tags: Sequence[str]) -> str:
    """Tags as one cell, which reads as the same tags again."""
    alone = len(tags) == 1 and re.search(r"[,;]", tags[0])
    return "|".join(re.sub(r"([\\|])", r"\\\1", tag) for tag in tags) + ("|" if alone else "")


def _short(text: str, most: int) -> str:
    if len(text) > most:
        raise Wrong(f"no máximo {most} caracteres", f"at most {most} characters")
    return text


_READ: Mapping[str, Any] = {"name": _name, "email": _email, "tags": _tags}
