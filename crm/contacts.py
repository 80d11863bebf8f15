"""People who write to the hotel, found by any name Meta knows them by (Meta: BSUID, phone number quirks)."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec
import phonenumbers

from crm.core import sql
from crm.core.db import Tx
from crm.core.errors import ValidationFailed, invalid

_sql = sql.load("contacts")
Kind = Literal["bsuid", "wa_id", "match_key"]


class Person(msgspec.Struct, frozen=True):
    """Somebody as a webhook or an attendant names them; at least one of the three ids is there."""

    wa_id: str | None = None
    bsuid: str | None = None
    phone: str | None = None
    profile_name: str | None = None

    @property
    def identities(self) -> list[tuple[Kind, str]]:
        """What they may be found by, the surest first."""
        found: list[tuple[Kind, str]] = []
        if self.bsuid:
            found.append(("bsuid", self.bsuid))
        if self.wa_id:
            found.append(("wa_id", self.wa_id))
        key = match_key(self.wa_id or self.phone or "")
        if key:
            found.append(("match_key", key))
        return found


class KnownRow(msgspec.Struct, frozen=True):
    """An identity, the contact it leads to, and what is stored of that contact."""

    kind: str
    value: str
    contact_id: UUID
    wa_id: str | None
    bsuid: str | None
    profile_name: str | None


class IdRow(msgspec.Struct, frozen=True):
    """The id of a contact just made."""

    id: UUID


class Choice(msgspec.Struct, frozen=True):
    """A person wants no marketing (`out`), or wants it again, since `at`."""

    contact: UUID
    out: bool
    at: datetime


class RecipientRow(msgspec.Struct, frozen=True):
    """By what a contact can be reached."""

    wa_id: str | None
    phone: str | None
    bsuid: str | None


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


def typed_phone(text: str) -> str:
    """A phone as a person types it, in E.164. Raises ValidationFailed."""
    try:
        number = phonenumbers.parse(text if text.startswith("+") else f"+{text}", None)
    except phonenumbers.NumberParseException as error:
        raise _bad_phone() from error
    if not phonenumbers.is_possible_number(number):
        raise _bad_phone()
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _bad_phone() -> ValidationFailed:
    return invalid("/to", "telefone inválido: use +55 48 99999-0000", "bad phone number: use +55 48 99999-0000")


async def hold(tx: Tx) -> None:
    """Hold the tenant's door until the commit: one transaction at a time finds and makes contacts."""
    await tx.none(_sql.hold)


async def seen(tx: Tx, people: Sequence[Person]) -> list[UUID]:
    """The contact of each person, made where there was none, with what was learnt of them kept.

    The caller holds the tenant's door, so that two transactions never make the same contact.
    """
    identities = {identity for person in people for identity in person.identities}
    kinds, values = [kind for kind, _ in identities], [value for _, value in identities]
    rows = await tx.many(_sql.find, KnownRow, kinds=kinds, values=values)
    index = {(row.kind, row.value): row.contact_id for row in rows}
    made = await _make(tx, people, index)
    contacts = []
    for person in people:
        # The surest identity that is known decides; the others then lead to the same contact.
        contact = next(index[identity] for identity in person.identities if identity in index)
        index |= {identity: contact for identity in person.identities if identity not in index}
        contacts.append(contact)
    await _link(tx, index, {(row.kind, row.value) for row in rows})
    await _learn(tx, list(zip(people, contacts, strict=True)), {row.contact_id: row for row in (*rows, *made)})
    return contacts


async def _make(tx: Tx, people: Sequence[Person], index: dict[tuple[str, str], UUID]) -> list[KnownRow]:
    """Add the people nobody knows, each once, and put them into the index."""
    fresh: list[Person] = []
    named = set(index)
    for person in people:
        if not named.intersection(person.identities):
            fresh.append(person)
        named.update(person.identities)
    if not fresh:
        return []
    ids = await tx.many(
        _sql.insert,
        IdRow,
        wa_ids=[person.wa_id for person in fresh],
        bsuids=[person.bsuid for person in fresh],
        phones=[person.phone or (person.wa_id and f"+{person.wa_id}") for person in fresh],
        names=[person.profile_name for person in fresh],
    )
    for person, row in zip(fresh, ids, strict=True):
        index.update(dict.fromkeys(person.identities, row.id))
    return [
        KnownRow("", "", row.id, person.wa_id, person.bsuid, person.profile_name)
        for person, row in zip(fresh, ids, strict=True)
    ]


async def _link(tx: Tx, index: dict[tuple[str, str], UUID], known: set[tuple[str, str]]) -> None:
    """Keep the identities that were not known."""
    links = {identity: contact for identity, contact in index.items() if identity not in known}
    if links:
        await tx.none(
            _sql.link,
            kinds=[kind for kind, _ in links],
            values=[value for _, value in links],
            contacts=list(links.values()),
        )


async def _learn(tx: Tx, people: list[tuple[Person, UUID]], stored: dict[UUID, KnownRow]) -> None:
    """Keep what Meta now says of wa_id, BSUID and profile name: all that was said, later words last."""
    news: dict[UUID, KnownRow] = {}
    for person, contact in people:
        last = news.get(contact, stored[contact])
        news[contact] = msgspec.structs.replace(
            last,
            wa_id=person.wa_id or last.wa_id,
            bsuid=person.bsuid or last.bsuid,
            profile_name=person.profile_name or last.profile_name,
        )
    changed = [row for contact, row in news.items() if row != stored[contact]]
    if changed:
        await tx.none(
            _sql.learn,
            ids=[row.contact_id for row in changed],
            wa_ids=[row.wa_id for row in changed],
            bsuids=[row.bsuid for row in changed],
            names=[row.profile_name for row in changed],
        )


async def opt_out(tx: Tx, choices: Sequence[Choice]) -> None:
    """Keep what people chose of marketing; a later choice wins, whichever comes first.

    Called under the tenant's door, so that nobody else holds these contacts' rows.
    """
    newest = {choice.contact: choice for choice in sorted(choices, key=lambda choice: choice.at)}
    if newest:
        await tx.none(
            _sql.opt_out,
            ids=list(newest),
            outs=[choice.out for choice in newest.values()],
            ats=[choice.at for choice in newest.values()],
        )


async def recipient(tx: Tx, contact: UUID) -> dict[str, str]:
    """How Meta is told who a message is for: wa_id first, then the phone as typed, then the BSUID."""
    row = await tx.one(_sql.recipient, RecipientRow, id=contact)
    if row.wa_id:
        return {"to": f"+{row.wa_id}"}
    if row.phone:
        return {"to": row.phone}
    return {"recipient": row.bsuid or ""}


async def learn_wa_id(tx: Tx, contact: UUID, wa_id: str) -> None:
    """Meta answered a send with the wa_id behind the number we dialled: keep it, verbatim."""
    await tx.none(_sql.learn, ids=[contact], wa_ids=[wa_id], bsuids=[None], names=[None])
    kinds: list[Kind] = ["wa_id", "match_key"]
    values = [wa_id, match_key(wa_id)]
    await tx.none(_sql.link, kinds=kinds, values=values, contacts=[contact, contact])
