"""A line of the doctor's screen, and what the screen as a whole says."""

from collections.abc import Sequence

import msgspec

_MARKS = {True: "ok", False: "DO", None: "??"}


class Line(msgspec.Struct, frozen=True):
    """What was looked at: all well, something to do (`fix`), or (None) it could not be looked at."""

    name: str
    ok: bool | None
    detail: str
    fix: str = ""


def screen(lines: Sequence[Line]) -> str:
    """The lines one below the other, each fix below its line."""
    wide = max(len(line.name) for line in lines)
    told = []
    for line in lines:
        told.append(f"{_MARKS[line.ok]}  {line.name:<{wide}}  {line.detail}")
        if line.fix and not line.ok:
            told.append(f"    {'':<{wide}}  -> {line.fix}")
    return "\n".join(told)


def verdict(lines: Sequence[Line]) -> int:
    """0: all well; 1: something to do; 2: something could not be looked at."""
    if any(line.ok is None for line in lines):
        return 2
    return int(any(line.ok is False for line in lines))
