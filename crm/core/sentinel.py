"""Redis behind Sentinels, redis+sentinel://:password@host:port,host:port/name/db: they say who is master now."""

from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff

SCHEME = "redis+sentinel://"
_ASK_SECONDS = 0.5  # one that does not answer by then is passed over: the next one knows it too


class Watched(msgspec.Struct, frozen=True):
    """What the address says: the Sentinels, the name they know the master by, its database and password."""

    sentinels: list[tuple[str, int]]
    name: str
    db: int
    password: str | None


def read(url: str) -> Watched:
    """Read the address. Raises ValueError."""
    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    name, _, db = parts.path.lstrip("/").partition("/")
    if not url.startswith(SCHEME) or not name:
        raise ValueError("redis+sentinel://:password@host:26379,host:26379/name/0")
    places = [host.rpartition(":") for host in hosts.split(",")]
    return Watched(
        sentinels=[(host.strip("[]"), int(port)) for host, _, port in places],
        name=name,
        db=int(db or 0),
        password=unquote(login.partition(":")[2]) or None,
    )


def master(url: str, **options: Any) -> Redis:
    """A client of whoever is master, asked anew at each connection. The Sentinels take the same password."""
    watched = read(url)
    asking = {
        "socket_connect_timeout": _ASK_SECONDS,
        "socket_timeout": _ASK_SECONDS,
        "password": watched.password,
        "retry": Retry(NoBackoff(), 0),  # by default one that is away is asked for six seconds
    }
    sentinel = Sentinel(watched.sentinels, sentinel_kwargs=asking)  # type: ignore[no-untyped-call]
    client: Redis = sentinel.master_for(watched.name, password=watched.password, db=watched.db, **options)
    return client
