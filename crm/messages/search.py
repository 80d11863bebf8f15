"""Searching messages: Portuguese, blind to accents and inflection; the newest 100 hits ranked, then the next."""

import re
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from crm.core import page as paging
from crm.core import sql
from crm.core.access import ATTENDANT
from crm.core.fields import Moment, zoned
from crm.core.http import Call, Door
from crm.messages.shapes import MessageOut, MessageRow, shown

_sql = sql.load("search")
_BLOCK = 100  # hits that are ranked against each other (crm.found answers one more when there are more)
_BLOCKS = 3  # stretches of the history looked through for one page, when nothing is found in them
_EPOCH = datetime.fromtimestamp(0, UTC)
_PIECES = re.compile(r'-?"[^"]*"|\S+')
_HIT = re.compile("\ue000(.*?)\ue001", re.DOTALL)
# Plurals that the stemmer leaves apart once accents are gone: reservações, pães, locais, hotéis, fáceis, lençóis.
_FORMS = (
    ("oes", "ao"), ("aes", "ao"), ("ais", "al"), ("eis", "el"), ("eis", "il"), ("ois", "ol"), ("ns", "m"),
)  # fmt: skip
# Words with such an end that the dictionary leaves out (portuguese.stop, read without accents): another number of
# theirs would be looked for in their stead, and `mais toalhas` find only what is bad (mal).
LEFT_OUT = {
    "ao", "com", "depois", "em", "eram", "estavam", "estejam", "estiveram", "estiverem", "estivessem", "foram",
    "forem", "fossem", "hajam", "houveram", "houverem", "houveriam", "houvessem", "mais", "nem", "num", "qual",
    "quem", "sejam", "sem", "seriam", "tem", "tenham", "teriam", "tinham", "tiveram", "tiverem", "tivessem", "um",
}  # fmt: skip


# A list and no tuple: that one's schema ends in `items: false`, at which a generator of clients gives up.
Span = Annotated[list[int], msgspec.Meta(min_length=2, max_length=2)]


class FoundRow(msgspec.Struct, frozen=True):
    """A message that was found; without a rank, a place: what lies beyond has not been looked at."""

    at: datetime
    message_id: UUID
    rank: float | None


class HitRow(MessageRow, frozen=True):
    """A message that was found, and what is shown beside it."""

    contact_id: UUID
    contact_name: str | None
    snippet: str


class SearchQuery(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """What is looked for: words (all of them), "a phrase", -not; `from` is included, `to` is not."""

    q: Annotated[str, msgspec.Meta(max_length=200, pattern=r"\S")]
    conversation_id: UUID | None = None
    since: Moment | None = msgspec.field(default=None, name="from")
    to: Moment | None = None
    direction: Literal["INBOUND", "OUTBOUND"] | None = None
    page: Annotated[int, msgspec.Meta(ge=1, le=1)] = 1  # as every list takes it; the next ones come by `cursor`
    limit: paging.Limit = 20
    cursor: paging.Cursor | None = None


class WhoseOut(msgspec.Struct, frozen=True):
    """Whom a conversation is with."""

    id: UUID
    name: str | None


class PlaceOut(msgspec.Struct, frozen=True):
    """The conversation of a hit."""

    id: UUID
    contact: WhoseOut


class Snippet(msgspec.Struct, frozen=True):
    """A part of the message's words, plain; `hits` are [start, end) in characters (code points) of it."""

    text: str
    hits: list[Span]


class Hit(msgspec.Struct, frozen=True):
    """A message that was found."""

    message: MessageOut
    conversation: PlaceOut
    snippet: Snippet


class SearchPlace(msgspec.Struct, frozen=True, rename="camel"):
    """Where the page stands; a page may be shorter than `limit` and still have a `nextCursor`."""

    limit: int
    next_cursor: str | None


class Hits(msgspec.Struct, frozen=True):
    """Best first among the newest 100 hits; then the next 100, best first again. There is no total."""

    data: list[Hit]
    pagination: SearchPlace


async def search(call: Call) -> Hits:
    """Messages with these words; captions, file names and buttons count too. Raises ValidationFailed."""
    query: SearchQuery = call.query
    await call.tx.plan_anew()
    pieces = [_forms(piece) for piece in _PIECES.findall(query.q)]
    start, skip = _start(query)
    for _ in range(_BLOCKS):
        rows = await _found(call, pieces, start)
        best = sorted(rows[:_BLOCK], key=lambda row: (row.rank is not None, row.rank, row.at), reverse=True)
        hits = [row for row in best if row.rank is not None]
        beyond = rows[_BLOCK - 1] if len(rows) > _BLOCK else next((row for row in rows if row.rank is None), None)
        chosen = hits[skip : skip + query.limit]
        if chosen or beyond is None:
            break
        start, skip = (beyond.at, beyond.message_id), 0
    following = _following(start, skip + len(chosen), len(hits), beyond)
    return Hits(await _page(call, chosen, pieces), SearchPlace(query.limit, following))


async def _found(call: Call, pieces: list[str], start: tuple[datetime, UUID]) -> list[FoundRow]:
    query: SearchQuery = call.query
    return await call.tx.many(
        _sql.found,
        FoundRow,
        pieces=pieces,
        conversation=query.conversation_id,
        since=zoned(query.since, "/from") or _EPOCH,
        side=query.direction,
        before=start[0],
        before_id=start[1],
    )


def _start(query: SearchQuery) -> tuple[tuple[datetime, UUID], int]:
    """Where the block begins and how much of it was shown. Raises ValidationFailed.

    A first page names its moment: what arrives meanwhile moves no later page.
    """
    if query.cursor:
        place, _, skip = query.cursor.partition(".")
        return paging.read_cursor(place), int(skip) if skip.isdecimal() and len(skip) < 4 else 0
    return (zoned(query.to, "/to") or datetime.now(UTC) + timedelta(minutes=1), UUID(int=0)), 0


def _following(start: tuple[datetime, UUID], shown: int, hits: int, beyond: FoundRow | None) -> str | None:
    if shown < hits:
        return f"{paging.write_cursor(*start)}.{shown}"
    return None if beyond is None else paging.write_cursor(beyond.at, beyond.message_id)


def _forms(piece: str) -> str:
    """A word with its other number, for websearch_to_tsquery; phrases and what is not wanted stay as they are."""
    if piece.startswith(('"', "-")):
        return piece
    word = "".join(one for one in unicodedata.normalize("NFD", piece.lower()) if not unicodedata.combining(one))
    if len(word) < 3 or word in LEFT_OUT:
        return piece.replace('"', " ")
    forms = [word.removesuffix(end) + other for end, other in _FORMS if word.endswith(end)]
    forms += [word.removesuffix(other) + end for end, other in _FORMS if word.endswith(other)]
    return " or ".join([piece.replace('"', " "), *forms])


async def _page(call: Call, chosen: list[FoundRow], pieces: list[str]) -> list[Hit]:
    ids = [row.message_id for row in chosen]
    rows = await call.tx.many(_sql.page, HitRow, ids=ids, pieces=pieces) if ids else []
    known = {row.id: row for row in rows}
    return [_hit(known[row]) for row in ids if row in known]


def _hit(row: HitRow) -> Hit:
    contact = WhoseOut(row.contact_id, row.contact_name)
    return Hit(shown(row), PlaceOut(row.conversation_id, contact), _snippet(row.snippet))


def _snippet(marked: str) -> Snippet:
    """The marks taken out, and where they stood: each hit has two marks before its end, one before its start."""
    places = [[hit.start() - 2 * n, hit.end() - 2 * n - 2] for n, hit in enumerate(_HIT.finditer(marked))]
    return Snippet(marked.replace("\ue000", "").replace("\ue001", ""), places)


routes = [
    Door(
        method="GET",
        path="/api/messages/search",
        handler=search,
        role=ATTENDANT,
        query=SearchQuery,
        answer=Hits,
        replica=True,
    ),
]
