"""The log: JSON lines that say who and which request, never a secret and never what was said."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from crm.core import config
from crm.core.log import JsonFormatter
from ops.dev import processes
from ops.dev.home import Home
from tests.own import ROOT_EMAIL, add_root, own_home, program
from tests.sockets import at_socket
from tests.system import PASSWORD, Guest, Hotel, calling, eventually, signature, unique_number_id, unique_phone

MARK = uuid4().hex


def marked(what: str) -> str:
    """A value that can be found again in any output."""
    return f"MARK-{what}-{MARK}"


class Told:
    """What the processes wrote, and what the flow that made them write was given."""

    def __init__(self) -> None:
        self.files: list[Path] = []
        self.secrets: dict[str, str] = {}
        self.hotel_id = ""

    def text(self) -> str:
        return "".join(file.read_text() for file in self.files)

    def lines(self, name: str = "") -> list[dict[str, Any]]:
        return [
            json.loads(line) for file in self.files if name in file.name for line in file.read_text().splitlines()
        ]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """Servers of this module alone: only its own worker may take its jobs."""
    with own_home(tmp_path_factory.mktemp("log")) as home:
        yield home


@pytest.fixture(scope="module")
async def told(home: Home, graph_url: str) -> Told:
    """API and worker at DEBUG, after a day's work in which much went wrong."""
    told, port = Told(), processes.free_port()
    env = {"PORT": str(port), "WHATSAPP_GRAPH_URL": graph_url, "LOG_LEVEL": "DEBUG"}
    await add_root(config.load({**home.environ(), **env}))
    with program(home, "api", **env) as api, program(home, "worker", **env) as worker:
        told.files = [api, worker]
        url = f"http://127.0.0.1:{port}"
        await eventually(lambda: _is_up(url))
        hotel = await _people(told, home, url)
        await _channel(told, hotel, graph_url)
        await _talk(told, hotel, graph_url)
        await _mistakes(told, hotel)
    return told


async def _is_up(url: str) -> bool:
    try:
        async with calling() as client:
            return (await client.get(f"{url}/health")).status_code == 200
    except httpx.TransportError:
        return False


async def _sign_in(told: Told, url: str, email: str, password: str, slug: str = "") -> httpx.AsyncClient:
    client = calling(base_url=url, headers={"X-Tenant-Slug": slug} if slug else {}, timeout=20)
    answer = (await client.post("/auth/login", json={"email": email, "password": password})).json()
    told.secrets |= {f"{kind} of {email}": answer[kind] for kind in ("accessToken", "refreshToken")}
    client.headers["Authorization"] = f"Bearer {answer['accessToken']}"
    return client


async def _people(told: Told, home: Home, url: str) -> Hotel:
    root = await _sign_in(told, url, ROOT_EMAIL, PASSWORD)
    password = told.secrets["password"] = marked("password")
    new = {"name": "Log", "slug": "log", "email": "alice@log.example", "adminPassword": password}
    told.hotel_id = (await root.post("/api/tenants", json=new)).json()["tenant"]["id"]
    alice = await _sign_in(told, url, "alice@log.example", password, "log")
    made = await alice.post("/api/users", json={"name": "B", "email": "b@log.example", "role": "ATTENDANT"})
    told.secrets["temporary password"] = made.json()["temporaryPassword"]
    secret = told.secrets["platform's app secret"] = home.secrets["whatsappAppSecret"]
    number, waba = unique_number_id(), unique_number_id()
    return Hotel(url, secret, told.hotel_id, "log", "", number, waba, alice, alice)


async def _channel(told: Told, hotel: Hotel, graph_url: str) -> None:
    token, secret = marked("access-token"), marked("app-secret")
    told.secrets |= {"access token": token, "app secret": secret}
    names = {"name": "R", "whatsappPhoneNumberId": hotel.number_id, "whatsappBusinessAccountId": hotel.waba_id}
    new = {**names, "whatsappAccessToken": token, "whatsappAppSecret": secret}
    made = (await hotel.admin.post("/api/channels", json=new)).json()
    told.secrets["verify token"] = made["whatsappWebhookVerifyToken"]
    number = {"phoneNumberId": hotel.number_id, "wabaId": hotel.waba_id, "accessToken": token}
    told_meta = {**number, "displayPhoneNumber": "+55 48 3222-1000", "webhookUrl": f"{hotel.url}/webhooks/whatsapp"}
    async with calling() as client:
        await client.post(f"{graph_url}/_fake/numbers", json={**told_meta, "appSecret": hotel.secret})


async def _talk(told: Told, hotel: Hotel, graph_url: str) -> None:
    said, answered, failing = (
        told.secrets.setdefault(what, marked(what)) for what in ("said", "answer", "failing")
    )
    guest = Guest(hotel, unique_phone(), marked("name"))
    await guest.writes(said)
    url = f"/api/conversations/{(await guest.conversation())['id']}/messages"
    request = {"X-Request-Id": "the-send"}
    assert (await hotel.admin.post(url, json={"content": answered}, headers=request)).status_code == 201
    rule = {"action": {"error": {"code": 131026, "message": "no", "details": "not on WhatsApp"}}}
    await eventually(lambda: _is_last(guest, "READ"))
    async with calling() as client:
        script = {"rules": [rule], "phoneNumberId": hotel.number_id}
        await client.post(f"{graph_url}/_fake/script", json=script)
    assert (await hotel.admin.post(url, json={"content": failing})).status_code == 201
    await eventually(lambda: _is_last(guest, "FAILED"))


async def _is_last(guest: Guest, status: str) -> bool:
    return (await guest.history())[0]["status"] == status


async def _mistakes(told: Told, hotel: Hotel) -> None:
    wrong, bad = (told.secrets.setdefault(what, marked(what)) for what in ("wrong-password", "bad-body"))
    client, token = hotel.admin, hotel.admin.headers["Authorization"].removeprefix("Bearer ")
    await client.post("/auth/login", json={"email": "alice@log.example", "password": wrong})
    await client.post("/auth/login", json={"email": "alice@log.example", "pass": wrong})
    await client.post("/api/messages/send", content=f'{{"to": "{bad}", "content": "{bad}')
    await client.post("/api/messages/send", json={"to": bad, "content": bad, "more": bad})
    query = {"hub.mode": "subscribe", "hub.challenge": "1", "hub.verify_token": told.secrets["verify token"]}
    await client.get("/webhooks/whatsapp", params=query)
    await client.get("/api/conversations", params={"token": token, "password": bad})
    raw = json.dumps({"entry": [{"changes": bad}], "messages": bad}).encode()
    await client.post("/webhooks/whatsapp", content=raw, headers=signature(raw, hotel.secret))
    await client.post("/webhooks/whatsapp", content=raw, headers=signature(raw, bad))
    await hotel.webhook(hotel.envelope(contacts=[{"profile": bad}], messages=[{"from": bad, "id": 7, "text": bad}]))
    async with at_socket(hotel.url, token, f"?token={token}&secret={bad}") as ear:
        await ear.hear("ready")
        await ear.say(bad, {"token": bad})
        await ear.hear("error")
    with pytest.raises(InvalidStatus):
        async with at_socket(hotel.url, origin=f"https://{bad}.example"):
            pass


async def test_every_line_is_one_json_object_with_time_level_and_message(told: Told) -> None:
    for line in told.lines():
        assert {"at", "level", "logger", "message"} <= set(line), line
    assert any(line["message"] == "api started" for line in told.lines("api"))
    assert any(line["message"] == "worker started" for line in told.lines("worker"))


async def test_secrets_passwords_tokens_and_texts_are_nowhere_in_the_output(told: Told) -> None:
    output = told.text()
    assert len(output.splitlines()) > 20
    assert [what for what, secret in told.secrets.items() if secret in output] == []


async def test_the_settings_secrets_are_nowhere_in_the_output(told: Told, home: Home) -> None:
    output = told.text()
    assert [name for name, secret in home.secrets.items() if secret in output] == []


async def test_an_answers_line_names_its_request_and_its_hotel(told: Told) -> None:
    [line] = [line for line in told.lines("api") if line.get("requestId") == "the-send"]
    assert (line["status"], line["method"]) == (201, "POST")
    assert line["route"] == "/api/conversations/{id}/messages"
    assert line.get("tenantId") == told.hotel_id
    assert line.get("userId")


async def test_every_answers_line_has_a_request_id(told: Told) -> None:
    lines = [line for line in told.lines("api") if line["message"] == "answered"]
    assert len(lines) > 15
    assert all(line["requestId"] for line in lines)


async def test_what_strangers_do_is_no_error(told: Told) -> None:
    assert [line for line in told.lines("api") if line["level"] == "ERROR"] == []


async def test_the_workers_lines_about_a_send_name_the_hotel(told: Told) -> None:
    lines = [line for line in told.lines("worker") if line["message"] == "a send did not succeed"]
    assert [(line["code"], line["becomes"], line.get("tenantId")) for line in lines] == [
        (131026, "FAILED", told.hotel_id)
    ]


@pytest.mark.parametrize(
    "text",
    [
        "redis://:geheim@cache:6379/0",
        "Bearer geheim",
        "eyJgeheim.geheim.geheim",
        "GET /?hub.verify_token=geheim&x=1",
    ],
)
def test_a_secret_in_the_middle_of_a_text_is_blanked(text: str) -> None:
    fault = ValueError(f"cannot reach {text}")
    record = logging.makeLogRecord({"msg": "it said %s", "args": (text,), "exc_info": (ValueError, fault, None)})
    assert "geheim" not in JsonFormatter().format(record)
