"""The system under test, for real: embedded Postgres and Redis, the API on a socket, the worker, a fake Meta."""

import asyncio
import contextlib
import hashlib
import hmac
import itertools
import json
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvicorn
from starlette.types import ASGIApp

from crm.__main__ import SERVER
from crm.core.config import Settings

_PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_numbers = itertools.count(int(time.time()) % 1_000_000 * 100)
PASSWORD = "senha-de-teste-1"


class _Server(uvicorn.Server):
    """uvicorn as it runs in production, except that pytest keeps the signals."""

    def capture_signals(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()


@asynccontextmanager
async def serving(app: ASGIApp, **options: Any) -> AsyncIterator[str]:
    """Serve an ASGI app, on a free port if none is given; the base URL."""
    usual = {**SERVER, "loop": "none", "timeout_graceful_shutdown": 2, "port": 0}
    server = _Server(uvicorn.Config(app, **{**usual, **options}))
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
        if task.done():
            task.result()
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task


def calling(**options: Any) -> httpx.AsyncClient:
    """A client. Nothing here speaks TLS: without a context of its own httpx reads every CA, 20 ms a client."""
    return httpx.AsyncClient(**{"verify": _PLAIN, "timeout": 20, **options})


async def eventually(check: Callable[[], Awaitable[Any]], seconds: float = 10.0) -> Any:
    """What `check` answers as soon as it is true; fails loudly when it never is. Asked ever less often."""
    ends, pause = time.monotonic() + seconds, 0.02
    while True:
        found = await check()
        if found:
            return found
        assert time.monotonic() < ends, f"never came true: {check}"
        await asyncio.sleep(pause)
        pause = min(1.5 * pause, 0.1)


def unique_phone(ddd: int = 48) -> str:
    """A Brazilian mobile as Meta writes it in the south: 12 digits, without the 9."""
    return f"55{ddd}9{next(_numbers) % 10_000_000:07d}"


def unique_number_id() -> str:
    """A phone number id that nobody has."""
    return f"10{next(_numbers):012d}"


def signature(body: bytes, secret: str) -> dict[str, str]:
    """The headers Meta sends with a body."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={digest}", "Content-Type": "application/json"}


@dataclass
class Hotel:
    """A tenant with a number, an admin and an attendant, each a client with a token."""

    url: str
    secret: str
    id: str
    slug: str
    channel_id: str
    number_id: str
    waba_id: str
    admin: httpx.AsyncClient
    attendant: httpx.AsyncClient
    logins: dict[str, str] = field(default_factory=dict)

    def envelope(self, **value: Any) -> dict[str, Any]:
        """Meta's envelope around one change of this hotel's number."""
        metadata = {"display_phone_number": "15550783881", "phone_number_id": self.number_id}
        whole = {"messaging_product": "whatsapp", "metadata": metadata, **value}
        changes = [{"field": "messages", "value": whole}]
        return {"object": "whatsapp_business_account", "entry": [{"id": self.waba_id, "changes": changes}]}

    async def webhook(self, body: Any, secret: str | None = None, **headers: str) -> httpx.Response:
        """POST a body as Meta does: non-ASCII escaped, signed over the raw bytes."""
        raw = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
        signed = {**signature(raw, self.secret if secret is None else secret), **headers}
        async with calling() as client:
            return await client.post(f"{self.url}/webhooks/whatsapp", content=raw, headers=signed, timeout=20)

    async def conversation_of(self, wa_id: str) -> dict[str, Any] | None:
        """The conversation of a customer, if the list has it; an old newest message is on a later page."""
        params: dict[str, Any] = {"limit": 10}
        while True:
            page = (await self.attendant.get("/api/conversations", params=params)).json()
            found = next((item for item in page["data"] if item["contact"]["waId"] == wa_id), None)
            cursor = page["pagination"]["nextCursor"]
            if found or not cursor:
                return found
            params = {"limit": 100, "cursor": cursor}


@dataclass
class Guest:
    """A customer of a hotel who writes on WhatsApp."""

    hotel: Hotel
    wa_id: str
    name: str = "Dora"

    def message(self, node: dict[str, Any] | None = None, text: str = "Olá") -> dict[str, Any]:
        """A message node with a fresh wamid."""
        node = node or {"type": "text", "text": {"body": text}}
        wamid = f"wamid.{self.wa_id}.{next(_numbers)}"
        return {"from": self.wa_id, "id": wamid, "timestamp": str(int(time.time())), **node}

    def profile(self) -> dict[str, Any]:
        return {"profile": {"name": self.name}, "wa_id": self.wa_id}

    def body(self, *nodes: dict[str, Any]) -> dict[str, Any]:
        """A webhook with these message nodes."""
        return self.hotel.envelope(contacts=[self.profile()], messages=list(nodes))

    async def writes(self, text: str = "Olá", node: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a message and wait until the hotel sees it; the message as REST shows it."""
        sent = self.message(node, text)
        answer = await self.hotel.webhook(self.body(sent))
        assert answer.status_code == 200, answer.text
        return await eventually(lambda: self.seen(sent["id"]))

    async def conversation(self) -> dict[str, Any]:
        """Their conversation, once it is there."""
        return await eventually(lambda: self.hotel.conversation_of(self.wa_id))

    async def history(self) -> list[dict[str, Any]]:
        """Their messages, newest first."""
        return await self._said((await self.conversation())["id"])

    async def _said(self, conversation: str) -> list[dict[str, Any]]:
        answer = await self.hotel.attendant.get(f"/api/conversations/{conversation}/messages?limit=100")
        return answer.json()["data"]

    async def seen(self, wamid: str) -> dict[str, Any] | None:
        """The message of this wamid, if the hotel sees it."""
        found = await self.hotel.conversation_of(self.wa_id)
        said = await self._said(found["id"]) if found else []
        return next((item for item in said if item["wamid"] == wamid), None)


@dataclass
class System:
    """Everything a test may reach."""

    url: str
    graph_url: str
    settings: Settings
    home: Any
    root: httpx.AsyncClient

    def client(self, token: str | None = None, **headers: str) -> httpx.AsyncClient:
        """A client of the API."""
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return calling(base_url=self.url, headers=headers, timeout=20)

    async def login(self, email: str, password: str, slug: str | None = None) -> httpx.Response:
        """Sign in; the whole answer."""
        headers = {"X-Tenant-Slug": slug} if slug else {}
        async with self.client(**headers) as client:
            return await client.post("/auth/login", json={"email": email, "password": password})

    async def sign_in(self, email: str, password: str, slug: str | None = None) -> httpx.AsyncClient:
        """A client signed in."""
        answer = await self.login(email, password, slug)
        assert answer.status_code == 200, answer.text
        return self.client(answer.json()["accessToken"])

    async def hotel(self, name: str = "Hotel") -> Hotel:
        """A new hotel with Alice (admin), Bruno (attendant) and one number, known to the fake Meta."""
        slug = f"{name.lower()}-{next(_numbers)}"
        admin_email, attendant_email = f"alice@{slug}.example", f"bruno@{slug}.example"
        new = {"name": name, "slug": slug, "email": admin_email, "adminPassword": PASSWORD, "adminName": "Alice"}
        made = await self.root.post("/api/tenants", json=new)
        assert made.status_code == 201, made.text
        admin = await self.sign_in(admin_email, PASSWORD, slug)
        bruno = {"name": "Bruno", "email": attendant_email, "role": "ATTENDANT", "password": PASSWORD}
        assert (await admin.post("/auth/register", json=bruno)).status_code == 201
        number_id, waba_id = unique_number_id(), unique_number_id()
        channel = await self.channel(admin, number_id, waba_id)
        return Hotel(
            url=self.url,
            secret=self.settings.whatsapp_app_secret,
            id=made.json()["tenant"]["id"],
            slug=slug,
            channel_id=channel["id"],
            number_id=number_id,
            waba_id=waba_id,
            admin=admin,
            attendant=await self.sign_in(attendant_email, PASSWORD, slug),
            logins={"admin": admin_email, "attendant": attendant_email},
        )

    async def channel(self, admin: httpx.AsyncClient, number_id: str, waba_id: str) -> dict[str, Any]:
        """A number of the admin's hotel, which the fake Meta knows too."""
        token = f"token-of-{number_id}"
        new = {
            "name": "Recepção",
            "whatsappPhoneNumberId": number_id,
            "whatsappBusinessAccountId": waba_id,
            "whatsappAccessToken": token,
        }
        made = await admin.post("/api/channels", json=new)
        assert made.status_code == 201, made.text
        number = {
            "phoneNumberId": number_id,
            "wabaId": waba_id,
            "displayPhoneNumber": "+55 48 3222-1000",
            "accessToken": token,
            "appSecret": self.settings.whatsapp_app_secret,
            "webhookUrl": f"{self.url}/webhooks/whatsapp",
        }
        async with calling() as client:
            answer = await client.post(f"{self.graph_url}/_fake/numbers", json=number)
        assert answer.status_code < 300, answer.text
        return made.json()
