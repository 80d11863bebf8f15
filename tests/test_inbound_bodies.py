"""What a webhook holds: batches, replays, poisoned parts, odd texts, and every type of message."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.meta import raw, send, told
from tests.people import Sql
from tests.system import Guest, Hotel, System, calling, eventually

PAYLOADS = Path(__file__).parent / "payloads"
NUMBER_A, WABA_A, NUMBER_B, WABA_B = "106540352242922", "102290129340398", "209876543210987", "215589313241560"
CONTENTS = {
    "text": "Olá! Vocês têm quarto para o feriado? 🙂",
    "image": "[Imagem] É esta a vista?",
    "reaction_set": "[Reação] ❤️",
    "reaction_removed": "[Reação] retirada",
    "reaction_removed_empty": "[Reação] retirada",
    "button_without_context": "[Resposta] Falar com o hotel",
    "list_reply": "[Resposta] Piscina",
    "contacts_without_name": "[Contato] +55 48 99911-2233",
    "location": "[Localização] Praia de Jurerê, Av. dos Búzios, 100",
    "unsupported": "[Mensagem que a API não entrega] enquete",
    "user_changed_number": "[Aviso do WhatsApp] User Dora Magalhães 🌴 changed from 554898448722 to 5511987654321",
    "bsuid_only": "Oi, sou eu de novo, agora sem número",
}


def _payload(name: str, *hotels: Hotel) -> dict[str, Any]:
    """A body of tests/payloads, about these hotels."""
    text = (PAYLOADS / f"{name}.json").read_text()
    for hotel, (number, account) in zip(hotels, ((NUMBER_A, WABA_A), (NUMBER_B, WABA_B)), strict=False):
        text = text.replace(number, hotel.number_id).replace(account, hotel.waba_id)
    return dict(json.loads(text))


async def _message(as_owner: Sql, hotel: Hotel, wamid: str) -> dict[str, Any]:
    """A message as REST shows it, found by its wamid."""
    query = "SELECT conversation_id FROM messages WHERE tenant_id = $1 AND wamid = $2"
    [row] = await as_owner(query, hotel.id, wamid)
    history = await hotel.attendant.get(f"/api/conversations/{row[0]}/messages?limit=100")
    return next(item for item in history.json()["data"] if item["wamid"] == wamid)


@pytest.fixture(scope="module")
async def aurora(system: System) -> Hotel:
    return await system.hotel("Aurora")


@pytest.fixture(scope="module")
async def serena(system: System) -> Hotel:
    return await system.hotel("Serena")


def test_every_payload_of_a_message_is_in_the_table() -> None:
    bodies = {file.stem: file.read_text() for file in PAYLOADS.glob("*.json")}
    assert {name for name, text in bodies.items() if '"messages": [' in text} - {"batch"} == set(CONTENTS)


@pytest.mark.parametrize("name", CONTENTS)
async def test_a_message_of_any_type_is_readable_and_keeps_its_raw_node(
    name: str, serena: Hotel, as_owner: Sql
) -> None:
    body = _payload(name, serena)
    [node] = body["entry"][0]["changes"][0]["value"]["messages"]
    await told(serena, as_owner, body)
    message = await _message(as_owner, serena, node["id"])
    assert (message["type"], message["content"]) == (node["type"], CONTENTS[name])
    assert (message["direction"], message["status"]) == ("INBOUND", "RECEIVED")
    common = {"id", "from", "from_user_id", "timestamp", "type", "text"}
    raw_parts = {part: value for part, value in node.items() if part not in common}
    assert (message["payload"] or {}) == raw_parts


async def test_a_type_that_meta_invents_tomorrow_is_kept_and_shown(guest: Guest, as_owner: Sql) -> None:
    node = {"type": "hologram", "hologram": {"caption": "olha", "shape": [1, {"deep": None}]}}
    message = await guest.writes(node=node)
    assert (message["type"], message["content"]) == ("hologram", "[Mensagem do tipo hologram] olha")
    assert message["payload"] == {"hologram": node["hologram"]}


async def test_a_shared_contact_shows_the_name_on_its_card(guest: Guest) -> None:
    card = {"name": {"formatted_name": "Recepção do Spa", "first_name": "Spa"}, "phones": [{"phone": "+55 48 3"}]}
    message = await guest.writes(node={"type": "contacts", "contacts": [card]})
    assert message["content"] == "[Contato] Recepção do Spa"


async def test_a_reply_of_a_guest_points_at_our_message(guest: Guest) -> None:
    await guest.writes()
    ours = await send(guest.hotel, await guest.conversation())
    answered = await eventually(lambda: _with_wamid(guest, ours["id"]))
    quote = {"type": "text", "text": {"body": "Isso"}, "context": {"id": answered["wamid"]}}
    assert (await guest.writes(node=quote))["replyTo"] == ours["id"]


async def _with_wamid(guest: Guest, message: str) -> dict[str, Any] | None:
    return next((item for item in await guest.history() if item["id"] == message and item["wamid"]), None)


async def test_a_batch_for_two_hotels_loses_only_its_poisoned_message(
    system: System, aurora: Hotel, as_owner: Sql
) -> None:
    other = await system.hotel("Brisa")
    row = await told(aurora, as_owner, _payload("batch", aurora, other))
    count = "SELECT count(*) FROM messages WHERE tenant_id = $1"
    buried = await as_owner("SELECT * FROM dead_letters WHERE tenant_id IN ($1, $2)", aurora.id, other.id)
    assert [(await as_owner(count, hotel.id))[0][0] for hotel in (aurora, other)] == [14, 15]
    assert row["ignored"] == 0
    assert [(str(letter["tenant_id"]), letter["kind"]) for letter in buried] == [(aurora.id, "inbound.message")]
    assert json.loads(buried[0]["item"])["node"]["timestamp"] == "ontem"


async def test_unread_counts_what_a_batch_brought_to_each_guest(system: System, as_owner: Sql) -> None:
    hotels = [await system.hotel("Coral"), await system.hotel("Delta")]
    await told(hotels[0], as_owner, _payload("batch", *hotels))
    listed = (await hotels[1].attendant.get("/api/conversations")).json()["data"]
    unread = {item["contact"]["name"]: item["unreadCount"] for item in listed}
    assert unread == {"Dora Magalhães 🌴": 6, "Caio": 6, "Inês": 3}


async def test_the_same_post_at_the_same_time_is_stored_once(guest: Guest, as_owner: Sql) -> None:
    body = raw(guest.body(guest.message(text="um"), guest.message(text="dois")))
    answers = await asyncio.gather(*[guest.hotel.webhook(body) for _ in range(6)])
    assert [answer.status_code for answer in answers] == [200] * 6
    await told(guest.hotel, as_owner, body)
    waiting = "SELECT 1 FROM webhook_events INNER JOIN webhook_waiting USING (received_at, id) WHERE body = $1"
    await eventually(lambda: _none(as_owner, waiting, body))
    assert [item["content"] for item in await guest.history()] == ["dois", "um"]
    assert (await guest.conversation())["unreadCount"] == 2


async def _none(as_owner: Sql, query: str, *args: object) -> bool:
    return not await as_owner(query, *args)


async def test_a_replay_after_the_conversation_was_closed_opens_no_other(guest: Guest, as_owner: Sql) -> None:
    body = raw(guest.body(guest.message()))
    await told(guest.hotel, as_owner, body)
    conversation = await guest.conversation()
    await as_owner("UPDATE conversations SET status = 'CLOSED' WHERE id = $1", conversation["id"])
    await told(guest.hotel, as_owner, body + b" ")
    query = "SELECT status FROM conversations WHERE contact_id = $1"
    assert [row[0] for row in await as_owner(query, conversation["contact"]["id"])] == ["CLOSED"]


async def test_the_same_message_twice_in_one_post_is_stored_once(guest: Guest, as_owner: Sql) -> None:
    twice = guest.message()
    await told(guest.hotel, as_owner, guest.body(twice, twice))
    assert len(await guest.history()) == 1
    assert (await guest.conversation())["unreadCount"] == 1


@pytest.mark.parametrize(
    ("escaped", "shown"),
    [
        (r"ção, açaí \ud83d\ude00", "ção, açaí 😀"),
        (r"\u00e7\u00e3o \ud83d\ude00", "ção 😀"),
        (r"meio \ud83d emoji", "meio � emoji"),
        (r"fim \ude00", "fim �"),
        (r"nulo \u0000 aqui", "nulo � aqui"),
        (r"\ud83d\u0000 \ud83d\ude00", "�� 😀"),
        (r"linha\nnova \"aspas\" \\u0000", 'linha\nnova "aspas" \\u0000'),
    ],
)
async def test_any_text_json_can_carry_stays_readable(
    escaped: str, shown: str, guest: Guest, as_owner: Sql
) -> None:
    marked = guest.message(text="MARK")
    body = raw(guest.body(marked)).replace(b"MARK", escaped.encode())
    await told(guest.hotel, as_owner, body)
    assert [item["content"] for item in await guest.history()] == [shown]


async def test_a_name_and_a_payload_with_nul_are_kept_too(guest: Guest, as_owner: Sql) -> None:
    guest.name = "Dora\x00\ud800"
    await told(guest.hotel, as_owner, guest.body(guest.message({"type": "order", "order": {"text": "a\x00b"}})))
    assert (await guest.conversation())["contact"]["name"] == "Dora��"
    assert (await guest.history())[0]["payload"] == {"order": {"text": "a�b"}}


async def test_a_group_message_never_lands_in_the_private_chat(guest: Guest, as_owner: Sql) -> None:
    await guest.writes("privado")
    group = {"type": "text", "text": {"body": "no grupo"}, "group_id": "Y2FwaV9ncm91cDox"}
    await told(guest.hotel, as_owner, guest.body(guest.message(group)))
    assert [item["content"] for item in await guest.history()] == ["privado"]
    assert (await guest.conversation())["unreadCount"] == 1


async def test_events_about_the_account_are_kept_and_count_as_nobodys_fault(aurora: Hotel, as_owner: Sql) -> None:
    row = await told(aurora, as_owner, _payload("account_update", aurora))
    assert (row["ignored"], json.loads(row["body"])["entry"][0]["id"]) == (0, aurora.waba_id)


async def test_a_clock_in_the_future_places_a_message_now(guest: Guest, as_owner: Sql) -> None:
    future = {**guest.message(text="amanhã"), "timestamp": "4102444800"}
    await told(guest.hotel, as_owner, guest.body(future))
    conversation, today = await guest.conversation(), datetime.now(UTC)
    assert datetime.fromisoformat(conversation["lastMessageAt"]) <= today
    assert datetime.fromisoformat(conversation["windowExpiresAt"]) <= today + timedelta(hours=24)


async def test_the_fake_metas_own_customer_arrives_whole(system: System, guest: Guest) -> None:
    sent = {"phoneNumberId": guest.hotel.number_id, "from": guest.wa_id, "name": "Dora 🌴", "text": "É aí?"}
    async with calling() as client:
        answer = await client.post(f"{system.graph_url}/_fake/inbound", json=sent)
    assert answer.json()["status"] == 200
    conversation = await guest.conversation()
    assert (conversation["contact"]["name"], conversation["lastMessage"]["preview"]) == ("Dora 🌴", "É aí?")
