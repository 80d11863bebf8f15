"""Where others speak of an erased person: their words are theirs and stay, so a human is told where to look."""

from collections.abc import Sequence
from uuid import UUID

import phonenumbers

from crm import contacts
from crm.core import sql
from crm.core.tx import Tx
from crm.privacy.shapes import MentionRow, NeedleRow, Place

_sql = sql.load("privacy")

_LISTED = 200  # places that a receipt names; it counts all
_FORMATS = (phonenumbers.PhoneNumberFormat.INTERNATIONAL, phonenumbers.PhoneNumberFormat.NATIONAL)


async def words(tx: Tx, people: Sequence[UUID], needles: Sequence[str]) -> str:
    """How people write of these contacts, as a search: their names, ids and numbers, each a phrase."""
    names = [row.value for row in await tx.many(_sql.names, NeedleRow, contacts=list(people))]
    spelt = {form for needle in needles for form in spellings(needle)}
    phrases = sorted({word.replace('"', " ").strip() for word in (*names, *spelt)} - {""})
    return " or ".join(f'"{phrase}"' for phrase in phrases)


async def places(tx: Tx, asked: str) -> tuple[int, list[Place]]:
    """How many messages, notes and drafts have one of these words; the newest of them."""
    await tx.plan_anew()
    rows = await tx.many(_sql.mentions, MentionRow, asked=asked, max=_LISTED)
    return (rows[0].total if rows else 0), [Place(row.kind, row.id, row.conversation_id) for row in rows]


def spellings(needle: str) -> set[str]:
    """A number as people write it, with and without Brazil's ninth digit; anything else as it is."""
    if not (needle.isdecimal() and 8 <= len(needle) <= 15):
        return {needle}
    return {form for number in {needle, *contacts.both_digits(needle)} for form in _written(number)}


def _written(digits: str) -> set[str]:
    """5548999887766 is also +5548999887766, 48999887766, 48 999887766, 48 99988-7766 and 99988-7766.

    A search looks past brackets, and finds the shorter form in +55 (48) 99988-7766.
    """
    if digits.startswith("55") and len(digits) in (12, 13):
        area, local = digits[2:4], digits[4:]
        parted = f"{local[:-4]}-{local[-4:]}"
        return {digits, f"+{digits}", area + local, f"{area} {local}", f"{area} {parted}", parted}
    return {digits, f"+{digits}", *_abroad(digits)}


def _abroad(digits: str) -> set[str]:
    """As the number's own country writes it."""
    try:
        number = phonenumbers.parse(f"+{digits}", None)
    except phonenumbers.NumberParseException:
        return set()
    return {phonenumbers.format_number(number, one) for one in _FORMATS} | {str(number.national_number)}
