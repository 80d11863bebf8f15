"""Lists: `?page=&limit=` or an opaque `?cursor=`, keyset underneath, and times as the contract writes them."""

import base64
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Generic, TypeVar
from uuid import UUID

import msgspec

from crm.core.errors import ValidationFailed, invalid

T = TypeVar("T")
R = TypeVar("R")
_encode = msgspec.json.Encoder().encode
FIRST = datetime.max.replace(tzinfo=UTC)  # asyncpg's word for 'infinity': before it comes everything
LAST_ID = UUID(int=2**128 - 1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # after it, and FIRST_ID, comes everything
FIRST_ID = UUID(int=0)
DEEPEST = 20_000  # rows that a page number may skip; beyond, the cursor costs the same everywhere
COUNTED = 10_000  # where a total is not kept, so many are counted: such a total means "at least"

Limit = Annotated[int, msgspec.Meta(ge=1, le=100)]
PageNumber = Annotated[int, msgspec.Meta(ge=1, le=2**31)]
Cursor = Annotated[str, msgspec.Meta(max_length=200)]
Stamp = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]  # what `stamp` writes


class PageQuery(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """What every list takes."""

    page: PageNumber = 1
    limit: Limit = 20
    cursor: Cursor | None = None

    @property
    def skip(self) -> int:
        """How many rows the page number skips. Raises ValidationFailed when it is too deep."""
        skip = 0 if self.cursor else (self.page - 1) * self.limit
        if skip > DEEPEST:
            raise invalid(
                "/page",
                f"além de {DEEPEST} itens, siga por nextCursor",
                f"beyond {DEEPEST} items, follow nextCursor",
            )
        return skip

    @property
    def start(self) -> tuple[datetime, UUID]:
        """The place in (time, id) order that the page comes after. Raises ValidationFailed."""
        return read_cursor(self.cursor) if self.cursor else (FIRST, LAST_ID)


class Pagination(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Where a page stands. With a cursor, page, total and pages are left out."""

    limit: int
    next_cursor: str | None
    page: int | msgspec.UnsetType = msgspec.UNSET
    total: int | msgspec.UnsetType = msgspec.UNSET
    pages: int | msgspec.UnsetType = msgspec.UNSET


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A page of a list."""

    data: list[T]
    pagination: Pagination


def paged(query: PageQuery, items: list[T], total: int | None, last: tuple[datetime, UUID] | None) -> Page[T]:
    """The page; `last` is the key of the last item when more may follow, `total` None on the way by cursor."""
    following = None if last is None else write_cursor(*last)
    if total is None:
        return Page(items, Pagination(query.limit, following))
    pages = -(-total // query.limit)
    return Page(items, Pagination(query.limit, following, query.page, total, pages))


def turned(
    query: PageQuery,
    rows: Sequence[R],
    total: int | None,
    show: Callable[[R], T],
    place: Callable[[R], tuple[datetime, UUID]],
) -> Page[T]:
    """The page, out of one row more than it shows: that one tells that more follow."""
    kept = rows[: query.limit]
    return paged(query, [show(row) for row in kept], total, place(kept[-1]) if len(rows) > query.limit else None)


def containing(search: str | None) -> str | None:
    """A LIKE pattern that takes the words literally, in any case."""
    if search is None:
        return None
    return "%" + search.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"


def write_cursor(at: datetime, row: UUID) -> str:
    """A place in (time, id) order as an opaque word."""
    micros = int((at - EPOCH).total_seconds() * 1_000_000)
    return base64.urlsafe_b64encode(micros.to_bytes(8, "big", signed=True) + row.bytes).decode().rstrip("=")


def read_cursor(text: str, name: str = "cursor") -> tuple[datetime, UUID]:
    """The place again. Raises ValidationFailed on anything that write_cursor did not make."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        if len(raw) != 24:
            raise ValueError
        micros = int.from_bytes(raw[:8], "big", signed=True)
        at = datetime.fromtimestamp(micros // 1_000_000, UTC).replace(microsecond=micros % 1_000_000)
        return at, UUID(bytes=raw[8:])
    except (ValueError, OverflowError, OSError) as error:
        raise _bad_cursor(name) from error


def _bad_cursor(name: str) -> ValidationFailed:
    return invalid(f"/{name}", "cursor inválido: use o que a lista devolveu", "bad cursor: use what the list gave")


def stamp(at: datetime) -> Stamp:
    """A time (in UTC) as RFC 3339 with milliseconds and Z. By msgspec: 0.3 µs against 1.2 by isoformat."""
    text = _encode(at)
    return f"{text[1:24].decode()}Z" if at.microsecond else f"{text[1:20].decode()}.000Z"


def maybe_stamp(at: datetime | None) -> Stamp | None:
    """A time that may be missing."""
    return None if at is None else stamp(at)
