"""The list of contacts: the newest first, found by what people remember of them."""

import re
import unicodedata
from uuid import UUID

from crm.contacts.shapes import ContactList, ContactOut, ContactRow, MadeRow, shown
from crm.core import sql
from crm.core.access import ATTENDANT
from crm.core.http import Call, Door
from crm.core.page import COUNTED, LAST_ID, Page, containing, turned
from crm.core.tx import Tx

_sql = sql.load("contacts")

MATCHED = 1_000  # contacts whose conversations a search looks at, the newest
_NUMBER = re.compile(r"^[\d\s().+-]+$")


async def page(call: Call) -> Page[ContactOut]:
    """The list, the newest contact first."""
    query: ContactList = call.query
    before = query.start[1]  # ids grow with time: the id alone is the place
    filters = {
        "words": patterns(query.search),
        "tag": query.tag,
        "blocked": query.blocked,
        "opted_out": query.opted_out,
        "stay": query.stay,
    }
    if filters["words"] == []:
        return turned(query, [], 0, shown, lambda row: (row.created_at, row.id))
    filtered = any(value is not None for value in filters.values())
    place = {"before": before, "skip": query.skip, "max": query.limit + 1}
    if filtered:
        await call.tx.plan_anew()
        rows = await call.tx.many(_sql.page_filtered, ContactRow, **place, **filters)
    else:
        rows = await call.tx.many(_sql.page, ContactRow, **place)
    total = None
    if not query.cursor:
        counting = {"before": LAST_ID, "most": COUNTED, **filters}
        total = await (call.tx.value(_sql.total_filtered, **counting) if filtered else call.tx.value(_sql.total))
    return turned(query, rows, total, shown, lambda row: (row.created_at, row.id))


async def matching(tx: Tx, search: str) -> list[UUID]:
    """The newest 1,000 contacts that a search finds."""
    words = patterns(search)
    if words == []:
        return []
    await tx.plan_anew()
    rows = await tx.many(_sql.matching, MadeRow, words=words, before=LAST_ID, most=MATCHED)
    return [row.id for row in rows]


def patterns(search: str | None) -> list[str] | None:
    """Each word of a search as a pattern, the longest first; a number by its digits. None: everybody, []: nobody.

    The index knows three letters together, or the first two of a word: shorter ones are looked for at its start.
    """
    digits = re.sub(r"\D", "", search or "")
    if search is None or (len(digits) >= 3 and _NUMBER.match(search)):
        words = [digits] if digits else []
    else:
        plain = unicodedata.normalize("NFKD", search.lower())
        words = re.sub(r"[\u0300-\u036f]", "", plain).split()
    telling = [word for word in words if any(letter.isalnum() for letter in word)]
    longest = sorted(telling, key=len, reverse=True)
    return [containing(word if len(word) > 2 else f" {word}") or "" for word in longest] if words else None


routes = [
    Door(
        method="GET",
        path="/api/contacts",
        handler=page,
        role=ATTENDANT,
        query=ContactList,
        answer=Page[ContactOut],
    ),
]
