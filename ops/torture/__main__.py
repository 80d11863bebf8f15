"""`python -m crm torture --minutes 30`: the whole system under load and faults, then the books are compared."""

import argparse
import itertools
import sys
import tempfile
import time
from pathlib import Path

from ops.dev import processes
from ops.torture import hotels, report
from ops.torture.books import Books
from ops.torture.faults import Faults
from ops.torture.load import Load
from ops.torture.rig import Rig
from ops.torture.town import Town

_SETTLE_SECONDS = 420.0  # the longest back-off is five minutes, a lease one


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m crm torture", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30, help="how long faults are thrown")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the sequence of faults")
    parser.add_argument("--arrivals", type=float, default=20, help="messages of customers a second")
    parser.add_argument("--hotels", type=int, default=4)
    parser.add_argument("--people", type=int, default=10, help="customers of each hotel")
    parser.add_argument("--out", type=Path, help="write the report here too, as Markdown")
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="FAULT",
        help="throw only these, by turns, by the names it prints",
    )
    return parser.parse_args()


def main() -> int:
    options, books = _options(), Books()
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        port = processes.free_port()
        town, rig = Town(port), Rig(Path(folder) / "home", f"http://127.0.0.1:{port}")
        town.start()
        try:
            faults = Faults(rig, town.app.state.fake.rules, books, options.seed)
            if unknown := set(options.only or []) - set(faults.all):
                print(f"no such fault: {', '.join(unknown)}; there are: {'; '.join(faults.all)}")
                return 2
            rig.start()
            secret = rig.home.secrets["whatsappAppSecret"]
            hotels.found(rig, books, secret, options.hotels, options.people)
            town.begin(Load(rig.urls, secret, books, options.arrivals, options.seed))
            _throw(rig, faults, options)
            town.finish(rig)
            verdict = town.settled(rig, _SETTLE_SECONDS)
        finally:
            rig.stop()
    text = report.page(books, verdict, rig, options)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")
    return 0 if verdict.good and not rig.bad_ends else 1


def _throw(rig: Rig, faults: Faults, options: argparse.Namespace) -> None:
    """Until the time is over, with a line about how it stands each half minute."""
    ends, told = time.monotonic() + options.minutes * 60, time.monotonic()
    names = itertools.cycle(options.only or [None])
    while time.monotonic() < ends:
        faults.throw(next(names))
        rig.pause(faults.dice.uniform(2, 7))
        if time.monotonic() - told > 30:
            told = time.monotonic()
            print(report.line(faults.books, rig), flush=True)
    faults.end()


if __name__ == "__main__":
    sys.exit(main())
