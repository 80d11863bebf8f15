"""What Bruno sends in tests: messages of every type, and what Meta gets of them."""

from typing import Any

import httpx

from tests.meta import accepted, becomes
from tests.system import Guest, System

PLACE = {"latitude": -27.6, "longitude": -48.45, "name": "Hotel Aurora", "address": "Rua das Gaivotas, 1"}
CARD = {
    "name": {"formatted_name": "Recepção", "first_name": "Recepção"},
    "phones": [{"phone": "+55 48 3222-1000", "type": "WORK", "wa_id": "554832221000"}],
    "emails": [{"email": "oi@aurora.example"}],
    "org": {"company": "Hotel Aurora"},
}
BUTTONS = {
    "type": "button",
    "header": {"type": "text", "text": "Quarto"},
    "body": {"text": "Qual vista?"},
    "footer": {"text": "Hotel Aurora"},
    "action": {"buttons": [{"type": "reply", "reply": {"id": name, "title": name}} for name in ("Mar", "Jardim")]},
}
LIST = {
    "type": "list",
    "header": {"type": "text", "text": "Passeios"},
    "body": {"text": "O que quer fazer?"},
    "footer": {"text": "Saídas às 9h"},
    "action": {
        "button": "Ver passeios",
        "sections": [
            {"title": "Mar", "rows": [{"id": "b", "title": "Barco", "description": "Duas horas"}]},
            {"title": "Terra", "rows": [{"id": "t", "title": "Trilha"}]},
        ],
    },
}
LINK = {
    "type": "cta_url",
    "body": {"text": "Reserve aqui"},
    "action": {
        "name": "cta_url",
        "parameters": {"display_text": "Reservar", "url": "https://aurora.example/r?q=1"},
    },
}
ASK = {
    "type": "location_request_message",
    "body": {"text": "Onde você está?"},
    "action": {"name": "send_location"},
}
CATALOG = {"type": "catalog_message", "body": {"text": "Loja"}, "action": {"name": "catalog_message"}}


async def ask(guest: Guest, **body: Any) -> httpx.Response:
    """Bruno sends this to the guest."""
    url = f"/api/conversations/{(await guest.conversation())['id']}/messages"
    return await guest.hotel.attendant.post(url, json=body)


async def arrive(guest: Guest, system: System, **body: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The message as the API answered, and the body that Meta took of it."""
    answer = await ask(guest, **body)
    assert answer.status_code == 201, answer.text
    message = answer.json()
    assert message["status"] == "QUEUED"
    sent = await becomes(guest.hotel, message, "SENT", "DELIVERED", "READ", "FAILED")
    assert sent["error"] is None
    [taken] = [row["body"] for row in await accepted(system, guest.hotel) if row["callback"] == message["id"]]
    assert (taken.pop("messaging_product"), taken.pop("recipient_type")) == ("whatsapp", "individual")
    assert (taken.pop("to"), taken.pop("biz_opaque_callback_data")) == (f"+{guest.wa_id}", message["id"])
    return message, taken
