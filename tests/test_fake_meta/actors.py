"""Who plays in these tests: a CRM that only listens, Meta as the tests drive it, pywa's transport."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

HOTEL, WABA, TOKEN, SECRET = "106540352242922", "102290129340398", "EAAtoken", "app-secret"
DORA, DORA_DIALLED = "554898448722", "+55 48 99844-8722"
TEXT = {"type": "text", "text": {"body": "Oi, Dora"}}


@asynccontextmanager
async def serving(app: Starlette) -> AsyncIterator[str]:
    """The app on a real socket of this loop; connections made before it is up wait in the backlog."""
    # asyncio switches Nagle off only where proto says TCP: without it every answer takes 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
    task = asyncio.create_task(server.serve([listener]))
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    await task


class Rewritten(httpx.AsyncHTTPTransport):
    """pywa knows only https://graph.facebook.com; this takes its requests to the fake."""

    def __init__(self, url: httpx.URL) -> None:
        super().__init__()
        self.url = url

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == "graph.facebook.com":
            request.url = request.url.copy_with(scheme="http", host=self.url.host, port=self.url.port)
            request.headers["Host"] = self.url.netloc.decode()
        return await super().handle_async_request(request)


class Crm:
    """A webhook that keeps what it got and answers as told."""

    def __init__(self) -> None:
        self.posts: list[tuple[bytes, str]] = []
        self.answers: list[int] = []
        self.arrived = asyncio.Condition()

    async def webhook(self, request: Request) -> Response:
        raw = await request.body()
        async with self.arrived:
            self.posts.append((raw, request.headers["X-Hub-Signature-256"]))
            self.arrived.notify_all()
        return Response(status_code=self.answers.pop(0) if self.answers else 200)

    def values(self) -> list[dict[str, Any]]:
        return [json.loads(raw)["entry"][0]["changes"][0]["value"] for raw, _ in self.posts]

    def statuses(self) -> list[str]:
        return [status["status"] for value in self.values() for status in value.get("statuses", [])]

    async def until(self, count: int) -> None:
        async with asyncio.timeout(5), self.arrived:
            await self.arrived.wait_for(lambda: len(self.posts) >= count)


class Meta:
    """The fake by its doors: Graph's under the hotel's token, and those under /_fake/."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def register(self, webhook_url: str, **more: Any) -> None:
        number = {"phoneNumberId": HOTEL, "wabaId": WABA, "displayPhoneNumber": "+55 48 3333-4444"}
        secrets = {"accessToken": TOKEN, "appSecret": SECRET, "webhookUrl": webhook_url}
        await self.post("numbers", **(number | secrets | more))

    async def post(self, door: str, **body: Any) -> Any:
        answer = await self.client.post(f"/_fake/{door}", json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def log(self, door: str) -> Any:
        return (await self.client.get(f"/_fake/{door}", params={"phoneNumberId": HOTEL})).json()

    async def say(self, **message: Any) -> Any:
        """Dora writes."""
        return await self.post("inbound", **{"phoneNumberId": HOTEL, "from": DORA, "name": "Dora"} | message)

    async def script(self, *rules: dict[str, Any]) -> None:
        await self.post("script", phoneNumberId=HOTEL, rules=rules)

    async def send(self, body: Any, token: str = TOKEN, number: str = HOTEL) -> httpx.Response:
        """The hotel writes to Dora."""
        whole = {"messaging_product": "whatsapp", "to": DORA_DIALLED, **body}
        return await self.graph("POST", f"{number}/messages", token, json=whole, timeout=0.5)

    async def graph(self, method: str, path: str, token: str = TOKEN, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return await self.client.request(method, f"/v25.0/{path}", headers=headers, **more)
