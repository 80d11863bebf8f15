"""A database of one test's own on the suite's server, with the roles of production and no migration yet."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec
import psycopg

from crm.core.config import Settings
from ops.dev.home import Home

_numbers = itertools.count(1)


@dataclass
class Scratch:
    """How to reach it."""

    home: Home
    name: str

    def url(self, role: str) -> str:
        """For the role owner, app or system; for the superuser too."""
        if role == "superuser":
            port, password = self.home.postgres.port, self.home.secrets["superuserPassword"]
            return f"postgresql://postgres:{password}@127.0.0.1:{port}/{self.name}"
        return self.home.database_url(role).removesuffix("/crm") + f"/{self.name}"

    def instead(self, settings: Settings) -> Settings:
        """These settings, with this database for the app and the system."""
        return msgspec.structs.replace(
            settings, database_url=self.url("app"), database_system_url=self.url("system")
        )

    def run(self, query: str, *args: object, role: str = "owner") -> list[tuple]:
        """One statement, committed; its rows."""
        with psycopg.connect(self.url(role), autocommit=True) as connection:
            cursor = connection.execute(query, args or None)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def seeing(self, tenant: object) -> Iterator[psycopg.Connection]:
        """A transaction of the app's role in a tenant, planned for its values."""
        with psycopg.connect(self.url("app")) as connection:
            connection.execute("SELECT set_config('app.tenant_id', %s, TRUE)", (str(tenant),))
            connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
            yield connection


@contextmanager
def database(home: Home, like: str = "template0") -> Iterator[Scratch]:
    """Make it as ops/postgres/roles.sql does, or `like` another that nobody is connected to; drop it in the end."""
    scratch = Scratch(home, f"scratch_{next(_numbers)}")
    server = Scratch(home, "postgres")
    options = "ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C'"
    server.run(f"CREATE DATABASE {scratch.name} OWNER crm_owner TEMPLATE {like} {options}", role="superuser")
    try:
        scratch.run("REVOKE ALL ON SCHEMA public FROM PUBLIC", role="superuser")
        yield scratch
    finally:
        server.run(f"DROP DATABASE {scratch.name} WITH (FORCE)", role="superuser")


def fetched(connection: psycopg.Connection, table: str) -> int:
    """How many rows of a table, or by its indexes, this transaction has fetched: Postgres' own count."""
    read = "SELECT sum(seq_tup_read + idx_tup_fetch) FROM pg_stat_xact_user_tables WHERE relname = %s"
    [[rows]] = connection.execute(read, (table,)).fetchall()
    return int(rows)
