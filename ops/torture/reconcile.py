"""The end: what was promised, what the database says, and what Meta's side saw."""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import asyncpg

from ops.fake_meta.world import Sent
from ops.torture.books import READERS, Books

# What may still change by itself.
_WAITING = """
SELECT (SELECT count(*) FROM webhook_waiting)
    + (SELECT count(*) FROM messages WHERE status IN ('QUEUED', 'SENDING')) AS waiting"""
_HEADS = "SELECT t.slug, h.seq FROM feed_heads AS h INNER JOIN tenants AS t ON t.id = h.tenant_id"
_MESSAGES = "SELECT tenant_id::text, wamid, content FROM messages WHERE direction = 'INBOUND'"
_SENDS = """
SELECT m.id::text, m.conversation_id::text, m.status, m.client_message_id, m.error->>'title' AS why
FROM messages AS m WHERE m.direction = 'OUTBOUND' AND m.client_message_id LIKE $1"""
_SETTLED = ("SENT", "DELIVERED", "READ", "PLAYED")


@dataclass
class Verdict:
    """The table: the last four of `figures` must be 0, and everything of `zeros` too."""

    figures: dict[str, int]
    zeros: dict[str, int]
    ended: Counter[str]
    notes: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether the promise was kept."""
        must = ("duplicates", "lost", "twice", "out of order")
        return not any([*(self.figures[name] for name in must), *self.zeros.values()])


@dataclass
class Standing:
    """How far everything has come: `heads` is the newest seq that each reader should have heard."""

    waiting: int
    heads: list[int]
    heard: list[int]

    @property
    def moves(self) -> bool:
        """Whether something is still to be done, or to be heard."""
        return self.waiting > 0 or any(seq < head for seq, head in zip(self.heard, self.heads, strict=True))


async def look(url: str, books: Books) -> Standing:
    """Where the system and the sockets stand (as the database's owner)."""
    owner = await asyncpg.connect(url)
    try:
        waiting = int(await owner.fetchval(_WAITING))
        seqs = {row["slug"]: row["seq"] for row in await owner.fetch(_HEADS)}
    finally:
        await owner.close()
    heads = [seqs.get(hotel.slug, 0) for hotel in books.hotels for _ in range(READERS)]
    return Standing(waiting, heads, [reader.seq or 0 for reader in books.readers])


async def reconcile(url: str, books: Books, ledger: Sequence[Sent], heads: list[int]) -> Verdict:
    """Compare the books with the database (as its owner), with Meta's ledger and with the feed's `heads`."""
    owner = await asyncpg.connect(url)
    messages = await owner.fetch(_MESSAGES)
    sends = await owner.fetch(_SENDS, f"{books.name}-%")
    letters = await owner.fetchval("SELECT count(*) FROM dead_letters")
    await owner.close()
    figures = arrivals(books, [tuple(row) for row in messages]) | departures(books, ledger)
    zeros = {
        "vanished sends": vanished(books, sends, ledger),
        "sends stored twice": len(sends) - len({row["client_message_id"] for row in sends}),
        "events a socket missed": sum(reader.lost(seq) for reader, seq in zip(books.readers, heads, strict=True)),
        "events a socket heard again": sum(reader.again for reader in books.readers),
        "answers no fault excuses": len(books.errors),
        "dead letters": letters,
    }
    ended = Counter(row["status"] for row in sends)
    why = Counter(row["why"] for row in sends if row["status"] in ("FAILED", "UNCERTAIN"))
    notes = [f"{number} x {text}" for text, number in why.most_common()]
    return Verdict(figures, zeros, ended, notes + books.errors[:5])


def arrivals(books: Books, rows: list[tuple[str, str, str]]) -> dict[str, int]:
    """Every acknowledged message is one row of the right hotel, with the right text."""
    kept = Counter(wamid for tenant, wamid, text in rows if books.arrived.get(wamid) == (tenant, text))
    texts = Counter(text for _, _, text in rows)
    return {
        "sent in": len(books.arrived),
        "kept": len(kept),
        "duplicates": sum(number - 1 for number in texts.values()) + sum(number - 1 for number in kept.values()),
        "lost": len(books.arrived) - len(kept),
    }


def departures(books: Books, ledger: Sequence[Sent]) -> dict[str, int]:
    """Meta accepted each message at most once, and those of a conversation in our order."""
    seen = Counter(sent.callback for sent in ledger)
    place: dict[str | None, int] = {}
    for number, sent in enumerate(ledger):
        place.setdefault(sent.callback, number)
    inverted = 0
    for ids in books.sent.values():
        places = [place[message] for message in ids if message in place]
        inverted += sum(after < before for before, after in itertools.pairwise(places))
    return {
        "sent out": books.sends,
        "twice": sum(number - 1 for number in seen.values()),
        "out of order": inverted,
    }


def vanished(books: Books, rows: Sequence[asyncpg.Record], ledger: Sequence[Sent]) -> int:
    """Accepted by us, and either no row at all, or called sent while Meta never saw it."""
    seen, states = {sent.callback for sent in ledger}, {row["id"]: row["status"] for row in rows}
    accepted = [message for ids in books.sent.values() for message in ids]
    gone = [message for message in accepted if message not in states]
    lies = [message for message in accepted if states.get(message) in _SETTLED and message not in seen]
    return len(gone) + len(lies)
