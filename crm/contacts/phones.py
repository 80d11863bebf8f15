"""Telephone numbers: as people type them, and as Meta spells them (Meta: phone number quirks)."""

import re
from typing import Any

import phonenumbers

from crm.core.errors import FieldError, ValidationFailed, invalid


def match_key(number: str) -> str:
    """A phone's digits without those Meta adds or drops: for look-up only, never to be sent or shown.

    Brazil: mobiles lose the 9 after the area code (landlines start with 2–5 and keep all); Mexico 521 → 52;
    Argentina 549 → 54 (Meta: phone number quirks).
    """
    digits = re.sub(r"[^0-9]", "", number)
    if len(digits) == 13 and digits.startswith("55") and digits[4] == "9" and digits[5] in "6789":
        return digits[:4] + digits[5:]
    if len(digits) == 13 and digits.startswith(("521", "549")):
        return digits[:2] + digits[3:]
    return digits


def both_digits(number: str) -> list[str]:
    """A number's digits as they are and, of a Brazilian mobile, with and without its ninth digit."""
    key = match_key(number)
    short = number.isdecimal() and len(key) == 12 and key.startswith("55") and key[4] in "6789"
    return [key, f"{key[:4]}9{key[4:]}"] if short else [number]


def typed_phone(text: str, pointer: str = "/to") -> str:
    """A phone as a person types it, in E.164. Raises ValidationFailed that names the field.

    Without a plus Meta writes bare digits; what has brackets or blanks is a number at home, unless 55 begins it:
    (48) 99844-8722 would be somebody's in Poland.
    """
    digits = re.sub(r"[^0-9]", "", text)
    if not (text.startswith("+") or text == digits or re.fullmatch(r"55\d{10,11}", digits)):
        raise _bad_phone(pointer)
    try:
        number = phonenumbers.parse(mexican(text if text.startswith("+") else f"+{text}"), None)
    except phonenumbers.NumberParseException as error:
        raise _bad_phone(pointer) from error
    if not phonenumbers.is_possible_number(number):
        raise _bad_phone(pointer)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def phone_misfits(given: dict[str, Any], name: str) -> list[FieldError]:
    """What is wrong with the phone that a body gives under this name, if it gives a text there."""
    text = given.get(name)
    try:
        if isinstance(text, str):
            typed_phone(text, f"/{name}")
    except ValidationFailed as failed:
        return failed.errors
    return []


def mexican(number: str) -> str:
    """A number with its plus, without the 1 that Meta writes into Mexicans' and that is no part of them."""
    digits = re.sub(r"[^0-9]", "", number)
    return f"+52{digits[3:]}" if number.startswith("+") and re.fullmatch(r"521\d{10}", digits) else number


def country(phone: str | None, bsuid: str | None) -> str | None:
    """Whose market a person is: two letters, by the user id's prefix or the phone; None when neither tells."""
    if bsuid and len(bsuid) > 3 and bsuid[2] == ".":
        return bsuid[:2]
    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(phone or "", None))
    except phonenumbers.NumberParseException:
        return None


def _bad_phone(pointer: str) -> ValidationFailed:
    return invalid(pointer, "telefone inválido: use +55 48 99999-0000", "bad phone number: use +55 48 99999-0000")
