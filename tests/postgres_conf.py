"""Postgres as it runs in production: ops/postgres/postgresql.conf and roles.sql, on a port of the test's own."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crm.core import migrate
from ops.dev import postgres
from ops.dev.home import Home
from tests.own import running

CONF = Path(__file__).parents[1] / "ops" / "postgres" / "postgresql.conf"


class Postgres(postgres.Postgres):
    """`settings` are options that a test makes smaller, by name."""

    def __init__(self, home: Home, **settings: object) -> None:
        path = home.path / "postgres"
        super().__init__(path, home.port("postgres"), home.logs / "postgres.log", home.secrets["superuserPassword"])
        self.settings = {"port": self.port, "unix_socket_directories": "", **settings}

    def command(self) -> list[str | Path]:
        conf = Path(shutil.copy(CONF, self.folder / "production.conf"))
        flags = [f"--{name}={value}" for name, value in self.settings.items()]
        return [postgres.PROGRAMS / "postgres", "-D", self.folder, f"--config_file={conf}", *flags]


@contextmanager
def production(path: Path, **settings: object) -> Iterator[Home]:
    """A home whose Postgres is production's, with the roles, migrated."""
    home = Home(path, {})
    home.postgres = Postgres(home, **settings)
    with running(home):
        migrate.apply(home.database_url("owner"))
        yield home
