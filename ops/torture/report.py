"""What a torture says: a line now and then, and the page at its end."""

import argparse
import platform
import time
from datetime import UTC, datetime

from ops.torture.books import Books
from ops.torture.reconcile import Verdict
from ops.torture.rig import Rig

_COLUMNS = ("sent in", "kept", "duplicates", "lost", "sent out", "twice", "out of order")


def line(books: Books, rig: Rig) -> str:
    """How it stands."""
    at = time.monotonic() - books.begun
    heard = sum(reader.heard for reader in books.readers)
    return (
        f"{at:7.1f} s  -- in {len(books.arrived)}, out {books.sends}, heard {heard}, "
        f"restarts {rig.restarts}, answers {dict(sorted(books.answers.items()))}"
    )


def page(books: Books, verdict: Verdict, rig: Rig, options: argparse.Namespace) -> str:
    """The whole report, as Markdown."""
    sockets = books.readers
    cells = [f"{verdict.figures[name]:,}" for name in _COLUMNS]
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    rows = [
        f"{when}, {options.minutes:g} minutes of faults, seed {options.seed}, {platform.python_version()}, "
        f"{options.hotels} hotels with {options.people} customers each, {options.arrivals:g} arrivals a second:",
        "",
        "| " + " | ".join(_COLUMNS) + " |",
        "|" + " --- |" * len(_COLUMNS),
        "| " + " | ".join(cells) + " |",
        "",
        "Also 0, or it is a defect: "
        + ", ".join(f"{name} {number}" for name, number in verdict.zeros.items())
        + ".",
        f"Sends ended: {', '.join(f'{status} {number:,}' for status, number in verdict.ended.most_common())}.",
        f"Sockets: {len(sockets)}, heard {sum(reader.heard for reader in sockets):,} events, reconnected "
        f"{sum(reader.reconnects for reader in sockets)} times, resynced "
        f"{sum(reader.resyncs for reader in sockets)} times.",
        f"Processes started again: {rig.restarts}. Longest time without a good answer: {books.outage:.1f} s. "
        f"Answers by status: {dict(sorted(books.answers.items()))}.",
        "",
        "| fault | thrown |",
        "| --- | --- |",
        *(f"| {name} | {number} |" for name, number in sorted(books.thrown.items())),
    ]
    problems = [*rig.bad_ends, *verdict.notes]
    return "\n".join([*rows, "", *(f"- {text}" for text in problems)]).rstrip()
