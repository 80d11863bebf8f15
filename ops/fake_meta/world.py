"""Everything the fake remembers: numbers, accounts, customers, media, templates and what was sent."""

import itertools
from collections import deque
from typing import Any

import msgspec

from . import identities
from .settings import Window

APP = "100200300400500"
"""The one app of this fake."""

KEPT = 50_000
"""How many sent messages and read marks are remembered: enough for a test, bounded for a benchmark."""


class Number(msgspec.Struct, rename="camel", kw_only=True, forbid_unknown_fields=True):
    """A business phone number, with what is particular to it in this fake."""

    phone_number_id: str
    waba_id: str
    display_phone_number: str
    app_secret: str
    verify_token: str
    verified_name: str = "Hotel"
    access_token: str | None = None
    webhook_url: str | None = None
    override_callback_uri: str | None = None
    drops_ninth_digit: bool = True
    window: Window = "known"
    status_delays_ms: tuple[int, ...] = (50, 150, 400)
    status: str = "CONNECTED"
    quality_rating: str = "GREEN"
    name_status: str = "APPROVED"
    token_app: str = APP
    token_scopes: tuple[str, ...] = ("whatsapp_business_management", "whatsapp_business_messaging")
    token_expires_at: int = 0


class Account(msgspec.Struct, rename="camel"):
    """A WABA. Unsubscribed, its numbers send no webhooks (Meta: §11)."""

    waba_id: str
    subscribed: bool = True
    override_callback_uri: str | None = None


class Customer(msgspec.Struct, rename="camel"):
    """A person, as one business number knows her; `wa_id` may never be known (Meta: §5.1)."""

    key: str
    bsuid: str
    wa_id: str | None = None
    name: str = "Cliente"
    wrote_at: float | None = None


class Media(msgspec.Struct):
    """Uploaded bytes, bound to one number (Meta: §7)."""

    id: str
    phone_number_id: str
    mime_type: str
    data: bytes
    sha256: str
    filename: str | None = None


class Template(msgspec.Struct):
    """A message template of a WABA (Meta: §8)."""

    id: str
    waba_id: str
    name: str
    language: str
    category: str
    components: list[dict[str, Any]]
    status: str = "PENDING"
    parameter_format: str = "POSITIONAL"


class Sent(msgspec.Struct, rename="camel"):
    """One accepted message request, as tests read it."""

    at: float
    phone_number_id: str
    to: str | None
    type: str
    body: dict[str, Any]
    wamid: str
    callback: str | None


class Read(msgspec.Struct, rename="camel"):
    """One accepted read mark."""

    at: float
    phone_number_id: str
    wamid: str
    typing: bool


class World:
    """The state of one fake; `customers` is indexed by both names of a person."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Back to an empty world."""
        self.numbers: dict[str, Number] = {}
        self.accounts: dict[str, Account] = {}
        self.customers: dict[tuple[str, str], Customer] = {}
        self.media: dict[str, Media] = {}
        self.sessions: dict[str, int] = {}  # example files to come, and how long each is
        self.templates: dict[str, Template] = {}
        self.sent: deque[Sent] = deque(maxlen=KEPT)
        self.reads: deque[Read] = deque(maxlen=KEPT)
        self.ids = itertools.count(1_000_000_000_000_001)

    def next_id(self) -> str:
        """Graph ids are strings of digits, below 2^53 (Meta: §1.1)."""
        return str(next(self.ids))

    def customer(self, number: Number, phone: str | None, bsuid: str | None = None) -> Customer:
        """The known person behind a phone or a BSUID, else a new one named by Meta's rule (Meta: §10)."""
        keys = [key for key in (phone and identities.match_key(phone), bsuid) if key]
        found = [self.customers.get((number.phone_number_id, key)) for key in keys]
        customer = next((one for one in found if one), None)
        if customer is None:
            customer = Customer(keys[0], bsuid or identities.bsuid(number.waba_id, keys[0]))
        if phone and customer.wa_id is None:
            customer.wa_id = identities.wa_id(phone, drops_ninth_digit=number.drops_ninth_digit)
        self.customers |= {(number.phone_number_id, key): customer for key in (*keys, customer.bsuid)}
        return customer

    def numbers_of(self, waba_id: str) -> list[Number]:
        """The numbers of one WABA."""
        return [number for number in self.numbers.values() if number.waba_id == waba_id]

    def template(self, waba_id: str, name: str, language: str) -> Template | None:
        """Templates are unique by name and language inside a WABA (Meta: §8)."""
        names = (waba_id, name, language)
        found = (one for one in self.templates.values() if (one.waba_id, one.name, one.language) == names)
        return next(found, None)
