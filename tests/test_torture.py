"""The torture's arithmetic: each figure of its table becomes something else than 0 when the promise is broken."""

from dataclasses import replace
from typing import Any

import pytest

from ops.fake_meta.world import Sent
from ops.torture.books import Books, Reader
from ops.torture.reconcile import Verdict, arrivals, departures, vanished

ROWS = [("h1", "w1", "um"), ("h1", "w2", "dois")]


def taken(*ids: str) -> list[Sent]:
    """What Meta accepted, in this order."""
    return [Sent(0.0, "1", "55", "text", {}, f"wamid.{place}", name) for place, name in enumerate(ids)]


@pytest.fixture
def books() -> Books:
    """Two messages promised in, three out of one conversation."""
    return Books(arrived={"w1": ("h1", "um"), "w2": ("h1", "dois")}, sent={"c": ["a", "b", "c"]})


def figures(books: Books, rows: list[tuple[str, str, str]], ledger: list[Sent]) -> dict[str, int]:
    return arrivals(books, rows) | departures(books, ledger)


def test_a_kept_promise_is_four_zeros(books: Books) -> None:
    assert figures(books, ROWS, taken("a", "b", "c")) == {
        "sent in": 2, "kept": 2, "duplicates": 0, "lost": 0, "sent out": 3, "twice": 0, "out of order": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "name"),
    [
        (ROWS[:1], "lost"),
        ([("h2", "w1", "um"), ROWS[1]], "lost"),
        ([("h1", "w1", "outro"), ROWS[1]], "lost"),
        ([*ROWS, ("h1", "w9", "um")], "duplicates"),
        ([*ROWS, ROWS[0]], "duplicates"),
    ],
)
def test_what_is_missing_misplaced_or_doubled_is_counted(
    books: Books, rows: list[tuple[str, str, str]], name: str
) -> None:
    assert figures(books, rows, taken("a", "b", "c"))[name] > 0


@pytest.mark.parametrize(
    ("ledger", "name"), [(taken("a", "b", "b", "c"), "twice"), (taken("b", "a", "c"), "out of order")]
)
def test_what_meta_took_twice_or_in_another_order_is_counted(books: Books, ledger: list[Sent], name: str) -> None:
    found = figures(books, ROWS, ledger)
    assert (found[name], found["lost"]) == (1, 0)


def test_a_message_meta_never_took_changes_no_order(books: Books) -> None:
    assert figures(books, ROWS, taken("a", "c"))["out of order"] == 0


def test_a_send_without_a_row_or_called_sent_by_mistake_has_vanished(books: Books) -> None:
    rows: Any = [{"id": "a", "status": "READ"}, {"id": "b", "status": "UNCERTAIN"}]
    assert vanished(books, rows, taken("a")) == 1
    assert vanished(books, [*rows, {"id": "c", "status": "SENT"}], taken("a")) == 1
    assert vanished(books, [*rows, {"id": "c", "status": "SENT"}], taken("a", "c")) == 0


def test_a_reader_counts_what_it_missed_and_what_it_heard_again() -> None:
    reader = Reader(seq=4)
    for seq in (5, 6, 9, 9):
        reader.hear(seq)
    assert (reader.missed, reader.again, reader.heard, reader.lost(12)) == (2, 1, 4, 5)


def test_a_reader_that_asks_for_what_it_missed_takes_live_events_in_their_place() -> None:
    reader = Reader(seq=4, resuming=True)
    for seq in (8, 5, 6, 7, 8):
        reader.hear(seq)
    reader.resumed()
    assert (reader.missed, reader.again, reader.lost(8)) == (0, 0, 0)


def test_a_reader_that_hears_the_next_event_live_hears_it_again_in_the_replay() -> None:
    reader = Reader(seq=4, resuming=True)
    for seq in (5, 6, 5, 6):
        reader.hear(seq)
    reader.resumed()
    assert (reader.missed, reader.again, reader.lost(6)) == (0, 0, 0)
    reader.hear(6)
    assert reader.again == 1


def test_a_reader_misses_what_a_replay_left_out() -> None:
    reader = Reader(seq=4, resuming=True)
    for seq in (5, 9):
        reader.hear(seq)
    reader.resumed()
    assert (reader.missed, reader.lost(9)) == (4, 4)


def test_one_figure_that_is_not_zero_spoils_the_verdict() -> None:
    zero = {"sent in": 5, "kept": 5, "duplicates": 0, "lost": 0, "sent out": 3, "twice": 0, "out of order": 0}
    good = Verdict(zero, {"dead letters": 0}, {})  # type: ignore[arg-type]
    assert good.good
    for name in ("duplicates", "lost", "twice", "out of order"):
        assert not replace(good, figures={**zero, name: 1}).good
    assert not replace(good, zeros={"dead letters": 1}).good
