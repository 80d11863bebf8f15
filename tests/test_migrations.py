"""`python -m crm migrate` and `rollback`, as operators run them, on a database of the test's own."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from crm.core import migrate, schema
from ops.dev.home import Home
from ops.dev.postgres import PROGRAMS
from tests import scratch
from tests.scratch import Scratch

ALL = [path.stem for path in schema.files()]
ROOT = Path(__file__).parents[1]


@pytest.fixture
def empty(home: Home) -> Iterator[Scratch]:
    """A database with nothing in it."""
    with scratch.database(home) as made:
        yield made


def start(on: Scratch, *words: str) -> subprocess.Popen[str]:
    """`python -m crm …` with nothing in its environment but the owner's URL."""
    kept = {name: value for name, value in os.environ.items() if name == "PATH" or name.startswith("COVERAGE")}
    env = {**kept, "DATABASE_OWNER_URL": on.url("owner")}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-m", "crm", *words], env=env, cwd=ROOT, **pipes)


def crm(on: Scratch, *words: str) -> str:
    """What it says when it succeeds."""
    process = start(on, *words)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out.strip()


def refused(process: subprocess.Popen[str]) -> str:
    """Why it did nothing: one line, no traceback."""
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert "Traceback" not in err
    return err.strip()


def dump(on: Scratch) -> list[str]:
    """The whole schema as pg_dump writes it, grants and policies included; yoyo's own tables aside."""
    done = subprocess.run(
        [PROGRAMS / "pg_dump", "--schema-only", "--exclude-table=*yoyo*", on.url("superuser")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [line for line in done.stdout.splitlines() if line and not line.startswith(("--", "\\"))]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the migrations that this process takes for its own."""
    copy = tmp_path / "migrations"
    shutil.copytree(schema.FOLDER, copy)
    monkeypatch.setattr(schema, "FOLDER", copy)
    monkeypatch.setattr(schema, "CHECKSUMS", copy / "checksums.txt")
    return copy


def test_a_plan_is_told_applied_and_then_there_is_nothing_left(empty: Scratch) -> None:
    assert crm(empty, "migrate", "--plan") == "\n".join(f"would apply {name}" for name in ALL)
    assert crm(empty, "migrate") == "\n".join(f"applied {name}" for name in ALL)
    assert crm(empty, "migrate", "--plan") == crm(empty, "migrate") == "the database is up to date"


def test_a_plan_changes_nothing(empty: Scratch) -> None:
    crm(empty, "migrate", "--plan")
    assert empty.run("SELECT to_regclass('tenants'), to_regnamespace('crm')") == [(None, None)]


def test_the_newest_migration_is_undone_and_comes_back(migrated: Scratch) -> None:
    before = dump(migrated)
    assert crm(migrated, "rollback", "--yes") == f"undid {ALL[-1]}"
    assert dump(migrated) != before
    assert crm(migrated, "migrate") == f"applied {ALL[-1]}"
    assert dump(migrated) == before


def test_everything_undone_leaves_nothing_and_applied_again_is_the_same(migrated: Scratch) -> None:
    before = dump(migrated)
    assert len(before) > 300
    assert crm(migrated, "rollback", "--steps", "100", "--yes").splitlines() == [
        f"undid {name}" for name in ALL[::-1]
    ]
    left = """SELECT relname FROM pg_class AS c
        WHERE relnamespace = 'public'::regnamespace AND relname !~ 'yoyo'
            AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = c.oid AND deptype = 'e')"""  # an extension's views
    assert migrated.run(left) == []
    assert migrated.run("SELECT to_regnamespace('crm')") == [(None,)]
    assert crm(migrated, "rollback", "--yes") == "nothing to undo"
    crm(migrated, "migrate")
    assert dump(migrated) == before


def test_undoing_asks_first(migrated: Scratch) -> None:
    process = start(migrated, "rollback")
    out, _ = process.communicate("n\n", timeout=60)
    assert (process.returncode, "loses data" in out) == (1, True)
    assert crm(migrated, "migrate") == "the database is up to date"


def test_of_two_at_once_one_is_refused(migrated: Scratch) -> None:
    crm(migrated, "rollback", "--yes")
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
    with psycopg.connect(migrated.url("superuser")) as busy:  # makes the first one wait in the middle of its work
        busy.execute("LOCK TABLE _yoyo_migration")
        first = start(migrated, "migrate")
        ends = time.monotonic() + 20
        while migrated.run(held) == [(0,)]:
            assert time.monotonic() < ends
        assert refused(start(migrated, "migrate")) == "Error: another migration is running"
        assert refused(start(migrated, "rollback", "--yes")) == "Error: another migration is running"
    assert first.communicate(timeout=60)[0].strip() == f"applied {ALL[-1]}"


def test_a_migration_that_was_killed_holds_up_no_other(migrated: Scratch) -> None:
    """The lock is a session's: it dies with its process. yoyo's own table row would stay."""
    crm(migrated, "rollback", "--yes")
    with psycopg.connect(migrated.url("superuser")) as busy:
        busy.execute("LOCK TABLE _yoyo_migration")
        first = start(migrated, "migrate")
        ends = time.monotonic() + 20
        while migrated.run("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted") == [(0,)]:
            assert time.monotonic() < ends
        first.kill()
        first.communicate()
    assert crm(migrated, "migrate") == f"applied {ALL[-1]}"


@pytest.mark.parametrize("words", [("migrate",), ("rollback", "--yes")])
def test_one_that_is_killed_before_it_could_say_so_has_done_nothing(migrated: Scratch, words: tuple[str]) -> None:
    """Who tells what was applied waits here for the table it is told in, with all else done."""
    if words == ("migrate",):
        crm(migrated, "rollback", "--yes")
    before = dump(migrated)
    with psycopg.connect(migrated.url("superuser")) as busy:
        busy.execute("LOCK TABLE _yoyo_migration IN SHARE MODE")  # it may be read
        first, ends = start(migrated, *words), time.monotonic() + 20
        while migrated.run("SELECT count(*) FROM pg_locks WHERE NOT granted") == [(0,)]:
            assert time.monotonic() < ends
        first.kill()
        first.communicate()
    ends = time.monotonic() + 20
    while migrated.run("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") != [(0,)]:
        assert time.monotonic() < ends
    assert dump(migrated) == before
    assert ALL[-1] in crm(migrated, *words)


def test_an_applied_migration_that_was_edited_is_refused(migrated: Scratch, folder: Path) -> None:
    with (folder / f"{ALL[2]}.sql").open("a") as file:
        file.write("-- one comment more\n")
    with pytest.raises(migrate.Refused, match=f"{ALL[2]}.sql"):
        migrate.apply(migrated.url("owner"))


def test_a_migration_that_was_not_recorded_is_refused(empty: Scratch, folder: Path) -> None:
    (folder / "9999_new.sql").write_text("CREATE TABLE new (id int);")
    with pytest.raises(migrate.Refused, match=r"9999_new\.sql"):
        migrate.apply(empty.url("owner"))
    assert empty.run("SELECT to_regclass('tenants')") == [(None,)]


def recorded(folder: Path, name: str, text: str) -> None:
    """Add a migration."""
    (folder / name).write_text(text)
    with (folder / "checksums.txt").open("a") as file:
        file.write(f"{schema.digest(folder / name)}  {name}\n")


def test_an_index_may_be_built_beside_the_traffic(migrated: Scratch, folder: Path) -> None:
    """CREATE INDEX CONCURRENTLY runs in no transaction: such a migration says so in its first line."""
    recorded(
        folder,
        "9999_index.sql",
        "-- transactional: false\nCREATE INDEX CONCURRENTLY beside_ix ON public.messages (created_at);\n",
    )
    assert migrate.apply(migrated.url("owner")) == ["9999_index"]
    assert migrated.run("SELECT indisvalid FROM pg_index WHERE indexrelid = 'beside_ix'::regclass") == [(True,)]
    assert migrate.plan(migrated.url("owner")) == []


def test_a_migration_that_fails_leaves_nothing_of_itself(migrated: Scratch, folder: Path) -> None:
    recorded(folder, "9999_bad.sql", "CREATE TABLE half (id int);\nSELECT 1 / 0;\n")
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate.apply(migrated.url("owner"))
    assert migrated.run("SELECT to_regclass('half'), to_regclass('tenants') IS NOT NULL") == [(None, True)]
    assert migrate.plan(migrated.url("owner")) == ["9999_bad"]


def test_a_migration_without_a_way_back_is_not_undone(migrated: Scratch, folder: Path) -> None:
    (folder / f"{ALL[-1]}.rollback.sql").unlink()
    with pytest.raises(migrate.Refused, match="has no rollback file"):
        migrate.roll_back(migrated.url("owner"), 1)


def test_every_migration_is_recorded_and_has_a_way_back() -> None:
    assert schema.edited() == []
    assert sorted(schema.checksums()) == [f"{name}.sql" for name in ALL]
    assert [name for name in ALL if not (schema.FOLDER / f"{name}.rollback.sql").exists()] == []
    assert [name[:4] for name in ALL] == [f"{number:04}" for number in range(1, len(ALL) + 1)]


@pytest.mark.parametrize("path", schema.files(), ids=lambda path: path.stem)
def test_a_migration_gives_up_rather_than_hold_a_lock(path: Path) -> None:
    text = path.read_text()
    assert "SET LOCAL lock_timeout = '" in text
    assert "SET LOCAL statement_timeout = '" in text


@pytest.mark.parametrize("command", [["migrate"], ["migrate", "--plan"], ["rollback", "--yes"]])
def test_a_missing_address_is_named(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "crm", *command], env={}, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, "Error: missing environment variables: DATABASE_OWNER_URL\n")


def test_a_database_that_is_away_is_told_in_a_line(home: Home) -> None:
    away = Scratch(home, "no_such_database")
    assert "no_such_database" in refused(start(away, "migrate"))


@pytest.fixture
def closing(migrated: Scratch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Scratch:
    """A version with one migration more, which closes the way back to the version before."""
    folder = tmp_path / "migrations"
    shutil.copytree(schema.FOLDER, folder)
    (folder / "9998_post_close.sql").write_text("COMMENT ON SCHEMA public IS 'closed';\n")
    monkeypatch.setattr(schema, "FOLDER", folder)
    monkeypatch.setattr(schema, "edited", list)
    return migrated


def test_what_closes_the_way_back_waits_until_it_is_asked_for(closing: Scratch) -> None:
    assert migrate.plan(closing.url("owner"), before=True) == []
    assert migrate.apply(closing.url("owner"), before=True) == []
    migrate.fits(closing.url("owner"))  # what waits is not lacking
    assert migrate.apply(closing.url("owner")) == ["9998_post_close"]


def test_a_version_says_whether_it_fits_the_database(closing: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate.apply(closing.url("owner"))
    (schema.FOLDER / "9998_post_close.sql").unlink()  # the version before does not know it
    with pytest.raises(migrate.Refused, match="9998_post_close closed the way back"):
        migrate.fits(closing.url("owner"))


def test_a_version_whose_migrations_are_missing_does_not_fit(closing: Scratch) -> None:
    (schema.FOLDER / "9999_more.sql").write_text("SELECT 1;\n")
    with pytest.raises(migrate.Refused, match="lacks 9999_more"):
        migrate.fits(closing.url("owner"))
