"""Who is meant: people found by any name Meta knows them by, made where nobody knew them, learnt about."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from crm.contacts import merging
from crm.contacts.phones import both_digits, match_key
from crm.contacts.shapes import (
    Choice,
    ContactRow,
    HolderRow,
    Identity,
    Kind,
    MadeRow,
    Moved,
    Person,
    RecipientRow,
    updated,
)
from crm.core import sql
from crm.core.feed import Event
from crm.core.tx import Tx

_sql = sql.load("contacts")


class Met(msgspec.Struct, frozen=True):
    """The contact of each person, which are blocked, and who took in others that proved to be the same."""

    contacts: list[UUID]
    blocked: set[UUID]
    merged: list[UUID]


async def hold(tx: Tx) -> None:
    """Hold the tenant's door until the commit: one transaction at a time finds and makes contacts."""
    await tx.none(_sql.hold)


async def seen(tx: Tx, people: Sequence[Person]) -> list[UUID]:
    """As `meet`, for people named by one id: nobody can prove to be somebody else."""
    return (await meet(tx, people)).contacts


async def meet(tx: Tx, people: Sequence[Person]) -> Met:
    """The contact of each person, made where there was none, with what was learnt of them kept.

    The caller holds the tenant's door, so that two transactions never make the same contact.
    """
    identities = {identity for person in people for identity in person.identities}
    kinds, values = [kind for kind, _ in identities], [value for _, value in identities]
    rows = await tx.many(_sql.find, HolderRow, kinds=kinds, values=values)
    index = {(row.kind, row.value): row.contact_id for row in rows if not row.former}
    late = _late(people, index, {(row.kind, row.value): row.contact_id for row in rows if row.former})
    made = await _make(tx, people, index)
    stored = {row.contact_id: row for row in (*rows, *made)}
    merged = await _heal(tx, people, index, stored)
    contacts = []
    for person in people:
        # The surest identity that is known decides; the others then lead to the same contact.
        contact = next(index[identity] for identity in person.identities if identity in index)
        index |= {identity: contact for identity in person.identities if identity not in index}
        contacts.append(contact)
    await _link(tx, index, {(row.kind, row.value) for row in rows if not row.former} | late)
    told = [pair for pair in zip(people, contacts, strict=True) if not late.intersection(pair[0].identities)]
    await _learn(tx, told, stored)
    shut = await _blocked(tx, contacts) if merged else {row.contact_id for row in rows if row.blocked}
    return Met(contacts, shut, merged)


def _late(people: Sequence[Person], index: dict[Identity, UUID], former: dict[Identity, UUID]) -> set[Identity]:
    """Lead those named only as they were named before a change to who they are, and say by which identities.

    A user id never seen is somebody new, who got the number.
    """
    late: set[Identity] = set()
    for person in people:
        named = set(person.identities)
        bsuid = ("bsuid", person.bsuid)
        if not named & index.keys() and (person.bsuid is None or bsuid in former):
            late |= named & former.keys()
    index.update({identity: former[identity] for identity in late})
    return late


async def _make(tx: Tx, people: Sequence[Person], index: dict[Identity, UUID]) -> list[HolderRow]:
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
        MadeRow,
        wa_ids=[person.wa_id for person in fresh],
        bsuids=[person.bsuid for person in fresh],
        phones=[person.phone or (person.wa_id and f"+{person.wa_id}") for person in fresh],
        names=[person.profile_name for person in fresh],
        usernames=[person.username for person in fresh],
        groups=[person.group is not None for person in fresh],
    )
    for person, row in zip(fresh, ids, strict=True):
        index.update(dict.fromkeys(person.identities, row.id))
    return [
        HolderRow("wa_id", "", row.id, one.wa_id, one.bsuid, one.profile_name, one.username, False, False)
        for one, row in zip(fresh, ids, strict=True)
    ]


async def _heal(
    tx: Tx, people: Sequence[Person], index: dict[Identity, UUID], stored: dict[UUID, HolderRow]
) -> list[UUID]:
    """Merge contacts that one person is known by: first by user id alone, say, and elsewhere by phone.

    Two that Meta gave different user ids stay apart: a number may have changed hands. Answers the survivors.
    """
    merged: list[UUID] = []
    for person in people:
        known = sorted({index[identity] for identity in person.identities if identity in index})
        bsuids = {stored[contact].bsuid for contact in known} - {None}
        if len(known) < 2 or len(bsuids) > 1:
            continue
        survivor, *others = known  # the oldest: ids grow with time
        for other in others:
            await merging.merge(tx, other, survivor, "one message named both")
        merged.append(survivor)
        index.update({identity: survivor for identity, contact in index.items() if contact in others})
        gone = [stored.pop(other) for other in others]
        stored[survivor] = _filled(stored[survivor], gone)
    return merged


def _filled(row: HolderRow, others: list[HolderRow]) -> HolderRow:
    """What the survivor of a merge has now: the others fill what it lacked."""
    for other in others:
        lacks = {name: getattr(other, name) for name in merging.FILLED if getattr(row, name) is None}
        row = msgspec.structs.replace(row, **lacks)
    return row


async def _link(tx: Tx, index: dict[Identity, UUID], known: set[Identity]) -> None:
    """Keep the identities that were not known."""
    links = {identity: contact for identity, contact in index.items() if identity not in known}
    if links:
        await tx.none(
            _sql.link,
            kinds=[kind for kind, _ in links],
            values=[value for _, value in links],
            contacts=list(links.values()),
        )


async def _learn(tx: Tx, people: list[tuple[Person, UUID]], stored: dict[UUID, HolderRow]) -> None:
    """Keep what Meta now says of wa_id, BSUID and names: all that was said, later words last."""
    news: dict[UUID, HolderRow] = {}
    for person, contact in people:
        last = news.get(contact, stored[contact])
        news[contact] = msgspec.structs.replace(
            last,
            wa_id=person.wa_id or last.wa_id,
            bsuid=person.bsuid or last.bsuid,
            profile_name=person.profile_name or last.profile_name,
            username=person.username or last.username,
        )
    changed = [row for contact, row in news.items() if row != stored[contact]]
    if changed:
        await tx.count(
            _sql.learn,
            ids=[row.contact_id for row in changed],
            wa_ids=[row.wa_id for row in changed],
            bsuids=[row.bsuid for row in changed],
            names=[row.profile_name for row in changed],
            usernames=[row.username for row in changed],
        )


async def move(tx: Tx, contact: UUID, moved: Moved) -> list[UUID]:
    """A person's number or user id has changed: the history stays with the person (Meta: system).

    The old identities lead here for another week, for what Meta repeats late; then they are free for whoever gets
    the number. Somebody already known under the new ones proves to be the same person, unless Meta gave
    each a user id: then the number has changed hands. Answers who is known otherwise now.
    """
    person = Person(wa_id=moved.wa_id, bsuid=moved.bsuid, parent_bsuid=moved.parent_bsuid)
    kinds: list[Kind] = ["bsuid"] if moved.bsuid else []
    kinds += ["wa_id", "match_key"] if moved.wa_id else []
    if not kinds:
        return []
    await tx.none(_sql.supersede, contact=contact, kinds=kinds)
    named = person.identities
    rows = await tx.many(
        _sql.find, HolderRow, kinds=[kind for kind, _ in named], values=[value for _, value in named]
    )
    held = [row for row in rows if not row.former and row.contact_id != contact]
    strangers = _strangers(held, moved.bsuid or (await merging.found(tx, contact)).bsuid)
    if strangers and moved.wa_id:
        await tx.none(
            _sql.lose,
            contacts=strangers,
            numbers=[*{moved.wa_id, match_key(moved.wa_id), *both_digits(moved.wa_id)}],
        )
    for other in sorted({row.contact_id for row in held}.difference(strangers)):
        await merging.merge(tx, other, contact, "the number or user id changed")
    await _link(tx, dict.fromkeys(named, contact), set())
    await tx.none(_sql.move, id=contact, wa_id=moved.wa_id, bsuid=moved.bsuid)
    return [contact, *strangers]


def _strangers(held: list[HolderRow], bsuid: str | None) -> list[UUID]:
    """Who is known by a number alone that is another's now: Meta gave each a user id."""
    others = {row.contact_id for row in held if bsuid and row.bsuid not in (None, bsuid)}
    return sorted(others.difference(row.contact_id for row in held if row.kind == "bsuid"))


async def opt_out(tx: Tx, choices: Sequence[Choice]) -> list[Event]:
    """Keep what people chose of marketing; a later choice wins, whichever comes first. What is new is told.

    Called under the tenant's door, so that nobody else holds these contacts' rows.
    """
    newest = {choice.contact: choice for choice in sorted(choices, key=lambda choice: choice.at)}
    if not newest:
        return []
    rows = await tx.many(
        _sql.opt_out,
        ContactRow,
        ids=list(newest),
        outs=[choice.out for choice in newest.values()],
        ats=[choice.at for choice in newest.values()],
    )
    return [updated(row) for row in rows]


async def _blocked(tx: Tx, people: Sequence[UUID]) -> set[UUID]:
    """Which of these contacts are blocked, where a merge may have changed what was found."""
    return {row.id for row in await tx.many(_sql.blocked, MadeRow, ids=list(set(people)))}


async def recipient(tx: Tx, contact: UUID) -> dict[str, str]:
    """How Meta is told who a message is for: wa_id first, then the phone as typed, then the BSUID; or a group."""
    row = await tx.one(_sql.recipient, RecipientRow, id=contact)
    if row.group_id:
        return {"recipient_type": "group", "to": row.group_id}
    if row.wa_id:
        return {"to": f"+{row.wa_id}"}
    if row.phone:
        return {"to": row.phone}
    return {"recipient": row.bsuid or ""}


async def proved(tx: Tx, one: UUID, other: UUID, why: str) -> list[UUID]:
    """Merge two that proved to be one, unless they are by now, or each has a user id. Answers the survivor."""
    pair = [await merging.found(tx, await merging.now_is(tx, each)) for each in (one, other)]
    survivor, gone = sorted(row.id for row in pair)
    if survivor == gone or len({row.bsuid for row in pair} - {None}) > 1:
        return []
    await merging.merge(tx, gone, survivor, why)
    return [survivor]


async def learn_wa_id(tx: Tx, contact: UUID, wa_id: str) -> None:
    """Meta answered a send with the wa_id behind the number we dialled: keep it, verbatim."""
    # Nobody is learnt of who was erased while Meta had the message.
    if await tx.count(_sql.learn, ids=[contact], wa_ids=[wa_id], bsuids=[None], names=[None], usernames=[None]):
        await _link(tx, {("wa_id", wa_id): contact, ("match_key", match_key(wa_id)): contact}, set())


async def learn_bsuid(tx: Tx, contact: UUID, bsuid: str) -> None:
    """A status told the user id of whom we wrote to: should they write without a phone, they are known."""
    if await tx.count(_sql.learn, ids=[contact], wa_ids=[None], bsuids=[bsuid], names=[None], usernames=[None]):
        await _link(tx, {("bsuid", bsuid): contact}, set())
