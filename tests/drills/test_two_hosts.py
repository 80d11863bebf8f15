"""Two hosts with an API and a worker each, over one Postgres and one Redis; one is cut off and returns."""

from collections.abc import Iterator

import httpx
import psycopg
import pytest

from ops.dev import processes
from ops.torture import hotels
from ops.torture.books import Books
from ops.torture.load import Load
from ops.torture.reconcile import Verdict
from ops.torture.town import Town
from tests.drills.hosts import OUTSIDE, Hosts, Network, why_not

WHY_NOT = why_not()
SETTLE_SECONDS = 90  # a lease of a worker that was cut off is a minute
ENDED = {"SENT", "DELIVERED", "READ", "UNCERTAIN"}
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)


class Stage:
    """The hosts with their people; each scene has a load of its own."""

    def __init__(self, network: Network, rig: Hosts, town: Town, cast: Books) -> None:
        self.network, self.rig, self.town, self.cast = network, rig, town, cast

    def begin(self) -> Books:
        books = Books(hotels=self.cast.hotels)
        self.town.begin(Load(self.rig.urls, self.rig.home.secrets["whatsappAppSecret"], books, 15, 7, late=1))
        self.rig.pause(1)
        return books

    def end(self) -> Verdict:
        self.rig.pause(1)
        self.town.finish(self.rig)
        return self.town.settled(self.rig, SETTLE_SECONDS)

    def messages(self) -> int:
        """How many have come in and gone out so far."""
        query = "SELECT count(*) FROM messages WHERE status IN ('RECEIVED', 'SENT', 'DELIVERED', 'READ')"
        with psycopg.connect(self.rig.home.database_url("owner")) as connection:
            return int(connection.execute(query).fetchone()[0])  # type: ignore[index]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    network, port, books = Network(), processes.free_port(), Books()
    network.lay()
    rig = Hosts(tmp_path_factory.mktemp("hosts") / "home", f"http://{OUTSIDE}.1:{port}")
    town = Town(port, f"{OUTSIDE}.1")
    town.start()
    try:
        rig.start()
        hotels.found(rig, books, rig.home.secrets["whatsappAppSecret"], 2, 4)
        yield Stage(network, rig, town, books)
    finally:
        rig.stop()
        network.remove()


def kept(verdict: Verdict, books: Books) -> None:
    """Nothing lost, nothing twice, in order; no socket missed an event; every answer had its reason."""
    told = (verdict.figures, verdict.zeros, verdict.ended, verdict.notes, books.errors)
    assert verdict.good, told
    assert set(verdict.ended) <= ENDED, told
    assert min(verdict.figures["sent in"], verdict.figures["sent out"]) >= 4, told


def test_a_host_that_loses_its_servers_sends_its_people_to_the_other(stage: Stage) -> None:
    books = stage.begin()
    stage.network.cut("1", "in")
    stage.rig.pause(12)
    before = stage.messages()
    stage.rig.pause(8)
    assert stage.messages() > before  # the other host goes on
    assert not stage.rig.ready(stage.rig.urls[0])
    numbers = httpx.get(f"{stage.rig.urls[0]}/metrics", timeout=10, trust_env=False).text
    assert "crm_sockets 0.0" in numbers  # told to come back, to whoever hears
    assert 'crm_sockets_dropped_total{code="1012"}' in numbers
    stage.network.mend("1", "in")
    kept(stage.end(), books)
    assert stage.rig.ready(stage.rig.urls[0])


def test_a_host_that_is_gone_and_returns_loses_nothing_and_does_nothing_twice(stage: Stage) -> None:
    books = stage.begin()
    stage.network.cut("2", "in", "out")
    stage.rig.pause(4)
    before = stage.messages()
    stage.rig.pause(4)
    assert stage.messages() > before
    stage.network.mend("2", "in", "out")
    kept(stage.end(), books)
    assert all(stage.rig.ready(url) for url in stage.rig.urls)
