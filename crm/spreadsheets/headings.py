"""What the columns of a file are, by their headings in Portuguese or English."""

import re
import unicodedata
from collections.abc import Mapping, Sequence

from crm.core.errors import invalid

COLUMNS = ("name", "phone", "email", "tags")
ATTRIBUTE = "@"  # before the key of an attribute, which may be called as a column of ours
_WORDS = {
    "name": "name nome fullname nomecompleto hospede guest contato contact cliente",
    "phone": "phone telefone celular fone whatsapp mobile phonenumber numero numerodetelefone tel",
    "email": "email mail correio emailaddress enderecodeemail",
    "tags": "tags tag etiquetas etiqueta marcadores",
}
_MEANT = {word: column for column, words in _WORDS.items() for word in words.split()}


def meant(headings: Sequence[str], attributes: Mapping[str, str]) -> list[str]:
    """What each heading means: one of COLUMNS, @ and an attribute's key, or nothing.

    `attributes` are labels by key. Raises ValidationFailed: without phones nobody could be known again, and of two
    columns that say the same neither is sure.
    """
    own = {plain(word): f"{ATTRIBUTE}{key}" for key, label in attributes.items() for word in (label, key)}
    found = [_MEANT.get(plain(heading)) or own.get(plain(heading), "") for heading in headings]
    twice = sorted({column for column in found if column and found.count(column) > 1})
    if twice:
        names = ", ".join(column.removeprefix(ATTRIBUTE) for column in twice)
        raise invalid("/file", f"mais de uma coluna diz: {names}", f"more than one column says: {names}")
    if "phone" not in found:
        raise invalid(
            "/file",
            "falta a coluna do telefone (telefone, celular, whatsapp ou phone)",
            "the column of the phone is missing (phone, mobile, whatsapp or telefone)",
        )
    return found


def plain(heading: str) -> str:
    """A heading without accents, case, spaces and signs."""
    letters = unicodedata.normalize("NFKD", heading.casefold())
    return re.sub(r"[\W_]", "", "".join(letter for letter in letters if not unicodedata.combining(letter)))
