"""Meta's error table, as the frontend shows it beside a message that failed."""

import msgspec

from crm.core.access import ATTENDANT
from crm.core.http import Call, Door
from crm.core.meta_codes import PERMISSIONS, TABLE, Meaning, Retry, Scope, Words


class CodeOut(msgspec.Struct, frozen=True, rename="camel"):
    """A code of Meta's, or all from it `upTo` another; `people`: nothing helps before somebody acts."""

    code: int
    up_to: int | None
    retry: Retry
    scope: Scope
    wait_seconds: int
    people: bool
    action: str | None
    words: dict[str, Words]


class Codes(msgspec.Struct, frozen=True):
    """The table, by code."""

    data: list[CodeOut]


async def every(_call: Call) -> Codes:
    """Every code, in both languages."""
    listed = [code for code in sorted(TABLE) if code not in PERMISSIONS[1:]]
    return Codes([_shown(code, TABLE[code]) for code in listed])


def _shown(code: int, meaning: Meaning) -> CodeOut:
    rule = meaning.rule
    return CodeOut(
        code,
        PERMISSIONS[-1] if code == PERMISSIONS[0] else None,
        rule.retry,
        rule.scope,
        rule.wait,
        rule.people,
        rule.action,
        {"pt-BR": meaning.pt, "en": meaning.en},
    )


routes = [Door(method="GET", path="/api/meta-errors", handler=every, role=ATTENDANT, answer=Codes)]
