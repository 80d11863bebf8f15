"""Postgres with ops/postgres/postgresql.conf: it has room for all of us, and its log keeps guests' secrets."""

from collections.abc import Iterator
from typing import Any

import msgspec
import psycopg
import pytest

from crm.core import config, sql
from crm.core.config import Settings
from crm.core.db import PLATFORM, Database
from ops.dev.home import ROLES, Home
from ops.dev.postgres import Postgres
from tests.postgres_conf import production
from tests.scratch import Scratch

SECRET = "segredo-da-hospede-11-98765"
COUNTED = "SELECT calls FROM pg_stat_statements WHERE query LIKE %s"
PROCESSES, OTHERS = 4, 8  # two colours and two workers during a deploy; migrate, doctor, backup, a person
HOT = {"messages": 50_000, "conversations": 50_000, "conversation_counts": 1_000, "contact_counts": 1_000}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """Servers of this module alone."""
    with production(tmp_path_factory.mktemp("production") / "home") as place:
        yield place


@pytest.fixture(scope="module")
def server(place: Home) -> Scratch:
    """Straight SQL there."""
    return Scratch(place, "crm")


def said(place: Home) -> str:
    """The server's log."""
    return (place.logs / "postgres.log").read_text()


def test_every_line_of_the_conf_is_understood(server: Scratch) -> None:
    bad = "SELECT name, error FROM pg_file_settings WHERE error IS NOT NULL"
    assert server.run(bad, role="superuser") == []
    assert server.run("SHOW shared_buffers") == [("192MB",)]
    assert server.run("SHOW synchronous_commit") == [("on",)]


def test_there_is_room_for_every_process_during_a_deploy(server: Scratch) -> None:
    defaults = {field.name: field.default for field in msgspec.structs.fields(Settings)}
    pool = defaults["database_pool"]
    [(room,)] = server.run(
        "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int"
    )
    assert PROCESSES * (pool + max(2, pool // 3)) + OTHERS <= room


async def test_a_slow_query_is_in_the_log_by_its_name_and_without_what_it_asked_for(place: Home) -> None:
    Scratch(place, "crm").run("ALTER ROLE crm_app SET log_min_duration_statement = 0", role="superuser")
    database = await Database.open(config.load(place.environ()), 10)
    async with database.tenant(PLATFORM) as tx:
        await tx.many(sql.load("contacts").find, lambda *row: row, kinds=["wa_id"], values=[SECRET])
    await database.close()
    assert "duration: " in said(place)
    assert "/* contacts.find */" in said(place)
    assert SECRET not in said(place)


def test_only_what_takes_long_is_in_the_log(place: Home, server: Scratch) -> None:
    server.run("/* quick.one */ SELECT 1")
    server.run("/* slow.one */ SELECT pg_sleep(0.6), %s::text", SECRET)
    assert "/* slow.one */" in said(place)
    assert "/* quick.one */" not in said(place)
    assert SECRET not in said(place)


def test_an_error_is_in_the_log_without_the_values_that_made_it(place: Home, server: Scratch) -> None:
    new = "INSERT INTO tenants (name, slug, email, plan) VALUES ('X', %s, 'x@x.example', 'none')"
    server.run(new, SECRET)
    with pytest.raises(psycopg.errors.UniqueViolation, match=SECRET):
        server.run(new, SECRET)
    assert "duplicate key value" in said(place)
    assert SECRET not in said(place)


async def test_queries_are_counted_by_name(place: Home, server: Scratch) -> None:
    database = await Database.open(config.load(place.environ()), 10)
    async with database.tenant(PLATFORM) as tx:
        await tx.many(sql.load("contacts").matching, lambda *row: row, words=["dora"], before=None, most=1)
    await database.close()
    [(calls,)] = server.run(COUNTED, "%/* contacts.matching */%", role="superuser")
    assert calls == 1


def test_passwords_of_the_roles_are_kept_as_scram_and_shown_nowhere(place: Home, server: Scratch) -> None:
    assert isinstance(place.postgres, Postgres)
    passwords = {role: place.secrets[f"{role}Password"] for role in ROLES}
    server.run("ALTER SYSTEM SET log_min_duration_statement = 0", role="superuser")
    server.run("SELECT pg_reload_conf()", role="superuser")
    place.postgres.make_roles(passwords)
    server.run("ALTER SYSTEM RESET log_min_duration_statement", role="superuser")
    server.run("SELECT pg_reload_conf()", role="superuser")
    kept = "SELECT rolname, rolpassword FROM pg_authid WHERE rolname LIKE 'crm\\_%%'".replace("%%", "%")
    found = dict(server.run(kept, role="superuser"))
    assert set(found) == {f"crm_{role}" for role in ROLES}
    assert all(value.startswith("SCRAM-SHA-256$") for value in found.values())
    counted = str(server.run("SELECT query FROM pg_stat_statements", role="superuser"))
    assert [one for one in passwords.values() if one in said(place) + counted] == []


def test_a_wrong_password_lets_nobody_in(place: Home) -> None:
    url = place.database_url("app").replace(place.secrets["appPassword"], "wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url)


@pytest.mark.parametrize("role", ["app", "system"])
def test_a_role_has_its_limits_wherever_it_comes_from(server: Scratch, role: str) -> None:
    names = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "plan_cache_mode"]
    found = [server.run(f"SHOW {name}", role=role)[0][0] for name in names]
    assert found == ["30s", "5s", "20s", "force_generic_plan"]


@pytest.mark.parametrize("table", HOT)
def test_a_hot_table_is_cleaned_before_it_is_full_of_dead_rows(table: str, server: Scratch) -> None:
    """How many may be dead at 2,000,000 rows; by default it would be 400,050."""
    [(found,)] = server.run("SELECT reloptions FROM pg_class WHERE oid = %s::regclass", f"public.{table}")
    options: dict[str, Any] = dict(option.split("=") for option in found)
    dead = float(options["autovacuum_vacuum_threshold"])
    dead += 2_000_000 * float(options["autovacuum_vacuum_scale_factor"])
    assert dead <= HOT[table]
