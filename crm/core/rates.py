"""How fast a number may send (Meta: rates): each message takes a slot in time, in Redis, for all workers together.

Both rates of a message (its number's, its person's) are asked in one round trip; Redis' own clock counts. While
Redis is away, a memory of this process goes on counting.
"""

import time

from redis.asyncio import Redis
from redis.exceptions import RedisError

MOMENT = 1.0  # seconds that a message may wait in the hands of a worker
PAIR_SECONDS, PAIR_BURST = 6.0, 45  # Meta: one in 6 s to one person, 45 at once borrowed from the time after
_AWAY_SECONDS = 5.0  # how long Redis is not asked again once it did not answer
_KEPT = 10_000  # slots in the memory of this process before old ones are looked for

# Of each key: when its last slot ends. Room is how far that may lie ahead before a message must wait. Further ahead
# than any slot is given it is from before Redis' clock was set back (or another host took over): it counts no more.
_SCRIPT = """
local clock = redis.call('TIME')
local now, most, wait, ends = clock[1] + clock[2] / 1000000, tonumber(ARGV[1]), 0, {}
for place, key in ipairs(KEYS) do
  local step, room = tonumber(ARGV[2 * place]), tonumber(ARGV[2 * place + 1])
  local last = math.max(tonumber(redis.call('GET', key) or '0'), now)
  if last - room - now > most + step + 0.001 then last = now end
  wait = math.max(wait, last - room - now)
  ends[place] = last + step
end
if wait <= most then
  for place, key in ipairs(KEYS) do
    redis.call('SET', key, string.format('%.6f', ends[place]), 'PX', math.ceil((ends[place] - now) * 1000) + 1)
  end
end
return string.format('%.6f', wait)
"""


class Rates:
    """Gives out slots."""

    def __init__(self, redis: Redis) -> None:
        self._ask = redis.register_script(_SCRIPT)
        self._away_until = 0.0
        self._memory: dict[str, float] = {}

    async def slot(self, number: str, per_second: int, person: str) -> float:
        """In how many seconds a message of this number to this person may go.

        Its slot is taken when that is a moment at most; else nothing is, and it is to be asked again by then.
        """
        rates = {
            f"crm:rate:{number}": (1 / per_second, 0.0),
            f"crm:rate:{number}:{person}": (PAIR_SECONDS, PAIR_SECONDS * (PAIR_BURST - 1)),
        }
        if time.monotonic() >= self._away_until:
            try:
                return await self._of_all(rates)
            except (RedisError, OSError):
                self._away_until = time.monotonic() + _AWAY_SECONDS
        return self._of_this_process(rates)

    async def _of_all(self, rates: dict[str, tuple[float, float]]) -> float:
        numbers = [number for rate in rates.values() for number in rate]
        return float(await self._ask(keys=list(rates), args=[MOMENT, *numbers]))

    def _of_this_process(self, rates: dict[str, tuple[float, float]]) -> float:
        """The same sum as the script's."""
        now = time.monotonic()
        if len(self._memory) > _KEPT:
            self._memory = {key: last for key, last in self._memory.items() if last > now}
        last = {key: max(self._memory.get(key, 0.0), now) for key in rates}
        wait = max(0.0, *(last[key] - room - now for key, (_, room) in rates.items()))
        if wait <= MOMENT:
            self._memory |= {key: last[key] + step for key, (step, _) in rates.items()}
        return wait
