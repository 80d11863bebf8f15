"""Rules by which guests are written to around their stay: once each, moved and canceled with the stay."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from crm import contacts
from crm.core.rails import Rails
from crm.core.tx import Tx
from crm.stays import planning
from crm.stays.shapes import ClaimedStayRow, PlanRow
from ops.dev.home import Home
from tests.held import DOOR, HEAD, WAITS, holding
from tests.people import Sql
from tests.system import Guest, Hotel, System, eventually, unique_number_id, unique_phone
from tests.visitors import pointers

pytestmark = pytest.mark.usefixtures("brisk")

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
    await stays(hotel, dora, 5, language="pt_BR")  # no word of the message
    assert await planned(as_owner, dora) == [("SCHEDULED", at)]
    [row] = await as_owner(PLANNED, dora)
    assert row["content"] == f"Bem-vinda, Dora: quarto 12, de {day(5):%d/%m/%Y}."
    listed = await hotel.attendant.get("/api/conversations", params={"contactId": dora})
    assert listed.json()["data"] == []


async def test_its_words_follow_the_stay(hotel: Hotel, as_owner: Sql) -> None:
    dora = await person(hotel)
    await stays(hotel, dora, 5)
    await planned(as_owner, dora)
    for days, room in ((5, "14"), (6, "14")):
        await stays(hotel, dora, days, room=room)
        waits = [status for status, _ in await planned(as_owner, dora)].count("SCHEDULED")
        last = (await as_owner(PLANNED, dora))[-1]
        assert (waits, last["status"], last["send_at"]) == (1, "SCHEDULED", day(days - 1).replace(hour=9))
        assert last["content"] == f"Bem-vinda, Dora: quarto {room}, de {day(days):%d/%m/%Y}."


async def test_its_words_follow_the_guests_name(hotel: Hotel, as_owner: Sql) -> None:
    """Told by the guest's own phone, then typed by somebody."""
    guest = Guest(hotel, unique_phone(), "Dora Lima")
    dora = (await hotel.attendant.post("/api/contacts", json={"phone": guest.wa_id})).json()["id"]
    await stays(hotel, dora, 5)
    await planned(as_owner, dora)
    said = [(await as_owner(PLANNED, dora))[-1]["content"]]
    await guest.writes()
    waits = PLANNED.replace("ORDER BY", "WHERE m.status = 'SCHEDULED' AND m.content LIKE $2 ORDER BY")
    assert len(await eventually(lambda: as_owner(waits, dora, "%Dora Lima:%"))) == 1
    await hotel.attendant.patch(f"/api/contacts/{dora}", json={"name": "Teodora"})
    assert len(await eventually(lambda: as_owner(waits, dora, "%Teodora:%"))) == 1
    assert said == [f"Bem-vinda, -: quarto 12, de {day(5):%d/%m/%Y}."]


async def test_who_was_erased_gets_none(hotel: Hotel, as_owner: Sql) -> None:
    dora = await person(hotel)
    assert (await hotel.admin.post(f"/api/contacts/{dora}/erase")).status_code == 200
    await stays(hotel, dora, 5)
    assert await planned(as_owner, dora) == []


async def test_two_contacts_made_one_get_the_message_of_one_reservation_once(hotel: Hotel, as_owner: Sql) -> None:
    dora, twice = await person(hotel), await person(hotel)
    for one in (dora, twice):
        await stays(hotel, one, 5)
        assert [status for status, _ in await planned(as_owner, one)] == ["SCHEDULED"]
    url = f"/api/contacts/{twice}"
    assert (await hotel.attendant.post(f"{url}/merge", json={"intoId": dora})).status_code == 200
    await eventually(lambda: as_owner(QUIET, twice))
    assert sorted(status for status, _ in await planned(as_owner, dora)) == ["CANCELED", "SCHEDULED"]
    assert (await hotel.attendant.post(f"{url}/unmerge")).status_code == 200
    assert (await planned(as_owner, twice))[-1][0] == "SCHEDULED"


async def test_it_moves_with_the_dates_and_goes_with_the_stay(hotel: Hotel, as_owner: Sql) -> None:
    dora = await person(hotel)
    await stays(hotel, dora, 5)
    await planned(as_owner, dora)
    await stays(hotel, dora, 9)
    assert (await planned(as_owner, dora))[1:] == [("SCHEDULED", day(8).replace(hour=9))]
    await stays(hotel, dora, 9, status="CANCELED")
    assert [status for status, _ in await planned(as_owner, dora)] == ["CANCELED", "CANCELED"]
    await stays(hotel, dora, 9)
    assert [status for status, _ in await planned(as_owner, dora)] == ["CANCELED", "CANCELED", "SCHEDULED"]
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


async def rule(hotel: Hotel, name: str, **more: Any) -> str:
    """The id of a rule with an approved template, two days before arrival."""
    body = {"name": name, "anchor": "check_in", "offsetDays": -2, "at": "10:00", "template": TEMPLATE, **more}
    made = await hotel.admin.post("/api/stay-messages", json=body)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def change(hotel: Hotel, of: str, **new: Any) -> dict[str, Any]:
    answer = await hotel.admin.patch(f"/api/stay-messages/{of}", json=new)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def end(hotel: Hotel, of: str) -> None:
    assert (await hotel.admin.delete(f"/api/stay-messages/{of}")).status_code == 204


BY_RULE = """SELECT m.id, m.status, m.send_at, m.content, m.channel_id FROM messages AS m
    INNER JOIN stay_sends AS x ON x.message_id = m.id AND x.rule_id = $1
    INNER JOIN stays AS s ON s.id = x.stay_id AND s.contact_id = $2"""
SPREAD = "SELECT 1 FROM stay_messages WHERE id = $1 AND look_from IS NULL"


async def settled(as_owner: Sql, of: str, contact: str) -> None:
    """The worker has brought the rule to all stays, and has looked at this guest's."""
    await eventually(lambda: as_owner(SPREAD, of))
    await eventually(lambda: as_owner(QUIET, contact))


async def by_rule(as_owner: Sql, of: str, contact: str) -> Any:
    """The one message of a guest by a rule."""
    await settled(as_owner, of, contact)
    [row] = await as_owner(BY_RULE, of, contact)
    return row


async def test_what_is_scheduled_moves_with_the_rule(hotel: Hotel, as_owner: Sql) -> None:
    of, dora = await rule(hotel, "Horário"), await person(hotel)
    await stays(hotel, dora, 9)
    before = await by_rule(as_owner, of, dora)
    assert before["send_at"] == day(7).replace(hour=10)
    await change(hotel, of, offsetDays=-3, at="11:30")
    after = await by_rule(as_owner, of, dora)
    assert (after["id"], after["status"]) == (before["id"], "SCHEDULED")
    assert after["send_at"] == day(6).replace(hour=11, minute=30)
    await end(hotel, of)


async def test_what_is_scheduled_moves_with_the_hotels_clock(hotel: Hotel, as_owner: Sql) -> None:
    of, dora = await rule(hotel, "Relógio"), await person(hotel)
    await stays(hotel, dora, 9)
    before = await by_rule(as_owner, of, dora)
    moved = []
    for zone in ("America/Manaus", "America/Sao_Paulo"):
        assert (await hotel.admin.patch("/api/tenant", json={"timezone": zone})).status_code == 200
        after = await by_rule(as_owner, of, dora)
        assert after["id"] == before["id"]
        moved.append(after["send_at"] - before["send_at"])
    assert moved == [timedelta(hours=1), timedelta(0)]
    marked = await as_owner("SELECT xmin::text FROM stay_messages WHERE id = $1", of)
    await hotel.admin.patch("/api/tenant", json={"timezone": "America/Sao_Paulo", "locale": "en"})
    assert await as_owner("SELECT xmin::text FROM stay_messages WHERE id = $1", of) == marked
    await end(hotel, of)


async def test_other_words_are_scheduled_anew_once(hotel: Hotel, as_owner: Sql) -> None:
    of, dora = await rule(hotel, "Palavras"), await person(hotel)
    await stays(hotel, dora, 9)
    before = await by_rule(as_owner, of, dora)
    parts = [{"type": "text", "text": text} for text in ("{code}", "{room}", "{checkOut}")]
    await change(hotel, of, template={**TEMPLATE, "components": [{"type": "body", "parameters": parts}]})
    after = await by_rule(as_owner, of, dora)
    assert after["content"] == f"Bem-vinda, R-1: quarto 12, de {day(11):%d/%m/%Y}."
    assert (after["status"], after["send_at"]) == ("SCHEDULED", before["send_at"])
    states = {
        row["id"]: row["status"] for row in await as_owner(PLANNED, dora) if row["send_at"] == before["send_at"]
    }
    assert states == {before["id"]: "CANCELED", after["id"]: "SCHEDULED"}
    await end(hotel, of)


async def test_what_was_sent_stays_and_is_not_sent_again(hotel: Hotel, as_owner: Sql) -> None:
    of, dora = await rule(hotel, "Enviada"), await person(hotel)
    await stays(hotel, dora, 9)
    sent = (await by_rule(as_owner, of, dora))["id"]
    await as_owner("UPDATE messages SET send_at = now() WHERE id = $1", sent)
    gone = "SELECT 1 FROM messages WHERE id = $1 AND status NOT IN ('SCHEDULED', 'QUEUED', 'SENDING')"
    await eventually(lambda: as_owner(gone, sent))
    count = len(await as_owner(PLANNED, dora))
    await change(hotel, of, at="12:00", template={**TEMPLATE, "components": TEMPLATE["components"]})
    await change(hotel, of, channelId=hotel.channel_id)
    await settled(as_owner, of, dora)
    assert (await by_rule(as_owner, of, dora))["id"] == sent
    assert len(await as_owner(PLANNED, dora)) == count
    await end(hotel, of)


async def claimed(tx: Tx) -> list[PlanRow]:
    """What a worker takes to plan, and how it stands."""
    taken = await tx.many(planning._sql.claim, ClaimedStayRow, max=50)
    return await tx.many(planning._sql.plan, PlanRow, ids=[one.id for one in taken])


async def test_a_worker_that_planned_by_the_rule_as_it_was_is_set_right(
    hotel: Hotel, as_owner: Sql, laid: Rails
) -> None:
    of, dora = await rule(hotel, "Corrida"), await person(hotel)
    await eventually(lambda: as_owner(SPREAD, of))
    async with laid.db.tenant(UUID(hotel.id)) as door:
        await contacts.hold(door)  # no other worker plans meanwhile
        await stays(hotel, dora, 9)
        async with laid.db.tenant(UUID(hotel.id)) as tx:
            rows = await claimed(tx)
            await change(hotel, of, channelId=hotel.channel_id, at="15:00")
            events = [event for row in rows for event in await planning._follow(laid, tx, row)]
            await laid.feed.append(tx, events)
    await settled(as_owner, of, dora)
    [old, new] = [row for row in await as_owner(PLANNED, dora) if row["send_at"].date() == day(7).date()]
    assert (old["status"], old["send_at"]) == ("CANCELED", day(7).replace(hour=10))
    assert (new["status"], new["send_at"]) == ("SCHEDULED", day(7).replace(hour=15))
    await end(hotel, of)


MESSAGE = "SELECT FROM messages WHERE id = $1 FOR UPDATE"


async def test_two_contacts_taken_apart_get_each_the_messages_of_their_own_stays(
    hotel: Hotel, as_owner: Sql
) -> None:
    """While they were one, the guest's newest conversation was that of the other."""
    dora, elias = await person(hotel), await person(hotel)
    await hotel.admin.post("/api/conversations", json={"contactId": elias})
    assert (await hotel.admin.post(f"/api/contacts/{elias}/merge", json={"intoId": dora})).status_code == 200
    await stays(hotel, dora, 5)
    assert [status for status, _ in await planned(as_owner, dora)] == ["SCHEDULED"]
    assert (await hotel.admin.post(f"/api/contacts/{elias}/unmerge")).status_code == 200
    assert [status for status, _ in await planned(as_owner, dora)] == ["SCHEDULED"]
    assert [row["status"] for row in await as_owner(PLANNED, elias)] == ["CANCELED"]


async def test_who_plans_takes_the_feed_last(hotel: Hotel, as_owner: Sql, home: Home) -> None:
    """While he waits for a message, whichever, others tell what happens: held both ways it was a deadlock."""
    of, people = await rule(hotel, "Por último"), [await person(hotel), await person(hotel)]
    for one in people:
        await stays(hotel, one, 9)
    for turn, one in enumerate(people):
        message = (await by_rule(as_owner, of, one))["id"]
        async with holding(home, MESSAGE, message) as held:
            await change(hotel, of, at=f"11:{turn}0")
            assert await held.meanwhile(lambda: as_owner(HEAD, UUID(hotel.id)))
    for one in people:
        assert (await by_rule(as_owner, of, one))["send_at"] == day(7).replace(hour=11, minute=10)
    await end(hotel, of)


async def test_a_changed_rule_is_brought_to_the_stays_before_or_after_a_merge(
    hotel: Hotel, as_owner: Sql, home: Home
) -> None:
    """Each held some of a guest's stays and waited for the other's. Now it waits at the door, and holds none."""
    of = await rule(hotel, "À porta")
    async with holding(home, DOOR, hotel.id) as door:
        await change(hotel, of, at="12:00")
        await eventually(door.waits)
        assert await as_owner("SELECT 1 FROM stay_messages WHERE id = $1 AND look_from IS NOT NULL", of)
    await eventually(lambda: as_owner("SELECT 1 FROM stay_messages WHERE id = $1 AND look_from IS NULL", of))
    await end(hotel, of)


@pytest.mark.parametrize("before", [True, False])
async def test_a_stay_that_is_deleted_while_it_is_planned_leaves_no_message(
    before: bool, hotel: Hotel, as_owner: Sql, laid: Rails
) -> None:
    dora = await person(hotel)
    if before:
        await stays(hotel, dora, 5)
        await planned(as_owner, dora)
    async with laid.db.tenant(UUID(hotel.id)) as door:
        await contacts.hold(door)  # no other worker plans meanwhile
        await stays(hotel, dora, 9)
        async with laid.db.tenant(UUID(hotel.id)) as tx:
            rows = await claimed(tx)
            deleting = asyncio.create_task(hotel.attendant.delete(f"/api/contacts/{dora}/stays/R-1"))
            await eventually(lambda: tx.connection.fetchrow(WAITS))
            events = [event for row in rows for event in await planning._follow(laid, tx, row)]
            await laid.feed.append(tx, events)
    assert (await deleting).status_code == 204
    assert {row["status"] for row in await as_owner(PLANNED, dora)} == {"CANCELED"}


async def test_who_deletes_a_stay_calls_off_its_message_in_a_conversation_he_does_not_see(
    hotel: Hotel, as_owner: Sql
) -> None:
    dora, alice = await person(hotel), (await hotel.admin.get("/auth/me")).json()["user"]["id"]
    made = (await hotel.admin.post("/api/conversations", json={"contactId": dora})).json()
    await hotel.admin.post(f"/api/conversations/{made['id']}/assign", json={"userId": alice})
    await stays(hotel, dora, 5)
    assert [status for status, _ in await planned(as_owner, dora)] == ["SCHEDULED"]
    await hotel.admin.patch("/api/tenant", json={"settings": {"visibility": "own_and_unassigned"}})
    assert (await hotel.attendant.get(f"/api/conversations/{made['id']}")).status_code == 404
    deleted = await hotel.attendant.delete(f"/api/contacts/{dora}/stays/R-1")
    await hotel.admin.patch("/api/tenant", json={"settings": {"visibility": "all"}})
    assert (deleted.status_code, [row["status"] for row in await as_owner(PLANNED, dora)]) == (204, ["CANCELED"])


async def test_a_change_to_a_time_that_is_past_writes_to_nobody_late(hotel: Hotel, as_owner: Sql) -> None:
    of, dora = await rule(hotel, "Passado"), await person(hotel)
    await stays(hotel, dora, 9)
    before = await by_rule(as_owner, of, dora)
    await change(hotel, of, offsetDays=-30, channelId=hotel.channel_id)
    await settled(as_owner, of, dora)
    assert await as_owner(BY_RULE, of, dora) == []
    assert [row["status"] for row in await as_owner(PLANNED, dora) if row["id"] == before["id"]] == ["CANCELED"]
    await end(hotel, of)


async def test_a_new_name_alone_moves_no_message(hotel: Hotel, as_owner: Sql) -> None:
    of = await rule(hotel, "Antes")
    await eventually(lambda: as_owner(SPREAD, of))
    assert (await change(hotel, of, name="Depois"))["name"] == "Depois"
    [row] = await as_owner("SELECT revision, look_from FROM stay_messages WHERE id = $1", of)
    assert (row["revision"], row["look_from"]) == (1, None)
    notes = "SELECT 1 FROM audit_log WHERE action = 'stay_message.changed' AND tenant_id = $1"
    assert await as_owner(notes, hotel.id)
    await end(hotel, of)


async def test_a_rule_has_a_text_or_a_template(hotel: Hotel) -> None:
    of = await rule(hotel, "Um dos dois")
    text = await change(hotel, of, content="Olá, {name}")
    assert (text["content"], text["template"]) == ("Olá, {name}", None)
    assert (await change(hotel, of, template=TEMPLATE, content=None))["content"] is None
    for wrong in ({"content": None}, {"template": None}, {"content": "Olá", "template": TEMPLATE}):
        assert pointers(await hotel.admin.patch(f"/api/stay-messages/{of}", json=wrong)) == {"/template"}
    await end(hotel, of)
    assert (await hotel.admin.patch(f"/api/stay-messages/{of}", json={"name": "X"})).status_code == 404


async def test_a_rule_sends_from_the_number_it_names(hotel: Hotel, as_owner: Sql) -> None:
    new = {"whatsappPhoneNumberId": unique_number_id(), "whatsappBusinessAccountId": hotel.waba_id}
    second = (await hotel.admin.post("/api/channels", json=new)).json()["id"]
    of, dora = await rule(hotel, "Número"), await person(hotel)
    await stays(hotel, dora, 9)
    assert str((await by_rule(as_owner, of, dora))["channel_id"]) == hotel.channel_id
    assert (await change(hotel, of, channelId=second))["channelId"] == second
    assert str((await by_rule(as_owner, of, dora))["channel_id"]) == second
    assert (await change(hotel, of, channelId=None))["channelId"] is None
    assert str((await by_rule(as_owner, of, dora))["channel_id"]) == hotel.channel_id
    await end(hotel, of)


async def test_another_hotels_number_is_named_as_the_wrong_field(hotel: Hotel, hotel_b: Hotel) -> None:
    of = await rule(hotel, "Alheio")
    theirs = {"channelId": hotel_b.channel_id}
    assert pointers(await hotel.admin.patch(f"/api/stay-messages/{of}", json=theirs)) == {"/channelId"}
    body = {"name": "X", "anchor": "check_in", "offsetDays": 0, "at": "09:00", "content": "Olá", **theirs}
    assert pointers(await hotel.admin.post("/api/stay-messages", json=body)) == {"/channelId"}
    await end(hotel, of)


async def test_a_text_that_one_guests_words_make_too_long_holds_up_no_other(hotel: Hotel, as_owner: Sql) -> None:
    soon = datetime.now(ZONE) + timedelta(hours=2)
    text = {"content": "x" * 4090 + "{room}", "template": None}
    of = await rule(hotel, "Longa", offsetDays=0, at=f"{soon:%H:%M}", **text)
    await eventually(lambda: as_owner(SPREAD, of))
    await stays(hotel, await person(hotel), (soon.date() - day(0).date()).days, room="R" * 100)
    dora = await person(hotel)
    await stays(hotel, dora, 5)
    [row] = await eventually(lambda: as_owner(PLANNED, dora))
    assert (row["status"], row["send_at"]) == ("SCHEDULED", day(4).replace(hour=9))
    await end(hotel, of)
