"""How Meta names people: phone digits, wa_id with Brazil's ninth digit, BSUID, wamid (Meta: §5.1, §10)."""

import base64
import hashlib
import re
import secrets

BSUID = re.compile(r"[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}")
BRAZIL_MOBILE = re.compile(r"55(\d\d)9([6-9]\d{7})")
COUNTRIES = {"55": "BR", "54": "AR", "52": "MX", "351": "PT", "1": "US"}


def digits(phone: str) -> str:
    """`to` accepts `+`, spaces, `()` and `-` (Meta: §6)."""
    return re.sub(r"\D", "", phone)


def match_key(phone: str) -> str:
    """The form under which both spellings of one mobile meet; for look-up only (Meta: §10)."""
    number = digits(phone)
    if brazil := BRAZIL_MOBILE.fullmatch(number):
        return f"55{brazil[1]}{brazil[2]}"
    return re.sub(r"^(52)1(?=\d{10}$)|^(54)9(?=\d{10}$)", r"\1\2", number)


def wa_id(phone: str, *, drops_ninth_digit: bool) -> str:
    """What Meta calls an account it meets for the first time: DDD >= 31 usually without the 9 (Meta: §10)."""
    number = digits(phone)
    brazil = BRAZIL_MOBILE.fullmatch(number)
    return match_key(number) if brazil and drops_ninth_digit and int(brazil[1]) >= 31 else number


def bsuid(waba_id: str, number: str) -> str:
    """The same person has another id in each portfolio; here a WABA is its own portfolio (Meta: §5.1)."""
    country = next((name for prefix, name in COUNTRIES.items() if number.startswith(prefix)), "ZZ")
    seed = hashlib.sha256(f"{waba_id}/{match_key(number)}".encode()).digest()
    return f"{country}.{int.from_bytes(seed[:7]):017d}"


def wamid(person: str) -> str:
    """Shaped like Meta's: base64 of the counterpart's id and a random hex id."""
    name = person.encode()[:32]
    head = bytes([0x1C, 0x18, len(name)]) + name + b"\x15\x02\x00\x11\x18\x12"
    return "wamid." + base64.b64encode(head + secrets.token_hex(9).upper().encode() + b"\x00").decode()
