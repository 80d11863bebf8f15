"""What is thrown at the system, one thing or two at a time."""

import random
import signal
import time
from collections.abc import Callable
from typing import Any

import redis

from ops.fake_meta.script import Action, Fault, Match, Rule, Rules
from ops.torture.books import Books
from ops.torture.rig import Rig

Throw = Callable[[], None]


class Faults:
    """Throws faults from a seeded sequence; `pace` shortens what lasts. `rules` are the fake Meta's."""

    def __init__(self, rig: Rig, rules: Rules, books: Books, seed: int, pace: float = 1) -> None:
        self.rig, self.rules, self.books, self.pace = rig, rules, books, pace
        self.dice = random.Random(seed)  # noqa: S311 (a sequence that can be repeated)
        self.all: dict[str, Throw] = {
            "kill -9 an API": lambda: rig.kill(self._one("api")),
            "kill -9 a worker": lambda: rig.kill(self._one("worker")),
            "SIGTERM to an API": lambda: rig.ask_to_end(self._one("api")),
            "SIGTERM to a worker": lambda: rig.ask_to_end(self._one("worker")),
            "FLUSHALL": self._flush,
            "Redis gone": lambda: rig.take_away(rig.home.redis, signal.SIGTERM, self._seconds()),
            "Redis evicts (allkeys-lru at its limit)": self._evict,
            "Postgres restarted": lambda: rig.take_away(rig.home.postgres, signal.SIGINT, self._seconds(1, 5)),
            "Postgres crashed": lambda: rig.take_away(rig.home.postgres, signal.SIGQUIT, self._seconds(1, 5)),
            "Graph 500 without a word": lambda: self._graph(Action(error=Fault(status=500))),
            "Graph 503 (131016)": lambda: self._graph(Action(error=Fault(status=503, code=131016))),
            "Graph 429 (130429)": lambda: self._graph(Action(error=Fault(status=429, code=130429))),
            "Graph 400 (131056), one customer": self._pair,
            "Graph hangs": lambda: self._graph(Action(hang=True), 4),
            "Graph cuts before reading": lambda: self._graph(Action(cut="before"), 4),
            "Graph cuts after reading": lambda: self._graph(Action(cut="after")),
            "Graph answers late": lambda: self._graph(Action(delay_ms=2500)),
            "statuses in the wrong order, thrice": lambda: self._graph(
                Action(statuses=["read", "sent", "delivered"], duplicates=2)
            ),
        }
        self._queue: list[str] = []

    def throw(self, name: str | None = None) -> None:
        """One fault (the named one), or one of Graph's and one of ours together."""
        if name is None and not self._queue:
            self._queue = self.dice.sample(list(self.all), len(self.all))
        name = name or self._queue.pop()
        self.books.thrown[name] = self.books.thrown.get(name, 0) + 1
        at = time.monotonic() - self.books.begun
        print(f"{at:7.1f} s  {name}", flush=True)
        self.all[name]()
        self.rig.look()

    def end(self) -> None:
        """Nothing is wrong any more."""
        self.rules.clear()

    def _one(self, kind: str) -> str:
        return self.dice.choice([name for name in self.rig.names if name.startswith(kind)])

    def _seconds(self, least: float = 4, most: float = 12) -> float:
        return self.dice.uniform(least, most) * self.pace

    def _redis(self) -> redis.Redis:
        return redis.Redis.from_url(self.rig.home.redis_url, socket_timeout=5)

    def _flush(self) -> None:
        self._redis().flushall()

    def _evict(self) -> None:
        """Full of other people's keys, and throwing away whatever is oldest: jobs too."""
        client: Any = self._redis()
        limit = client.info("memory")["used_memory"] + 512 * 1024
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("maxmemory", limit)
        ends = time.monotonic() + self._seconds()
        number = 0
        while time.monotonic() < ends:
            pipe = client.pipeline(transaction=False)
            for place in range(200):
                pipe.set(f"ballast:{number + place}", b"x" * 2000)
            number += 200
            pipe.execute(raise_on_error=False)
            self.rig.pause(0.2)
        client.config_set("maxmemory", 0)
        for key in client.scan_iter("ballast:*", count=1000):
            client.delete(key)

    def _graph(self, action: Action, times: int | None = None) -> None:
        """Graph does this for a while (or so many times), and at once to something of ours now and then."""
        self.rules.add([Rule(action=action, times=times)], None)
        if self.dice.random() < 0.3:
            self.throw(self.dice.choice(["kill -9 a worker", "FLUSHALL", "kill -9 an API"]))
        self.rig.pause(self._seconds(4, 10))
        self.rules.clear()

    def _pair(self) -> None:
        person = self.dice.choice(self.dice.choice(self.books.hotels).people)
        rule = Rule(action=Action(error=Fault(code=131056)), match=Match(to=person.wa_id), times=2)
        self.rules.add([rule], None)
        self.rig.pause(self._seconds(4, 8))
        self.rules.clear()
