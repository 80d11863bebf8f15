"""Redis as it runs in production: ops/redis/start with ops/redis/redis.conf, and a few lines of the test's own."""

import shutil
from pathlib import Path

from redis import Redis as Client
from redis.exceptions import RedisError

from ops.dev import servers

HERE = Path(__file__).parents[1] / "ops" / "redis"
PASSWORD = "0123456789abcdef-redis"


class Redis(servers.Redis):
    """Started as the container starts it; `lines` are options that a test makes smaller or names its ports by."""

    def __init__(self, folder: Path, port: int, log: Path, *lines: str) -> None:
        super().__init__(folder, port, log)
        self.lines = lines

    @property
    def url(self) -> str:
        return f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"

    def command(self) -> list[str | Path]:
        secret, programs = self.folder / "password", self.folder / "bin"
        secret.write_text(PASSWORD)
        programs.mkdir(exist_ok=True)
        program = programs / "redis-server"
        program.unlink(missing_ok=True)
        program.symlink_to(shutil.which(servers.redis_program()) or servers.redis_program())
        given = [f"REDIS_PASSWORD_FILE={secret}", f"PATH={programs}:/usr/bin:/bin"]
        own = ["--port", str(self.port), "--dir", self.folder, "--pidfile", self.folder / self.pid_file]
        return ["env", *given, HERE / "start", HERE / "redis.conf", *own, *self.lines]

    def answers(self) -> bool:
        """It asks who is there."""
        try:
            return not Client(port=self.port, password=PASSWORD, socket_timeout=1).info("persistence")["loading"]
        except RedisError:
            return False
