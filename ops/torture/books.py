"""What was promised: every webhook answered 200, every send answered 201, every event a socket heard."""

import itertools
import secrets
import time
from dataclasses import dataclass, field

READERS = 2  # sockets that listen in each hotel


@dataclass
class Person:
    """A customer of a hotel, in one conversation."""

    hotel: int
    wa_id: str
    conversation: str = ""


@dataclass
class Hotel:
    """A tenant with its number and the tokens its people sign in with."""

    id: str
    slug: str
    number_id: str
    waba_id: str
    password: str
    people: list[Person] = field(default_factory=list)

    @property
    def attendant(self) -> str:
        return f"attendant@{self.slug}.example"


@dataclass
class Reader:
    """What one socket has heard: the seq it stands at, and what went wrong."""

    seq: int | None = None
    heard: int = 0
    missed: int = 0
    again: int = 0
    resyncs: int = 0
    reconnects: int = 0
    resuming: bool = False
    ahead: int = 0  # the newest live event while what was missed is asked for: it comes again in its place

    def hear(self, seq: int) -> None:
        """Note an event; a feed has no gaps."""
        if self.resuming and self.seq is not None and seq != self.seq + 1:
            self.ahead = max(self.ahead, seq)
            return
        if self.seq is not None:
            self.missed += max(0, seq - self.seq - 1)
            self.again += seq <= self.seq
        self.seq = max(seq, self.seq or 0)
        self.heard += 1

    def resumed(self) -> None:
        """All that was missed has come, and what came live meanwhile with it."""
        if self.resuming and self.seq is not None:
            self.missed += max(0, self.ahead - self.seq)
            self.seq = max(self.seq, self.ahead)
        self.resuming, self.ahead = False, 0

    def resync(self) -> None:
        """The feed no longer has what was missed: everything is read anew."""
        self.seq, self.resuming, self.ahead, self.resyncs = None, False, 0, self.resyncs + 1

    def lost(self, newest: int) -> int:
        """How many events up to the newest of the feed never came."""
        return self.missed + max(0, newest - (self.seq or 0))


@dataclass
class Books:
    """Everything that is compared with the database and with Meta's ledger."""

    hotels: list[Hotel] = field(default_factory=list)
    arrived: dict[str, tuple[str, str]] = field(default_factory=dict)  # wamid -> tenant, text: answered 200
    sent: dict[str, list[str]] = field(
        default_factory=dict
    )  # conversation -> our message ids, as they were accepted
    client_ids: dict[str, str] = field(default_factory=dict)  # our message id -> the client's
    readers: list[Reader] = field(default_factory=list)
    thrown: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)  # answers that no fault excuses
    answers: dict[int, int] = field(default_factory=dict)
    outage: float = 0.0  # the longest time without a good answer, seconds
    begun: float = field(default_factory=time.monotonic)
    name: str = field(default_factory=lambda: secrets.token_hex(4))  # tells this run's messages from another's
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _good: float = field(default_factory=time.monotonic)

    def answered(self, status: int, where: str, body: bytes) -> None:
        """Count an answer; only 503 is excused by a fault."""
        self.answers[status] = self.answers.get(status, 0) + 1
        now = time.monotonic()
        if status < 400:
            self.outage = max(self.outage, now - self._good)
            self._good = now
        elif status not in (401, 503):
            self.errors.append(f"{where}: {status} {body[:200]!r}")

    @property
    def sends(self) -> int:
        """How many sends were accepted."""
        return sum(len(ids) for ids in self.sent.values())
