"""The home folder of one copy of the system: its two servers, its secrets, its data. Used by ops/up, by the
tests and by the benchmark.

    home = Home(path); home.start(); child_env = os.environ | home.environ(); home.stop()
"""

import base64
import json
import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ops.dev import processes
from ops.dev.postgres import Postgres
from ops.dev.servers import Pause, Redis, ServerError

DATABASE_URLS = {"DATABASE_URL": "app", "DATABASE_OWNER_URL": "owner", "DATABASE_SYSTEM_URL": "system"}
ROLES = ("owner", "app", "system", "backup")


class Home:
    """`given` is the environment: a database, a Redis or a secret that it names is used, not one of ours."""

    def __init__(self, path: Path, given: Mapping[str, str] = os.environ) -> None:
        self.path, self.given = path.resolve(), {name: value for name, value in given.items() if value}
        _check_database_urls(self.given)
        self.logs = self.path / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.state: dict[str, Any] = self._load("state.json") or {}
        self.secrets: dict[str, str] = self._load("secrets.json") or self._make_secrets()
        self.postgres = None if "DATABASE_URL" in self.given else self._postgres()
        self.redis = None if {"REDIS_URL", "REDIS_HOST"} & self.given.keys() else self._redis()

    def start(self, pause: Pause = time.sleep) -> None:
        """Start both servers at the same time and return when both answer; the first time, make the roles. A
        `pause` that raises gives the start up; stop() is then still needed."""
        servers = [server for server in (self.postgres, self.redis) if server]
        for server in servers:
            server.launch()
        for server in servers:
            server.wait(pause)
        if self.postgres and not self.state.get("roles"):
            self.postgres.make_roles({role: self.secrets[f"{role}Password"] for role in ROLES})
            self.remember(roles=True)

    def stop(self) -> None:
        for server in (self.redis, self.postgres):
            if server:
                server.stop()

    def environ(self) -> dict[str, str]:
        """The variables of api.md section 10 that this home supplies; those already given are left out."""
        own = {
            "APP_ENV": "development",
            "JWT_SECRET": self.secrets["jwtSecret"],
            "JWT_REFRESH_SECRET": self.secrets["jwtRefreshSecret"],
            "ENCRYPTION_KEYS": self.secrets["encryptionKeys"],
            "WHATSAPP_APP_SECRET": self.secrets["whatsappAppSecret"],
            "WHATSAPP_WEBHOOK_VERIFY_TOKEN": self.secrets["whatsappVerifyToken"],
            "MEDIA_URL": f"file://{self.path}/media",
            "REDIS_URL": self.redis_url,
        }
        own |= {name: self.database_url(role) for name, role in DATABASE_URLS.items()}
        return {name: value for name, value in own.items() if name not in self.given}

    def database_url(self, role: str = "app") -> str:
        """For the role app, owner or system; for backup too when the server is ours."""
        if not self.postgres:
            return self.given[{role: name for name, role in DATABASE_URLS.items()}[role]]
        return f"postgresql://crm_{role}:{self.secrets[f'{role}Password']}@127.0.0.1:{self.postgres.port}/crm"

    @property
    def redis_url(self) -> str:
        if self.redis:
            return f"redis://127.0.0.1:{self.redis.port}/0"
        if "REDIS_URL" in self.given:
            return self.given["REDIS_URL"]
        password = f":{self.given['REDIS_PASSWORD']}@" if self.given.get("REDIS_PASSWORD") else ""
        return f"redis://{password}{self.given['REDIS_HOST']}:{self.given.get('REDIS_PORT', '6379')}/0"

    @property
    def admin_password(self) -> str:
        """The super admin's; a database that has one already needs its password as CRM_ADMIN_PASSWORD."""
        return self.given.get("CRM_ADMIN_PASSWORD", self.secrets["adminPassword"])

    def port(self, name: str) -> int:
        """The port that `name` had last time, while it is still free: addresses then survive a restart."""
        remembered = self.state.get("ports", {})
        if name not in remembered or not processes.is_free(remembered[name]):
            self.remember(ports=remembered | {name: processes.free_port()})
        return int(self.state["ports"][name])

    def remember(self, **facts: Any) -> None:
        self.state |= facts
        self.save("state.json", self.state)

    def save(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a file of the home whole or not at all, readable by its owner only."""
        new = self.path / f"{name}.new"
        new.touch(mode=0o600)
        new.write_text(json.dumps(content, indent=2) + "\n")
        new.replace(self.path / name)

    def _load(self, name: str) -> dict[str, Any] | None:
        file = self.path / name
        return json.loads(file.read_text()) if file.exists() else None

    def _make_secrets(self) -> dict[str, str]:
        names = ("jwtSecret", "jwtRefreshSecret", "whatsappAppSecret", "whatsappVerifyToken", "adminPassword")
        made = {name: secrets.token_urlsafe(36) for name in names}
        made |= {f"{role}Password": secrets.token_hex(16) for role in (*ROLES, "superuser")}
        made["encryptionKeys"] = "k1:" + base64.b64encode(secrets.token_bytes(32)).decode()
        self.save("secrets.json", made)
        return made

    def _postgres(self) -> Postgres:
        password = self.secrets["superuserPassword"]
        return Postgres(self.path / "postgres", self.port("postgres"), self.logs / "postgres.log", password)

    def _redis(self) -> Redis:
        return Redis(self.path / "redis", self.port("redis"), self.logs / "redis.log")


def _check_database_urls(given: Mapping[str, str]) -> None:
    """Our own server and another's cannot be mixed: the three roles work on one database."""
    missing = [name for name in DATABASE_URLS if name not in given]
    if 0 < len(missing) < len(DATABASE_URLS):
        raise ServerError(f"Set all three of {', '.join(DATABASE_URLS)}, or none. Missing: {', '.join(missing)}.")
