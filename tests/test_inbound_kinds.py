"""Every kind of message that Meta may send is kept with its raw node, and reads well."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.meta import becomes, send, told
from tests.people import Sql
from tests.system import Guest, Hotel, System, eventually, unique_phone

KINDS = json.loads((Path(__file__).parent / "payloads" / "nodes" / "kinds.json").read_text())


@pytest.fixture
async def guest(hotel_a: Hotel) -> Guest:
    return Guest(hotel_a, unique_phone())


@pytest.mark.parametrize("kind", KINDS, ids=[kind["name"] for kind in KINDS])
async def test_a_kind_is_kept_whole_and_reads_well(kind: dict[str, Any], guest: Guest) -> None:
    message = await guest.writes(node=kind["node"])
    assert (message["type"], message["content"]) == (kind["node"]["type"], kind["content"])
    assert (message["payload"] or {}) == {name: part for name, part in kind["node"].items() if name != "type"}


@pytest.mark.parametrize(("kind", "unread"), [("text", 1), ("unsupported", 1), ("reaction", 0), ("system", 0)])
async def test_what_nobody_has_to_read_is_not_unread(kind: str, unread: int, guest: Guest) -> None:
    await guest.writes(node={"type": kind, kind: {"body": "a", "message_id": "wamid.x"}})
    assert (await guest.conversation())["unreadCount"] == unread


@pytest.mark.parametrize(("kind", "opens"), [("request_welcome", True), ("unsupported", True), ("system", False)])
async def test_the_customers_word_opens_the_window_and_metas_own_does_not(
    kind: str, opens: bool, guest: Guest
) -> None:
    await guest.writes(node={"type": kind})
    assert ((await guest.conversation())["windowExpiresAt"] is not None) == opens


async def test_a_groups_message_stays_out_of_its_writers_own_chat(guest: Guest, as_owner: Sql) -> None:
    await guest.writes("só nós")
    group = f"group-{guest.wa_id}"
    node = {**guest.message(text="para todos"), "group_id": group}
    await told(guest.hotel, as_owner, guest.body(node))
    assert [item["content"] for item in await guest.history()] == ["só nós"]
    listed = (await guest.hotel.attendant.get("/api/conversations?limit=100")).json()["data"]
    [chat] = [item for item in listed if (item["lastMessage"] or {}).get("preview") == "para todos"]
    contact = (await guest.hotel.attendant.get(f"/api/contacts/{chat['contact']['id']}")).json()
    history = await guest.hotel.attendant.get(f"/api/conversations/{chat['id']}/messages")
    assert (contact["isGroup"], contact["waId"]) == (True, None)
    assert history.json()["data"][0]["payload"]["author"] == {"from": guest.wa_id, "name": "Dora"}


def field(guest: Guest, name: str, **value: Any) -> dict[str, Any]:
    """A webhook of another field than messages."""
    body = guest.hotel.envelope(**value)
    body["entry"][0]["changes"][0]["field"] = name
    return body


async def test_what_is_sent_from_the_phone_app_is_shown_as_ours(guest: Guest, as_owner: Sql) -> None:
    await guest.writes("Há vaga?")
    window = (await guest.conversation())["windowExpiresAt"]
    node = {**guest.message(text="Há sim"), "from": "15550783881", "to": guest.wa_id}
    await told(guest.hotel, as_owner, field(guest, "smb_message_echoes", message_echoes=[node]))
    ours, _ = await guest.history()
    assert (ours["direction"], ours["status"], ours["origin"]) == ("OUTBOUND", "SENT", "PHONE")
    shown = await guest.conversation()
    assert (shown["unreadCount"], shown["windowExpiresAt"]) == (1, window)


async def test_an_imported_history_is_silent(guest: Guest, as_owner: Sql) -> None:
    seq = "SELECT coalesce(max(seq), 0) FROM feed_events WHERE tenant_id = $1"
    before = (await as_owner(seq, guest.hotel.id))[0][0]
    theirs = {**guest.message(text="em março"), "timestamp": "1772323200"}
    ours = {**guest.message(text="em abril"), "from": "15550783881", "timestamp": "1775001600"}
    ours["history_context"] = {"status": "READ"}
    thread = {"id": guest.wa_id, "messages": [theirs, ours]}
    history = [{"metadata": {"phase": 0, "chunk_order": 1, "progress": 50}, "threads": [thread]}]
    await told(guest.hotel, as_owner, field(guest, "history", history=history))
    shown = [(item["direction"], item["content"], item["status"]) for item in await guest.history()]
    assert shown == [("OUTBOUND", "em abril", "READ"), ("INBOUND", "em março", "RECEIVED")]
    chat = await guest.conversation()
    assert (chat["unreadCount"], chat["windowExpiresAt"]) == (0, None)
    mine = "SELECT count(*) FROM feed_events WHERE tenant_id = $1 AND seq > $2 AND conversation_id = $3"
    assert (await as_owner(mine, guest.hotel.id, before, chat["id"]))[0][0] == 0


def imported(guest: Guest, ours: bool = False) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """A history's placeholder in its thread, the media that follows under the same wamid, and both in one POST."""
    first = {**guest.message({"type": "media_placeholder"}), "timestamp": "1772323200"}
    first["history_context"] = {"status": "READ"}
    picture = {"id": f"8{guest.wa_id}", "mime_type": "image/png", "caption": "A vista"}
    media = {**guest.message({"type": "image", "image": picture}), "id": first["id"]}
    if ours:
        first["from"] = media["from"] = "15550783881"
    history = [{"threads": [{"id": guest.wa_id, "messages": [first]}]}]
    bodies = [field(guest, "history", history=history), field(guest, "history", messages=[media])]
    together = {**bodies[0], "entry": [*bodies[1]["entry"], *bodies[0]["entry"]]}
    return bodies[0], bodies[1], together


@pytest.mark.parametrize("order", [(0, 1), (0, 1, 1, 0), (2,), (2, 1, 0), (1, 0)], ids=str)
async def test_the_media_of_a_history_takes_its_placeholders_place(
    order: tuple[int, ...], guest: Guest, as_owner: Sql
) -> None:
    bodies = imported(guest)
    for number in order:
        await told(guest.hotel, as_owner, bodies[number])
    [message] = await guest.history()
    assert (message["type"], message["content"], message["origin"]) == ("image", "[Imagem] A vista", "HISTORY")
    assert message["media"]["mimeType"] == "image/png"
    assert "media_placeholder" not in message["payload"]
    assert order[0] == 1 or message["createdAt"] == "2026-03-01T00:00:00.000Z"
    chat = await guest.conversation()
    assert (chat["unreadCount"], chat["windowExpiresAt"], chat["lastMessage"]["type"]) == (0, None, "image")


async def test_a_placeholders_row_stays_and_who_watches_hears_of_its_media_once(
    guest: Guest, as_owner: Sql
) -> None:
    placeholder, media, _ = imported(guest)
    await told(guest.hotel, as_owner, placeholder)
    [before] = await guest.history()
    await told(guest.hotel, as_owner, media)
    await guest.hotel.webhook(media)
    assert [item["id"] for item in await guest.history()] == [before["id"]]
    query = """SELECT event FROM feed_events WHERE tenant_id = $1 AND conversation_id = $2
               AND data::jsonb #>> '{message,media,state}' = 'PENDING'"""
    told_of = await as_owner(query, guest.hotel.id, before["conversationId"])
    assert [row["event"] for row in told_of] == ["message:updated"]


@pytest.mark.parametrize("order", [(0, 1), (2,)], ids=str)
async def test_what_the_hotel_had_sent_stays_its_own(order: tuple[int, ...], guest: Guest, as_owner: Sql) -> None:
    bodies = imported(guest, ours=True)
    for number in order:
        await told(guest.hotel, as_owner, bodies[number])
    [message] = await guest.history()
    assert (message["direction"], message["status"], message["type"]) == ("OUTBOUND", "READ", "image")


async def test_what_metas_agent_handles_is_stored_and_says_so(guest: Guest, as_owner: Sql) -> None:
    asked, answer = guest.message(text="Tem piscina?"), guest.message()
    echo = {"id": answer["id"], "timestamp": answer["timestamp"], "to": guest.wa_id}
    echo["message"] = {"type": "text", "text": {"body": "Tem, aquecida."}, "to": guest.wa_id}
    held = {"contacts": [guest.profile()], "messages": [asked], "message_echoes": [echo]}
    await told(guest.hotel, as_owner, field(guest, "standby", standby=held))
    shown = {(item["direction"], item["content"], item["origin"]) for item in await guest.history()}
    assert shown == {("INBOUND", "Tem piscina?", "STANDBY"), ("OUTBOUND", "Tem, aquecida.", "STANDBY")}


@pytest.mark.parametrize("known_by", ["+55 {} 9{}", "55{}9{}", "user id"])
async def test_what_metas_agent_sends_is_addressed_as_a_send_is(known_by: str, guest: Guest, as_owner: Sql) -> None:
    """Its echo holds the send itself: a dialled phone or `recipient`, a user id, and whom it answers."""
    bsuid, dialled = f"BR.{guest.wa_id}", known_by.format(guest.wa_id[2:4], guest.wa_id[4:])
    asked = await guest.writes(node={"type": "text", "text": {"body": "Tem piscina?"}, "from_user_id": bsuid})
    sent: dict[str, Any] = {"recipient": bsuid} if known_by == "user id" else {"to": dialled}
    sent |= {"type": "text", "text": {"body": "Tem, aquecida."}, "context": {"message_id": asked["wamid"]}}
    echo = {"id": f"{asked['wamid']}x", "timestamp": guest.message()["timestamp"], "message": sent}
    await told(guest.hotel, as_owner, field(guest, "standby", standby={"message_echoes": [echo]}))
    ours = (await guest.history())[0]
    assert (ours["content"], ours["replyTo"]) == ("Tem, aquecida.", asked["id"])


@pytest.mark.parametrize("thread", ["phone", "user id"])
async def test_in_a_history_who_has_no_phone_is_a_customer_too(thread: str, guest: Guest, as_owner: Sql) -> None:
    bsuid = f"BR.{guest.wa_id}"
    await guest.writes(node={"type": "text", "text": {"body": "agora"}, "from_user_id": bsuid})
    theirs = {**guest.message(text="em março"), "timestamp": "1772323200", "from_user_id": bsuid}
    ours = {**guest.message(text="em abril"), "from": "15550783881", "timestamp": "1775001600"}
    del theirs["from"]
    history = [{"threads": [{"id": guest.wa_id if thread == "phone" else bsuid, "messages": [theirs, ours]}]}]
    await told(guest.hotel, as_owner, field(guest, "history", history=history))
    shown = [(item["direction"], item["content"]) for item in await guest.history()]
    assert shown == [("INBOUND", "agora"), ("OUTBOUND", "em abril"), ("INBOUND", "em março")]


async def test_an_unknown_field_is_kept_raw_and_counted(guest: Guest, as_owner: Sql, system: System) -> None:
    row = await told(guest.hotel, as_owner, field(guest, f"novelty_{guest.wa_id}", novelty=[1]))
    assert row["ignored"] == 0
    assert guest.wa_id.encode() in row["body"]


async def test_every_status_is_kept_with_metas_time_ours_and_the_price(guest: Guest, as_owner: Sql) -> None:
    await guest.writes()
    ours = await becomes(guest.hotel, await send(guest.hotel, await guest.conversation()), "READ")

    async def priced() -> dict[str, Any] | None:
        found = (await guest.hotel.attendant.get(f"/api/messages/{ours['id']}")).json()
        return found if found["pricing"] else None

    found = await eventually(priced)
    assert [entry["status"] for entry in found["timeline"]] == ["SENT", "DELIVERED", "READ"]
    assert all(entry["seenAt"] >= entry["at"][:17] for entry in found["timeline"])
    assert set(found["pricing"]) == {"type", "category", "model", "billable"}
    assert found["message"]["id"] == ours["id"]


async def test_both_spellings_of_a_price_category_are_one(guest: Guest, as_owner: Sql) -> None:
    await guest.writes()
    ours = await becomes(guest.hotel, await send(guest.hotel, await guest.conversation()), "READ")
    pricing = {"type": "regular", "category": "authentication-international", "pricing_model": "PMP"}
    node = {"id": ours["wamid"], "status": "delivered", "timestamp": "1795471200", "pricing": pricing}
    await told(guest.hotel, as_owner, guest.hotel.envelope(statuses=[node]))
    found = (await guest.hotel.attendant.get(f"/api/messages/{ours['id']}")).json()["pricing"]
    assert found["category"] == "authentication_international"


async def test_a_message_tells_what_it_costs_once_its_price_is_known(
    guest: Guest, as_owner: Sql, system: System
) -> None:
    await guest.writes()
    ours = await becomes(guest.hotel, await send(guest.hotel, await guest.conversation()), "READ")
    pricing = {"type": "regular", "category": "group_service", "pricing_model": "PMP"}
    node = {"id": ours["wamid"], "status": "delivered", "timestamp": "1795471200", "pricing": pricing}
    await told(guest.hotel, as_owner, guest.hotel.envelope(statuses=[node]))
    url = f"/api/messages/{ours['id']}"
    assert (await guest.hotel.attendant.get(url)).json()["cost"] is None
    price = {"market": "BR", "category": "group_service", "currency": "USD", "amountMicros": 3400}
    put = await system.root.put("/api/plans/prices", json={"validFrom": "2025-11-02", "prices": [price]})
    assert put.status_code == 200, put.text
    assert (await guest.hotel.attendant.get(url)).json()["cost"] == {"amountMicros": 3400, "currency": "USD"}
