"""A person erased: every row stays with its times and states, so that reports stay true, and says nothing any more.

Identities go too: who writes again is somebody new. Everything happens in one transaction, under the tenant's
door, so that nothing arrives between, and holding the contacts, so that nothing is sent.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from crm import contacts, conversations, media
from crm.core import sql
from crm.core.errors import NotFound
from crm.core.feed import Event
from crm.core.tx import Tx
from crm.privacy import forgetting, mentions
from crm.privacy.shapes import Counts, FamilyRow, FileRow, GroupMessageRow, NeedleRow, Receipt, TalkRow, receipt

_sql = sql.load("privacy")

BATCH = 2_000  # messages blanked by one statement


async def family(tx: Tx, contact: UUID) -> list[FamilyRow]:
    """The contact and all that proved to be the same person. Raises NotFound."""
    rows = await tx.many(_sql.family, FamilyRow, id=contact)
    if not rows:
        raise NotFound
    return rows


async def talks(tx: Tx, people: Sequence[UUID]) -> list[UUID]:
    """The conversations with these contacts."""
    return [row.id for row in await tx.many(_sql.talks, TalkRow, contacts=list(people))]


async def erase(tx: Tx, contact: UUID) -> tuple[Receipt, list[Event]]:
    """Erase a person; the receipt, and the events to append. Once more: the first receipt, and no event.

    Raises NotFound.
    """
    await contacts.hold(tx)
    rows = await family(tx, contact)
    known = [row.erasure for row in rows if row.erasure is not None]
    if len(known) == len(rows):
        return msgspec.convert(known[0], Receipt), []
    people = [row.id for row in rows]
    await tx.none(_sql.hold_contacts, ids=people)
    talked = await talks(tx, people)
    counts = Counts(contacts=len(people), conversations=len(talked))
    words = await needles(tx, people)
    asked = await mentions.words(tx, people, words)
    counts.dead_letters = await tx.count(_sql.bury, needles=words)
    written = await _in_groups(tx, words)
    await forgetting.hold_files(tx, [row.id for row in written])
    for one in people:
        await tx.none(_sql.look_through, contact=one, needles=words, in_groups=[row.id for row in written])
    counts.media = await _forget_files(tx, talked)
    while blanked := await tx.count(_sql.blank, conversations=talked, max=BATCH):
        counts.messages += blanked
    groups = await _silence(tx, written, counts)
    await tx.none(_sql.blank_conversations, ids=talked)
    await tx.none(_sql.blank_entries, conversations=talked)
    await tx.none(_sql.forget_stays, contacts=people)
    await tx.none(_sql.forget_identities, contacts=people)
    counts.events += await tx.count(_sql.blank_events, contacts=people, conversations=talked)
    counts.mentions, counts.places = await mentions.places(tx, asked)
    at = datetime.now(UTC)
    done = receipt(contact, at, counts)
    await tx.none(_sql.blank_contacts, ids=people, erasure=done, at=at)
    return done, await _events(tx, people, talked, groups)


async def needles(tx: Tx, people: Sequence[UUID]) -> list[str]:
    """The words by which Meta names the person."""
    return [row.value for row in await tx.many(_sql.needles, NeedleRow, contacts=list(people))]


async def _in_groups(tx: Tx, words: Sequence[str]) -> list[GroupMessageRow]:
    """What the person wrote in groups, whose messages are not in a conversation of the person's own."""
    numbers = {form for word in words for form in (word, *contacts.both_digits(word))}
    return await tx.many(_sql.in_groups, GroupMessageRow, needles=sorted(numbers))


async def _silence(tx: Tx, written: Sequence[GroupMessageRow], counts: Counts) -> list[UUID]:
    """Blank what the person wrote in groups, while the others' messages stay; the conversations of these groups."""
    ids = [row.id for row in written]
    groups = sorted({row.conversation_id for row in written})
    counts.messages += len(ids)
    counts.media += await forgetting.silence(tx, ids)
    counts.events += await tx.count(_sql.blank_group_events, messages=ids, conversations=groups)
    return groups


async def _forget_files(tx: Tx, talked: list[UUID]) -> int:
    """Delete what these conversations brought and sent, unless another conversation has it too; how many."""
    before = [row.id for row in await tx.many(_sql.files, FileRow, conversations=talked) if row.state != "DELETED"]
    await media.forget(tx, before, talked)
    after = await tx.many(_sql.files, FileRow, conversations=talked)
    return len({row.id for row in after if row.state == "DELETED"} & set(before))


async def _events(tx: Tx, people: list[UUID], talked: list[UUID], groups: list[UUID]) -> list[Event]:
    """Who shows the person drops what it shows."""
    events = [Event("contact:erased", None, {"contactIds": people, "conversationIds": talked})]
    for conversation in (*talked, *groups):
        row = await conversations.found(tx, conversation)
        events.append(Event("conversation:updated", conversation, {"conversation": conversations.shown(row)}))
    return events
