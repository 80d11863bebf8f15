"""`python -m crm torture --minutes 30`: the whole system under load and faults, then the books are compared."""

import argparse
import asyncio
import itertools
import sys
import tempfile
import threading
import time
from pathlib import Path

import uvicorn

from ops.dev import processes
from ops.fake_meta import app as fake_meta
from ops.torture import hotels, report
from ops.torture.books import Books
from ops.torture.faults import Faults
from ops.torture.load import Load
from ops.torture.reconcile import Verdict, reconcile, waiting
from ops.torture.rig import Rig

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


class Town:
    """Everybody but the system: the fake Meta and the load, on an event loop in a thread of their own.

    The main thread starts and kills processes, which must be the children of a thread that lives on.
    """

    def __init__(self, port: int, books: Books) -> None:
        self.app, self.port, self.books = fake_meta(), port, books
        self.loop = asyncio.new_event_loop()
        self.failure: BaseException | None = None
        self.load: Load | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._server = uvicorn.Server(uvicorn.Config(self.app, port=port, log_level="error"))
        self._work: asyncio.Future[None] | None = None

    def start(self) -> None:
        """The fake Meta alone."""
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._server._serve())

    def begin(self, load: Load) -> None:
        """First words, then the load."""
        self.load = load
        asyncio.run_coroutine_threadsafe(load.first_words(), self.loop).result(60)
        self._work = asyncio.run_coroutine_threadsafe(load.run(), self.loop)  # type: ignore[assignment]

    def finish(self, rig: Rig) -> None:
        """Ask everybody to come to an end, and wait while the system is looked after."""
        assert self.load is not None
        assert self._work is not None
        self.loop.call_soon_threadsafe(self.load.stopping.set)
        while not self._work.done():
            rig.pause(0.5)
        self._work.result()

    @property
    def undelivered(self) -> int:
        """Statuses that Meta still tries to tell."""
        return len(self.app.state.fake.courier.open)


def main() -> int:
    options, books = _options(), Books()
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        port = processes.free_port()
        town, rig = Town(port, books), Rig(Path(folder) / "home", f"http://127.0.0.1:{port}")
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
            verdict = _settled(rig, town)
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


def _settled(rig: Rig, town: Town) -> Verdict:
    """Wait until nothing waits any more, then compare."""
    url, ends = rig.home.database_url("owner"), time.monotonic() + _SETTLE_SECONDS
    while time.monotonic() < ends and (asyncio.run(waiting(url)) or town.undelivered):
        rig.pause(1)
    rig.pause(2)
    return asyncio.run(reconcile(url, town.books, list(town.app.state.fake.world.sent)))


if __name__ == "__main__":
    sys.exit(main())
