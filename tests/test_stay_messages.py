"""Rules by which guests are written to around their stay: once each, moved and canceled with the stay."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.conftest import Sql
from tests.system import Guest, Hotel, System, eventually, unique_phone
from tests.visitors import pointers

ZONE = ZoneInfo("America/Sao_Paulo")
WORDS = "Bem-vinda, {{1}}: quarto {{2}}, de {{3}}."
TEMPLATE = {
    "name": "bem_vinda",
    "language": "pt_BR",
    "components": [
        {
            "type": "body",
            "parameters": [{"type": "text", "text": text} for text in ("{name}", "{room}", "{checkIn}")],
        }
    ],
}


@pytest.fixture(scope="module")
async def hotel(system: System, as_owner: Sql) -> Hotel:
    """A hotel that greets a day before arrival at nine, and asks on departure, with an approved template."""
    hotel = await system.hotel("Chegadas")
    await as_owner(
        """INSERT INTO templates (tenant_id, waba_id, name, language, category, status, components)
        VALUES ($1, $2, 'bem_vinda', 'pt_BR', 'UTILITY', 'APPROVED',
            jsonb_build_array(jsonb_build_object('type', 'BODY', 'text', $3::text)))""",
        hotel.id, hotel.waba_id, WORDS,
    )  # fmt: skip
    rule = {"name": "Chegada", "anchor": "check_in", "offsetDays": -1, "at": "09:00", "template": TEMPLATE}
    made = await hotel.admin.post("/api/stay-messages", json=rule)
    assert made.status_code == 201, made.text
    return hotel


def day(ahead: int) -> datetime:
    """Midnight of the hotel's day so many days from now."""
    return datetime.now(ZONE).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=ahead)


async def person(hotel: Hotel) -> str:
    made = await hotel.attendant.post("/api/contacts", json={"phone": unique_phone(), "name": "Dora"})
    return str(made.json()["id"])


async def stays(hotel: Hotel, contact: str, begins: int, **more: Any) -> None:
    body = {"checkIn": str(day(begins).date()), "checkOut": str(day(begins + 2).date()), "room": "12", **more}
    answer = await hotel.attendant.put(f"/api/contacts/{contact}/stays/R-1", json=body)
    assert answer.status_code == 200, answer.text


PLANNED = """SELECT m.id, m.status, m.send_at, m.content, m.conversation_id FROM messages AS m
    INNER JOIN conversations AS c ON c.id = m.conversation_id AND c.contact_id = $1 ORDER BY m.id"""
QUIET = "SELECT 1 FROM stays WHERE contact_id = $1 AND due_at IS NULL"


async def planned(as_owner: Sql, contact: str) -> list[tuple[str, datetime]]:
    """What the worker made for this guest, once it has looked."""
    await eventually(lambda: as_owner(QUIET, contact))
    return [(row["status"], row["send_at"]) for row in await as_owner(PLANNED, contact)]


async def test_a_stay_gets_its_message_once_in_the_guests_words(hotel: Hotel, as_owner: Sql) -> None:
    dora = await person(hotel)
    await stays(hotel, dora, 5)
    at = day(4).replace(hour=9)
    assert await planned(as_owner, dora) == [("SCHEDULED", at)]
    await stays(hotel, dora, 5, room="14")
    assert await planned(as_owner, dora) == [("SCHEDULED", at)]
    [row] = await as_owner(PLANNED, dora)
    assert row["content"] == f"Bem-vinda, Dora: quarto 12, de {day(5):%d/%m/%Y}."
    listed = await hotel.attendant.get("/api/conversations", params={"contactId": dora})
    assert listed.json()["data"] == []


async def test_it_moves_with_the_dates_and_goes_with_the_stay(hotel: Hotel, as_owner: Sql) -> None:
    dora = await person(hotel)
    await stays(hotel, dora, 5)
    await planned(as_owner, dora)
    await stays(hotel, dora, 9)
    assert await planned(as_owner, dora) == [("SCHEDULED", day(8).replace(hour=9))]
    await stays(hotel, dora, 9, status="CANCELED")
    assert [status for status, _ in await planned(as_owner, dora)] == ["CANCELED"]
    await stays(hotel, dora, 9)
    assert [status for status, _ in await planned(as_owner, dora)] == ["CANCELED", "SCHEDULED"]
    assert (await hotel.attendant.delete(f"/api/contacts/{dora}/stays/R-1")).status_code == 204
    assert {row["status"] for row in await as_owner(PLANNED, dora)} == {"CANCELED"}


async def test_what_a_person_canceled_and_what_is_past_is_not_made_up_for(hotel: Hotel, as_owner: Sql) -> None:
    dora, late = await person(hotel), await person(hotel)
    await stays(hotel, dora, 5)
    await planned(as_owner, dora)
    [row] = await as_owner(PLANNED, dora)
    assert (await hotel.attendant.delete(f"/api/messages/{row['id']}")).status_code == 204
    await stays(hotel, dora, 6)
    assert [status for status, _ in await planned(as_owner, dora)] == ["CANCELED"]
    await stays(hotel, late, 0)
    assert await planned(as_owner, late) == []


async def test_when_it_goes_its_conversation_is_open_and_listed(hotel: Hotel, as_owner: Sql) -> None:
    dora = await person(hotel)
    await stays(hotel, dora, 5)
    await planned(as_owner, dora)
    await as_owner(
        "UPDATE messages SET send_at = now() WHERE conversation_id = $1",
        (await as_owner(PLANNED, dora))[0]["conversation_id"],
    )

    async def listed() -> Any:
        return (await hotel.attendant.get("/api/conversations", params={"contactId": dora})).json()["data"]

    [chat] = await eventually(listed)
    assert (chat["status"], chat["lastMessage"]["type"]) == ("OPEN", "template")


async def test_a_rule_is_followed_by_stays_that_are_there_and_its_end_cancels(hotel: Hotel, as_owner: Sql) -> None:
    guest = Guest(hotel, unique_phone())
    await guest.writes()
    dora = (await guest.conversation())["contact"]["id"]
    await stays(hotel, dora, 1, status="IN_HOUSE")
    soon = datetime.now(ZONE) + timedelta(hours=2)
    rule = {
        "name": "Texto",
        "anchor": "check_in",
        "offsetDays": (soon.date() - day(1).date()).days,
        "at": f"{soon:%H:%M}",
        "content": "Até já, {name}",
    }
    made = await hotel.admin.post("/api/stay-messages", json=rule)
    words = "SELECT 1 FROM messages AS m WHERE conversation_id = $1 AND content = 'Até já, Dora' AND status = $2"
    chat = (await guest.conversation())["id"]
    await eventually(lambda: as_owner(words, chat, "SCHEDULED"))
    assert (await hotel.admin.delete(f"/api/stay-messages/{made.json()['id']}")).status_code == 204
    await eventually(lambda: as_owner(words, chat, "CANCELED"))
    assert [rule["name"] for rule in (await hotel.attendant.get("/api/stay-messages")).json()["data"]] == [
        "Chegada"
    ]


async def test_every_wrong_field_of_a_rule_is_named(hotel: Hotel) -> None:
    wrong = {"name": "", "anchor": "noon", "offsetDays": 61, "at": "24:00"}
    assert pointers(await hotel.admin.post("/api/stay-messages", json=wrong)) == {
        "/name", "/anchor", "/offsetDays", "/at",
    }  # fmt: skip
    bare = {"name": "X", "anchor": "check_in", "offsetDays": 0, "at": "09:00"}
    for both in ({}, {"content": "Olá", "template": TEMPLATE}):
        assert pointers(await hotel.admin.post("/api/stay-messages", json={**bare, **both})) == {"/template"}
