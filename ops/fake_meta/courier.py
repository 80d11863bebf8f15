"""Carries signed webhooks to the CRM: at least once, with growing pauses, all of them logged (Meta: §1.4)."""

import asyncio
import hashlib
import hmac
import itertools
import json
import logging
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import msgspec

from .settings import Settings

Settled = Callable[["Delivery"], None]
"""Called after every attempt."""

log = logging.getLogger(__name__)

OK = 200
"""Anything else is a failure for Meta, 202 and 204 too (Meta: §1.4)."""

AT_ONCE = 32
"""Posts under way: httpcore searches all that wait for each one. Without a limit 500 sends took 8 s, now 3."""

KEPT = 2_000
"""How many deliveries the log remembers."""


class Delivery(msgspec.Struct, rename="camel", kw_only=True):
    """One webhook on its way: `status` and `ms` are the last attempt's, no status means no answer."""

    id: int
    url: str
    phone_number_id: str | None
    body: Any
    at: float
    attempts: int = 0
    status: int | None = None
    ms: float = 0.0
    error: str | None = None
    waiting: bool = False


def encode(body: Any) -> bytes:
    r"""Compact JSON with every code point above U+007F escaped `\uXXXX` (Meta: §1.3)."""
    return json.dumps(body, ensure_ascii=True, separators=(",", ":")).encode()


def sign(raw: bytes, app_secret: str) -> str:
    """`X-Hub-Signature-256` over the raw bytes (Meta: §1.3)."""
    return "sha256=" + hmac.new(app_secret.encode(), raw, hashlib.sha256).hexdigest()


class Courier:
    """Owns the HTTP client, the log and every background task of the fake."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.client = httpx.AsyncClient(timeout=settings.webhook_timeout, trust_env=False)
        self.slots = asyncio.Semaphore(AT_ONCE)
        self.log: deque[Delivery] = deque(maxlen=KEPT)
        self.open: set[int] = set()
        self.ids = itertools.count(1)
        self.tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run in the background until done, reset or the end of the process."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def clear(self) -> None:
        """Stop everything under way; what was not yet delivered is said, never dropped in silence."""
        if self.open:
            log.warning("%d webhooks were still waiting for a 200 and are given up", len(self.open))
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.open.clear()
        self.log.clear()

    async def close(self) -> None:
        """The end of the process."""
        await self.clear()
        await self.client.aclose()

    async def deliver(
        self,
        url: str,
        secret: str,
        body: Any,
        phone_number_id: str | None = None,
        *,
        retry: bool = True,
        settled: Settled | None = None,
    ) -> Delivery:
        """One attempt now; anything but 200 is tried again in the background (Meta: §1.4)."""
        name = next(self.ids)
        delivery = Delivery(id=name, url=url, phone_number_id=phone_number_id, body=body, at=time.time())
        self.log.append(delivery)
        await self._attempt(delivery, secret, settled)
        if retry and delivery.status != OK:
            self.open.add(name)
            delivery.waiting = True
            self.spawn(self._insist(delivery, secret, settled))
        return delivery

    async def ask(self, url: str, query: dict[str, str]) -> tuple[int | None, str]:
        """Status and text of a GET; no status when there is no answer (the handshake, Meta: §1.2)."""
        try:
            answer = await self.client.get(url, params=query)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return None, repr(error)
        return answer.status_code, answer.text

    async def _attempt(self, delivery: Delivery, secret: str, settled: Settled | None) -> None:
        raw = encode(delivery.body)
        headers = {"Content-Type": "application/json", "X-Hub-Signature-256": sign(raw, secret)}
        async with self.slots:
            started = time.perf_counter()
            delivery.attempts += 1
            try:
                answer = await self.client.post(delivery.url, content=raw, headers=headers)
                delivery.status, delivery.error = answer.status_code, None
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                delivery.status, delivery.error = None, repr(error)
            delivery.ms = round((time.perf_counter() - started) * 1000, 2)
        if settled:
            settled(delivery)

    async def _insist(self, delivery: Delivery, secret: str, settled: Settled | None) -> None:
        pauses = self.settings.retry_delays
        for pause in itertools.chain(pauses, itertools.repeat(pauses[-1])):
            await asyncio.sleep(pause)
            await self._attempt(delivery, secret, settled)
            if delivery.status == OK:
                break
        delivery.waiting = False
        self.open.discard(delivery.id)
