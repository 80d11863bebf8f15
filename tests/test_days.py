"""Raw events and the feed by day: parts are made ahead and dropped whole, and nothing that waits is dropped."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from tests.scratch import Scratch

PARTS = "SELECT relname FROM pg_class WHERE relnamespace = 'days'::regnamespace AND relkind = 'r' ORDER BY 1"
EVENT = "INSERT INTO webhook_events (received_at, body) VALUES (now() + %s * INTERVAL '1 day', 'x') RETURNING id"
FEED = """INSERT INTO feed_events (tenant_id, seq, event, data, created_at)
          VALUES (%s, %s, 'x', '{}', now() + %s * INTERVAL '1 day')"""
CUT = "SELECT crm.cut_days('webhook_events', make_interval(days => 30))"
OLD = """CREATE TABLE days.webhook_events_{day} PARTITION OF webhook_events
         FOR VALUES FROM ('{since}') TO ('{until}')"""


def day(ago: int) -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=ago)


def part(table: str, ago: int) -> str:
    return f"{table}_{day(ago):%Y_%m_%d}"


def parts(migrated: Scratch) -> set[str]:
    return {row[0] for row in migrated.run(PARTS)}


def with_old_part(connection: psycopg.Connection, ago: int) -> None:
    """A part as it would be there, had the system run for so many days."""
    dates = {"day": f"{day(ago):%Y_%m_%d}", "since": day(ago), "until": day(ago - 1)}
    connection.execute(OLD.format(**dates))
    connection.execute(EVENT, (-ago,))


def test_the_parts_of_today_and_the_next_days_are_there_from_the_start(migrated: Scratch) -> None:
    for table in ("webhook_events", "feed_events"):
        assert {part(table, ago) for ago in (0, -1, -2, -3)} | {f"{table}_rest"} <= parts(migrated)


def test_a_part_older_than_is_kept_is_dropped_whole_and_a_younger_one_stays(migrated: Scratch) -> None:
    with psycopg.connect(migrated.url("owner"), autocommit=True) as owner:
        for ago in (40, 31, 30, 2):
            with_old_part(owner, ago)
        assert owner.execute(CUT).fetchone() == (2,)
        assert owner.execute("SELECT count(*) FROM webhook_events").fetchone() == (2,)
    left = parts(migrated)
    assert [part("webhook_events", ago) in left for ago in (40, 31, 30, 2)] == [False, False, True, True]


def test_a_day_of_which_something_waits_is_kept(migrated: Scratch) -> None:
    with psycopg.connect(migrated.url("owner"), autocommit=True) as owner:
        with_old_part(owner, 40)
        owner.execute("INSERT INTO webhook_waiting SELECT '', received_at, id, 1 FROM webhook_events")
        assert owner.execute(CUT).fetchone() == (0,)
        owner.execute("DELETE FROM webhook_waiting")
        assert owner.execute(CUT).fetchone() == (1,)


def test_a_row_of_a_day_nobody_cut_is_kept_in_the_rest_until_its_time(migrated: Scratch) -> None:
    with psycopg.connect(migrated.url("owner"), autocommit=True) as owner:
        for ahead in (-20, -35, 5):
            owner.execute(EVENT, (ahead,))
        assert owner.execute("SELECT count(*) FROM days.webhook_events_rest").fetchone() == (3,)
        owner.execute(CUT)
        assert owner.execute("SELECT count(*) FROM days.webhook_events_rest").fetchone() == (2,)


def test_cutting_again_changes_nothing(migrated: Scratch) -> None:
    before = parts(migrated)
    with psycopg.connect(migrated.url("system"), autocommit=True) as system:
        assert system.execute(CUT).fetchone() == (0,)
    assert parts(migrated) == before


@pytest.mark.parametrize("role", ["app", "system"])
def test_nobody_looks_into_a_part_past_its_tables_row_security(migrated: Scratch, role: str) -> None:
    with psycopg.connect(migrated.url(role), autocommit=True) as connection:
        for table in ("webhook_events", "feed_events"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"SELECT FROM days.{part(table, 0)}")


def test_only_the_two_tables_are_cut_and_never_below_a_day(migrated: Scratch) -> None:
    with psycopg.connect(migrated.url("system"), autocommit=True) as system:
        for table, days in (("messages", 30), ("webhook_events", 0), ("x; DROP TABLE users", 30)):
            with pytest.raises(psycopg.errors.RaiseException):
                system.execute("SELECT crm.cut_days(%s, make_interval(days => %s))", (table, days))


def test_the_app_may_not_cut(migrated: Scratch) -> None:
    with (
        psycopg.connect(migrated.url("app"), autocommit=True) as app,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        app.execute(CUT)


def test_a_tenants_feed_is_read_across_days_in_order(migrated: Scratch) -> None:
    nil = "00000000-0000-0000-0000-000000000000"
    with psycopg.connect(migrated.url("owner"), autocommit=True) as owner:
        for seq, ahead in ((1, -1), (2, 0), (3, 1), (4, 2)):
            owner.execute(FEED, (nil, seq, ahead))
    with psycopg.connect(migrated.url("app")) as app:
        app.execute("SELECT set_config('app.tenant_id', %s, TRUE)", (nil,))
        found = app.execute("SELECT seq FROM feed_events WHERE seq > 1 ORDER BY seq LIMIT 10").fetchall()
    assert found == [(2,), (3,), (4,)]
