"""Who uses the system meanwhile: customers through Meta's webhooks, attendants over REST, sockets that listen."""

import asyncio
import hashlib
import hmac
import json
import math
import random
import time
from contextlib import suppress
from typing import Any

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from ops.torture.books import READERS, Books, Hotel, Person, Reader

_TOKEN_SECONDS = 600
_RETRIES = (0.1, 0.3, 1, 2, 3)  # seconds between tries, as Meta's growing pauses; the last for ever


class Load:
    """Runs until told to stop, then finishes what it has begun: nothing is left half asked."""

    def __init__(
        self, urls: list[str], secret: str, books: Books, arrivals: float, seed: int, late: float = 10
    ) -> None:
        self.urls, self.secret, self.books, self.arrivals = urls, secret.encode(), books, arrivals
        self.late = late  # seconds that what Meta tells late is late, at most
        self.dice = random.Random(seed)  # noqa: S311 (a sequence that can be repeated)
        self.stopping = asyncio.Event()
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=50)
        self.http = httpx.AsyncClient(timeout=30, trust_env=False, limits=limits)
        self._tokens: dict[str, tuple[str, float]] = {}
        self._signing_in = asyncio.Lock()
        self._readers: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        """Everybody, until `stopping` is set and everybody has finished; the sockets listen until `leave`."""
        people = [person for hotel in self.books.hotels for person in hotel.people]
        self._readers = [
            asyncio.create_task(self._listen(hotel)) for hotel in self.books.hotels for _ in range(READERS)
        ]
        async with asyncio.TaskGroup() as group:
            for person in people:
                group.create_task(self._attend(person))
            group.create_task(self._customers(people))

    async def leave(self) -> None:
        """Nobody listens any more."""
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        await self.http.aclose()

    async def first_words(self) -> None:
        """Everybody writes once, so that there are conversations to answer in."""
        for hotel in self.books.hotels:
            await self._post([self._message(person) for person in hotel.people], hotel)
        for hotel in self.books.hotels:
            while not all(person.conversation for person in hotel.people):
                await self._find_conversations(hotel)
                await asyncio.sleep(0.2)

    async def _find_conversations(self, hotel: Hotel) -> None:
        head = await self._signed_in(hotel)
        answer = await self.http.get(f"{self.urls[0]}/api/conversations?limit=100", headers=head)
        known = {item["contact"]["waId"]: item["id"] for item in answer.json()["data"]}
        for person in hotel.people:
            person.conversation = known.get(person.wa_id, "")

    # -- customers

    async def _customers(self, people: list[Person]) -> None:
        """So many a second; each in one of Meta's ways of telling."""
        async with asyncio.TaskGroup() as group:
            while not self.stopping.is_set():
                group.create_task(self._write(self.dice.choice(people)))
                await asyncio.sleep(self.dice.expovariate(self.arrivals))

    async def _write(self, person: Person) -> None:
        hotel, way = self.books.hotels[person.hotel], self.dice.random()
        if way < 0.15:  # delivered twice at once
            message = self._message(person)
            await asyncio.gather(self._post([message], hotel), self._post([message], hotel))
        elif way < 0.25:  # late
            message = self._message(person)
            await asyncio.sleep(self.dice.uniform(0.1, self.late))
            await self._post([message], hotel)
        elif way < 0.35:  # in the wrong order, the second one told again later
            first, second = self._message(person), self._message(person)
            await self._post([second], hotel)
            await self._post([first], hotel)
            await asyncio.sleep(self.dice.uniform(0, self.late))
            await self._post([second], hotel)
        elif way < 0.38:  # many in one POST
            several = [self._message(self.dice.choice(hotel.people)) for _ in range(self.dice.randint(5, 40))]
            await self._post(several, hotel)
        else:
            await self._post([self._message(person)], hotel)

    def _message(self, person: Person) -> dict[str, Any]:
        number = next(self.books.numbers)
        text = {"body": f"mensagem {self.books.name}-{number} ção 😀"}
        wamid = f"wamid.{self.books.name}.{number}"
        return {"from": person.wa_id, "id": wamid, "timestamp": str(int(time.time())), "type": "text", "text": text}

    async def _post(self, messages: list[dict[str, Any]], hotel: Hotel) -> None:
        """As Meta does: until it hears 200. Only then it is a promise."""
        metadata = {"display_phone_number": "15550783881", "phone_number_id": hotel.number_id}
        value = {"messaging_product": "whatsapp", "metadata": metadata, "messages": messages}
        entry = {"id": hotel.waba_id, "changes": [{"field": "messages", "value": value}]}
        raw = json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()
        digest = hmac.new(self.secret, raw, hashlib.sha256).hexdigest()
        headers = {"X-Hub-Signature-256": f"sha256={digest}", "Content-Type": "application/json"}
        await self._insist("POST", "/webhooks/whatsapp", headers, raw)
        for message in messages:
            self.books.arrived[message["id"]] = (hotel.id, message["text"]["body"])

    async def _insist(self, method: str, path: str, headers: dict[str, str], raw: bytes) -> httpx.Response:
        """Ask one API or the other until one answers well, or refuses for a reason of ours (401)."""
        tries = 0
        while True:
            with suppress(httpx.TransportError):
                answer = await self.http.request(
                    method, self.dice.choice(self.urls) + path, headers=headers, content=raw
                )
                self.books.answered(answer.status_code, f"{method} {path}", answer.content)
                if answer.is_success or answer.status_code == httpx.codes.UNAUTHORIZED:
                    return answer
            await asyncio.sleep(_RETRIES[min(tries, len(_RETRIES) - 1)])
            tries += 1

    # -- attendants

    async def _attend(self, person: Person) -> None:
        """Answer one customer, one message after the other; what was asked is asked until it is accepted."""
        hotel, path = self.books.hotels[person.hotel], f"/api/conversations/{person.conversation}/messages"
        accepted = self.books.sent.setdefault(person.conversation, [])
        while not self.stopping.is_set():
            for _ in range(self.dice.choice((1, 1, 1, 2, 4))):  # people write in bursts
                client_id = f"{self.books.name}-{next(self.books.numbers)}"
                raw = json.dumps({"content": f"resposta {client_id}", "clientMessageId": client_id}).encode()
                accepted.append(await self._send(hotel, path, client_id, raw))
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), self.dice.uniform(3, 15))

    async def _send(self, hotel: Hotel, path: str, client_id: str, raw: bytes) -> str:
        while True:
            headers = await self._signed_in(hotel)
            headers |= {"Content-Type": "application/json", "Idempotency-Key": client_id}
            answer = await self._insist("POST", path, headers, raw)
            if answer.status_code == httpx.codes.CREATED:
                message = str(answer.json()["id"])
                self.books.client_ids[message] = client_id
                return message
            self._tokens.pop(hotel.slug, None)
            await asyncio.sleep(1)

    async def _signed_in(self, hotel: Hotel) -> dict[str, str]:
        async with self._signing_in:
            return await self._token(hotel)

    async def _token(self, hotel: Hotel) -> dict[str, str]:
        token, since = self._tokens.get(hotel.slug, ("", -math.inf))  # the clock may be young
        if time.monotonic() - since > _TOKEN_SECONDS:
            login = json.dumps({"email": hotel.attendant, "password": hotel.password}).encode()
            headers = {"X-Tenant-Slug": hotel.slug, "Content-Type": "application/json"}
            answer = await self._insist("POST", "/auth/login", headers, login)
            token = str(answer.json()["accessToken"])
            self._tokens[hotel.slug] = token, time.monotonic()
        return {"Authorization": f"Bearer {token}"}

    # -- sockets

    async def _listen(self, hotel: Hotel) -> None:
        """Hear every event of the hotel, whatever happens: after a cut, what came since is asked for."""
        reader = Reader()
        self.books.readers.append(reader)
        while True:
            with suppress(OSError, WebSocketException, TimeoutError):
                await self._hear(hotel, reader)
            reader.reconnects += 1
            await asyncio.sleep(self.dice.uniform(0.2, 1.5))

    async def _hear(self, hotel: Hotel, reader: Reader) -> None:
        url = self.dice.choice(self.urls).replace("http", "ws", 1) + "/ws"
        token = (await self._signed_in(hotel))["Authorization"].removeprefix("Bearer ")
        async with connect(url, proxy=None, open_timeout=10, close_timeout=2, max_size=None) as socket:
            await socket.send(json.dumps({"event": "auth", "data": {"token": token}}))
            asked = 0
            async for text in socket:
                frame = json.loads(text)
                if frame["event"] == "pong":  # behind the replay, if it is the last one's
                    asked -= 1
                    if not asked:
                        reader.resumed()
                elif frame["event"] == "resync":
                    reader.resync()
                elif frame["event"] == "ready" and reader.seq is None:
                    reader.seq = frame["data"]["seq"]
                elif frame["event"] == "ready" or (frame["event"] == "error" and reader.resuming):
                    await asyncio.sleep(0 if frame["event"] == "ready" else 1)
                    reader.resuming, asked = True, asked + 1
                    await socket.send(json.dumps({"event": "resume", "data": {"since": reader.seq}}))
                    await socket.send(json.dumps({"event": "ping"}))
                elif "seq" in frame:
                    reader.hear(frame["seq"])
