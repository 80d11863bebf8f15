"""What tests say and ask as Meta: bodies waited for, statuses, the fake's script and what the fake accepted."""

import json
import time
from typing import Any

import asyncpg

from tests.people import Sql
from tests.system import Guest, Hotel, System, calling, eventually


def raw(body: Any) -> bytes:
    """A body as Meta writes it: compact, non-ASCII escaped."""
    return json.dumps(body, separators=(",", ":")).encode()


async def stored(as_owner: Sql, text: str) -> int:
    """How many raw events hold this text."""
    query = "SELECT count(*) FROM webhook_events WHERE position($1::bytea IN body) > 0"
    return int((await as_owner(query, text.encode()))[0][0])


async def told(hotel: Hotel, as_owner: Sql, body: Any, secret: str | None = None) -> asyncpg.Record:
    """POST a body and wait until the worker has worked it; its row of webhook_events."""
    sent = body if isinstance(body, bytes) else raw(body)
    answer = await hotel.webhook(sent, secret)
    assert answer.status_code == 200, answer.text
    query = """SELECT * FROM webhook_events AS e WHERE body = $1
               AND NOT EXISTS (SELECT FROM webhook_waiting AS w WHERE w.id = e.id)"""
    return (await eventually(lambda: as_owner(query, sent)))[0]


async def dead_letter(guest: Guest) -> str:
    """The id of a dead letter of the guest's hotel: a message that names no sender."""
    node = guest.message()
    del node["from"]
    assert (await guest.hotel.webhook(guest.body(node))).status_code == 200

    async def buried() -> str | None:
        letters = (await guest.hotel.admin.get("/api/dead-letters?limit=100")).json()["data"]
        return next((letter["id"] for letter in letters if letter["about"] == node["id"]), None)

    return str(await eventually(buried))


def status(wamid: str, name: str, **more: Any) -> dict[str, Any]:
    """A status node; `more` are further fields, such as a timestamp of its own."""
    now = str(int(time.time()))
    return {"id": wamid, "status": name, "timestamp": now, "recipient_id": "554898448722", **more}


async def script(system: System, hotel: Hotel, times: int | None = 1, to: str | None = None, **action: Any) -> None:
    """What the fake does with the hotel's next sends (None: with all of them)."""
    rule = {"match": {"to": to}, "times": times, "action": action}
    body = {"phoneNumberId": hotel.number_id, "rules": [rule]}
    async with calling() as client:
        answer = await client.post(f"{system.graph_url}/_fake/script", json=body)
    assert answer.status_code == 204, answer.text


async def accepted(system: System, hotel: Hotel) -> list[dict[str, Any]]:
    """What the fake accepted from the hotel's number, in order."""
    async with calling() as client:
        answer = await client.get(f"{system.graph_url}/_fake/sent", params={"phoneNumberId": hotel.number_id})
    return list(answer.json())


async def send(hotel: Hotel, conversation: dict[str, Any], content: str = "Sim", **more: Any) -> dict[str, Any]:
    """Bruno answers; the message as the API gave it back."""
    url = f"/api/conversations/{conversation['id']}/messages"
    answer = await hotel.attendant.post(url, json={"content": content, **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def now(hotel: Hotel, message: dict[str, Any]) -> dict[str, Any]:
    """A recent message as REST shows it now."""
    answer = await hotel.attendant.get(f"/api/conversations/{message['conversationId']}/messages?limit=100")
    return next(item for item in answer.json()["data"] if item["id"] == message["id"])


async def becomes(hotel: Hotel, message: dict[str, Any], *statuses: str, seconds: float = 10) -> dict[str, Any]:
    """The message once it has one of these statuses."""

    async def reached() -> dict[str, Any] | None:
        found = await now(hotel, message)
        return found if found["status"] in statuses else None

    return dict(await eventually(reached, seconds))
