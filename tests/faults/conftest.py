"""One system for all faults: two APIs and two workers as real processes, on servers of their own."""

import random
from collections.abc import Callable, Iterator

import pytest

from ops.dev import processes
from ops.torture import hotels
from ops.torture.books import Books, Hotel
from ops.torture.faults import Faults
from ops.torture.load import Load
from ops.torture.reconcile import Verdict
from ops.torture.rig import Rig
from ops.torture.town import Town

SETTLE_SECONDS = 75  # a lease of a killed worker is a minute


class Stage:
    """The system with its hotels; each scene is a load of its own, compared with books of its own."""

    def __init__(self, rig: Rig, town: Town, cast: list[Hotel]) -> None:
        self.rig, self.town, self.cast = rig, town, cast

    def scene(self, throw: Callable[[Faults], None], arrivals: float = 15) -> tuple[Verdict, Books]:
        """People write and answer while something is thrown; then everything settles and is compared."""
        books = Books(hotels=self.cast)
        load = Load(self.rig.urls, self.rig.home.secrets["whatsappAppSecret"], books, arrivals, 7, late=1)
        faults = Faults(self.rig, self.town.app.state.fake.rules, books, random.randrange(1000), pace=0.3)
        self.town.begin(load)
        self.rig.pause(0.5)
        throw(faults)
        self.rig.pause(1)
        faults.end()
        self.town.finish(self.rig)
        return self.town.settled(self.rig, SETTLE_SECONDS), books


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    books, port = Books(), processes.free_port()
    rig = Rig(tmp_path_factory.mktemp("faults") / "home", f"http://127.0.0.1:{port}")
    town = Town(port)
    town.start()
    try:
        rig.start()
        hotels.found(rig, books, rig.home.secrets["whatsappAppSecret"], 2, 4)
        yield Stage(rig, town, books.hotels)
    finally:
        rig.stop()
