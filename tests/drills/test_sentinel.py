"""Three Sentinels over two Redis: the master dies under work, the other takes over, and returns as its replica."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from redis import Redis as Client
from redis.exceptions import RedisError

from crm import app
from crm.core import queue
from ops.dev import processes
from ops.dev.home import Home
from ops.fake_meta import app as fake_meta
from tests.own import ROOT_EMAIL, add_root, own_home, settings_of, working
from tests.redis_conf import HERE, PASSWORD, Redis
from tests.sockets import listening
from tests.system import PASSWORD as PERSONS
from tests.system import Guest, System, calling, eventually, serving, unique_phone
from tests.visitors import login

DOWN_AFTER_MS, FAILOVER_SECONDS = 1000, 15
MESSAGES = 10


class Sentinel(Redis):
    """Started as on a host of its own."""

    name = "sentinel"
    master = 0

    def command(self) -> list[str | Path]:
        command = super().command()
        given = [f"REDIS_MASTER=127.0.0.1:{self.master}", f"DOWN_AFTER_MS={DOWN_AFTER_MS}", "FAILOVER_MS=4000"]
        own = [f"port {self.port}", f"pidfile {self.folder / self.pid_file}", f"dir {self.folder}"]
        return [*command[:3], *given, HERE / "start-sentinel", self.folder, *own]

    def answers(self) -> bool:
        """It answers, and knows the master; the other Sentinels are learnt later."""
        try:
            return bool(self.client().execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "crm"))
        except RedisError:
            return False

    def client(self) -> Client:
        return Client(port=self.port, password=PASSWORD, socket_timeout=1)


class Watched:
    """Two Redis and three Sentinels."""

    def __init__(self, path: Path) -> None:
        ports = [processes.free_port() for _ in range(5)]
        at_once = ("--repl-diskless-sync-delay", "0")
        lines = [at_once, (*at_once, "--replicaof", f"127.0.0.1 {ports[0]}")]
        self.redis = [Redis(path / f"redis-{n}", ports[n], path / f"redis-{n}.log", *lines[n]) for n in range(2)]
        self.sentinels = [Sentinel(path / f"sentinel-{n}", ports[n], path / f"sentinel-{n}.log") for n in (2, 3, 4)]
        for each in self.sentinels:
            each.master = ports[0]

    @property
    def url(self) -> str:
        places = ",".join(f"127.0.0.1:{each.port}" for each in self.sentinels)
        return f"redis+sentinel://:{PASSWORD}@{places}/crm/0"

    def start(self) -> None:
        for each in self.redis:
            each.start()
        self.wait(lambda: self.told(0).get("slave0", {}).get("state") == "online")
        for each in self.sentinels:
            each.start()
        self.wait(lambda: all(self.knows_all(each) for each in self.sentinels))

    def wait(self, true: Callable[[], bool]) -> None:
        ends = time.monotonic() + 15
        while not true():
            assert time.monotonic() < ends, "they do not find each other"
            time.sleep(0.1)

    def told(self, number: int) -> dict[str, Any]:
        """What a Redis says of its replication."""
        return dict(Client(port=self.redis[number].port, password=PASSWORD).info("replication"))

    def knows_all(self, each: Sentinel) -> bool:
        master = each.client().sentinel_master("crm")
        return (master["num-slaves"], master["num-other-sentinels"]) == (1, 2)

    def stop(self) -> None:
        for each in (*self.sentinels, *self.redis):
            each.stop()

    def role(self, number: int) -> str:
        return str(self.told(number)["role"])

    async def is_(self, number: int, role: str) -> bool:
        try:
            return self.role(number) == role
        except RedisError:
            return False


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    made = Watched(tmp_path_factory.mktemp("sentinels"))
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with own_home(tmp_path_factory.mktemp("watched") / "home") as home:
        yield home


@pytest.fixture(scope="module")
async def system(place: Home, watched: Watched) -> AsyncIterator[System]:
    """API and worker that know Redis by its Sentinels only."""
    async with serving(fake_meta()) as graph_url:
        settings = msgspec.structs.replace(settings_of(place, graph_url, "ERROR"), redis_url=watched.url)
        await add_root(settings)
        async with serving(app.build(settings)) as url, working(settings):
            made = System(url, graph_url, settings, place, calling())
            made.root = await made.sign_in(ROOT_EMAIL, PERSONS)
            yield made


async def answered(guest: Guest) -> list[str]:
    """What was said, once every answer was read."""
    history = await guest.history()
    done = all(item["status"] in ("RECEIVED", "READ") for item in history)
    return sorted(item["content"] for item in history) if done else []


async def chat(guest: Guest, seconds: float) -> None:
    """Write and be answered, spread over some time."""
    for number in range(MESSAGES):
        await guest.writes(f"Pergunta {number}")
        path = f"/api/conversations/{(await guest.conversation())['id']}/messages"
        answer = await guest.hotel.attendant.post(path, json={"content": f"Resposta {number}"})
        assert answer.status_code == 201, answer.text
        await asyncio.sleep(seconds / MESSAGES)


async def test_the_master_dies_and_nobody_misses_a_word(system: System, watched: Watched) -> None:
    hotel = await system.hotel("Aurora")
    guest = Guest(hotel, unique_phone())
    async with listening(hotel.attendant) as ear:
        talking = asyncio.create_task(chat(guest, 8))
        await asyncio.sleep(1.5)
        master = watched.redis[0].process
        assert master is not None
        master.kill()
        master.wait()
        await eventually(lambda: watched.is_(1, "master"), FAILOVER_SECONDS)
        await talking
        told = [f"{word} {number}" for word in ("Pergunta", "Resposta") for number in range(MESSAGES)]
        assert await eventually(lambda: answered(guest), 20) == told
        frames = str(await ear.heard())
        assert frames.count("'event': 'message:new'") == 2 * MESSAGES


async def test_afterwards_everything_of_ours_runs_over_the_new_master(system: System, watched: Watched) -> None:
    new = Client(port=watched.redis[1].port, password=PASSWORD)
    hotel = await system.hotel("Brisa")
    guest = Guest(hotel, unique_phone())
    async with listening(hotel.attendant) as ear:
        await eventually(lambda: heard_there(new, hotel.id))
        before = new.info("commandstats")["cmdstat_publish"]["calls"]
        await guest.writes("Bom dia")
        await ear.hear("message:new")
        assert new.info("commandstats")["cmdstat_publish"]["calls"] > before
    async with calling(base_url=system.url) as client:
        assert (await login(client, "ghost@brisa.example", "wrong", hotel.slug)).status_code == 401
    kinds = {key.decode().split(":")[0] for key in new.scan_iter()}
    assert kinds >= {"saq", "LIMITS"}


async def heard_there(client: Client, tenant: str) -> bool:
    """Whether an API listens for the tenant's events there."""
    return dict(client.pubsub_numsub(f"feed:{tenant}")) == {f"feed:{tenant}".encode(): 1}


async def test_the_old_master_returns_as_a_replica_and_is_not_written_to(system: System, watched: Watched) -> None:
    watched.redis[0].start()
    await eventually(lambda: watched.is_(0, "slave"), FAILOVER_SECONDS)
    client = queue.connect(system.settings.redis)
    await client.set("crm:probe", "1", ex=60)
    assert Client(port=watched.redis[1].port, password=PASSWORD).get("crm:probe") == b"1"
    await client.aclose()


async def test_a_sentinel_that_is_away_is_passed_over(watched: Watched) -> None:
    watched.sentinels[0].stop()
    client = queue.connect(watched.url)
    started = time.monotonic()
    assert await client.ping()
    assert time.monotonic() - started < 1
    await client.aclose()
    watched.sentinels[0].start()


def test_sentinels_let_nobody_in_without_the_password(watched: Watched) -> None:
    with pytest.raises(RedisError):
        Client.from_url(f"redis://127.0.0.1:{watched.sentinels[1].port}").ping()
