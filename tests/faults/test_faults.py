"""Whatever dies: an acknowledged webhook is one message, an accepted send reaches its customer once, in order.

Each test throws one thing at a system under load (webhooks come twice, late, in the wrong order and in batches all
the while), then compares what was promised with the database and with Meta's ledger.
"""

import time
from collections.abc import Callable

import pytest

from ops.fake_meta.script import Action, Fault, Rule
from ops.torture.books import Books
from ops.torture.faults import Faults
from ops.torture.reconcile import Verdict
from tests.faults.conftest import Stage

HIT_SECONDS = 30  # people pause for up to 15 seconds between their bursts
ENDED = {"SENT", "DELIVERED", "READ"}


def kept(verdict: Verdict, books: Books, stage: Stage, *also: str) -> None:
    """Four zeros, and nothing else amiss; every send has ended well, or as `also` allows."""
    told = (verdict.figures, verdict.zeros, verdict.ended, verdict.notes)
    assert verdict.good, told
    assert stage.rig.bad_ends == []
    load = verdict.figures["sent in"], verdict.figures["sent out"]
    assert min(load) >= 4, told  # there was one; how much a busy machine gets done is not what is tested
    assert set(verdict.ended) <= ENDED | set(also), told
    assert books.errors == []


def graph(*actions: Action, times: int = 2) -> Callable[[Faults], None]:
    """Graph does this to so many calls, one action after the other."""

    def throw(faults: Faults) -> None:
        for action in actions:
            faults.rules.add([Rule(action=action, times=times)], None)
            ends = time.monotonic() + HIT_SECONDS
            while faults.rules.rules and time.monotonic() < ends:
                faults.rig.pause(0.1)
            assert not faults.rules.rules, "nothing was sent into the fault"

    return throw


@pytest.mark.parametrize("name", ["kill -9 an API", "kill -9 a worker", "Postgres restarted", "Postgres crashed"])
def test_what_is_killed_comes_back_and_nothing_is_lost_or_repeated(name: str, stage: Stage) -> None:
    def throw(faults: Faults) -> None:
        for _ in range(2 if "kill" in name else 1):
            faults.throw(name)
            faults.rig.pause(1)

    kept(*stage.scene(throw), stage, "UNCERTAIN")


@pytest.mark.parametrize("name", ["FLUSHALL", "Redis gone", "Redis evicts (allkeys-lru at its limit)"])
def test_redis_is_only_a_hint(name: str, stage: Stage) -> None:
    def throw(faults: Faults) -> None:
        for _ in range(5 if name == "FLUSHALL" else 1):
            faults.throw(name)
            faults.rig.pause(0.3)

    kept(*stage.scene(throw), stage)


def test_a_rolling_restart_of_everything_loses_nothing_and_ends_well(stage: Stage) -> None:
    def throw(faults: Faults) -> None:
        for name in stage.rig.names:
            faults.rig.ask_to_end(name)
            faults.rig.pause(0.5)

    kept(*stage.scene(throw), stage)


@pytest.mark.parametrize(
    "actions",
    [
        (Action(error=Fault(status=500)), Action(error=Fault(status=503, code=131016))),
        (Action(error=Fault(status=429, code=130429)),),
        (Action(delay_ms=1500), Action(statuses=["read", "sent", "delivered"], duplicates=2)),
        (Action(cut="after"),),
    ],
    ids=["500, 503", "429", "late, statuses astray", "cut after it read"],
)
def test_what_graph_does_is_borne(actions: tuple[Action, ...], stage: Stage) -> None:
    kept(*stage.scene(graph(*actions)), stage)


def test_what_meta_may_have_read_is_never_sent_again(stage: Stage) -> None:
    """Cut before it was read, and hanging: nobody can tell these from those that were read."""
    verdict, books = stage.scene(graph(Action(cut="before"), times=4))
    kept(verdict, books, stage, "UNCERTAIN")
    assert verdict.ended["UNCERTAIN"] >= 1
