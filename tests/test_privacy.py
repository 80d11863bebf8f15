"""What the law asks: a person is told everything, and erased everywhere, while the rows and their times stay."""

import io
import json
import re
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from crm import contacts
from crm.core import rails
from crm.privacy import erasing, look_through, page, telling
from crm.privacy.shapes import HouseRow
from tests import meta
from tests.meta import dead_letter, send, stored
from tests.people import Sql
from tests.system import Guest, Hotel, System, eventually, unique_phone
from tests.test_isolation import TABLES
from tests.test_media import ended, held
from tests.test_media_look import picture
from tests.test_media_room import emptied
from tests.visitors import told

WORD = "passaporte-"


@pytest.fixture
async def sara(system: System, hotel_a: Hotel) -> Guest:
    """Wrote what only she knows, was answered, could not be understood once, and is spoken of."""
    sara = Guest(hotel_a, unique_phone(), name=f"Sara{uuid4().hex}")
    await sara.writes(f"{WORD}{sara.wa_id}")
    answer = await send(hotel_a, await sara.conversation(), f"Recebi, {sara.name}")
    await meta.becomes(hotel_a, answer, "READ")  # what Meta says of it has all come
    await dead_letter(sara)
    url = f"/api/conversations/{(await sara.conversation())['id']}"
    note = await hotel_a.attendant.post(f"{url}/notes", json={"content": f"{sara.name} pediu berço"})
    draft = await hotel_a.attendant.put(f"{url}/draft", json={"content": f"Cara {sara.name}"})
    stay = {"checkIn": "2026-12-01", "checkOut": "2026-12-03", "room": f"de {sara.name}"}
    stays = await hotel_a.attendant.put(f"/api/contacts/{await contact_of(sara)}/stays/R-{sara.wa_id}", json=stay)
    assert (note.status_code, draft.status_code, stays.status_code) == (201, 200, 200)
    return sara


async def shows(system: System, guest: Guest) -> None:
    """The guest sends a picture, which the hotel keeps."""
    node = {"id": await held(system, guest.hotel, data_of(guest)), "filename": "rg.png", "caption": "meu rg"}
    await ended(guest.hotel, await guest.writes(node={"type": "image", "image": node}))


async def works(system: System) -> None:
    """What the worker does every few seconds, now."""
    laid = await rails.lay(system.settings)
    await look_through(laid, lambda: True)
    await laid.close()


def data_of(guest: Guest) -> bytes:
    """A picture that nobody else has."""
    return picture("PNG", (8, 8)) + guest.name.encode()


async def contact_of(guest: Guest) -> str:
    return str((await guest.conversation())["contact"]["id"])


async def traces(as_owner: Sql, hotel: Hotel, *words: str) -> list[str]:
    """The tables of a hotel in which one of these words stands."""
    query = """SELECT FROM {table} AS t WHERE tenant_id = $1
               AND EXISTS (SELECT FROM unnest($2::text[]) AS w WHERE t::text ILIKE '%' || w || '%') LIMIT 1"""
    tables = [row[0] for row in await as_owner(TABLES)] + ["feed_events"]
    return [table for table in tables if await as_owner(query.format(table=table), hotel.id, list(words))]


async def silent(as_owner: Sql, hotel: Hotel, *words: str) -> bool:
    return not await traces(as_owner, hotel, *words)


async def test_an_erased_person_stands_in_no_table_and_what_was_counted_stays(
    sara: Guest, system: System, alice: httpx.AsyncClient, as_owner: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasing, "BATCH", 2)
    await shows(system, sara)
    hotel, contact, before = sara.hotel, await contact_of(sara), await sara.history()
    assert {"messages", "contacts", "contact_identities", "feed_events"} <= set(
        await traces(as_owner, hotel, sara.wa_id, sara.name)
    )
    assert (await alice.get(f"/api/contacts/{contact}")).json()["erasedAt"] is None
    await alice.post(f"/api/conversations/{before[0]['conversationId']}/assign", json={"userId": None})
    receipt = (await alice.post(f"/api/contacts/{contact}/erase")).json()
    assert (await alice.get(f"/api/contacts/{contact}")).json()["erasedAt"] == receipt["erasedAt"]
    assert (receipt["messages"], receipt["media"], receipt["contacts"]) == (len(before), 1, 1)
    assert await eventually(lambda: silent(as_owner, hotel, sara.wa_id, sara.name, "meu rg", "rg.png"), 20)
    after = """SELECT id::text, direction, type, content FROM messages WHERE conversation_id = $1
               ORDER BY created_at DESC, id DESC"""
    said = "SELECT FROM conversation_entries WHERE conversation_id = $1 AND (content IS NOT NULL OR data <> '{}')"
    assert await as_owner(said, before[0]["conversationId"]) == []
    rows = await as_owner(after, before[0]["conversationId"])
    assert [(row["id"], row["direction"], row["type"], row["content"]) for row in rows] == [
        (message["id"], message["direction"], message["type"], None) for message in before
    ]
    assert await emptied(system, hotel, data_of(sara))


async def test_of_an_erased_person_no_raw_event_is_left_and_of_others_all(
    sara: Guest, system: System, alice: httpx.AsyncClient, as_owner: Sql
) -> None:
    tom = Guest(sara.hotel, unique_phone(), name=f"Tom{uuid4().hex}")
    both = sara.hotel.envelope(contacts=[sara.profile(), tom.profile()], messages=[sara.message(), tom.message()])
    await meta.told(sara.hotel, as_owner, both)
    assert (await stored(as_owner, sara.name), await stored(as_owner, tom.name)) == (3, 1)
    contact, moved = await contact_of(sara), {"type": "user_changed_number", "wa_id": unique_phone()}
    await alice.post(f"/api/contacts/{contact}/merge", json={"intoId": await contact_of(tom)})
    assert (await alice.post(f"/api/contacts/{contact}/unmerge")).status_code == 200
    node = sara.message(node={"type": "system", "system": moved})
    await meta.told(sara.hotel, as_owner, sara.body(node))  # what was said before is by the number before
    await alice.post(f"/api/contacts/{contact}/erase")
    await works(system)

    async def gone() -> bool:
        return not await stored(as_owner, sara.name) + await stored(as_owner, sara.wa_id)

    assert await eventually(gone, 30)
    assert await stored(as_owner, tom.name) == 1
    assert await eventually(lambda: silent(as_owner, sara.hotel, sara.wa_id))
    assert await as_owner("SELECT FROM contact_erasures WHERE $1 = ANY(needles)", sara.wa_id) == []


async def test_who_writes_again_after_the_erasure_is_somebody_new(sara: Guest, alice: httpx.AsyncClient) -> None:
    first, contact = await sara.conversation(), await contact_of(sara)
    await alice.post(f"/api/contacts/{contact}/erase")
    await sara.writes("Voltei")
    assert [message["content"] for message in await sara.history()] == ["Voltei"]
    assert ((await contact_of(sara)) == contact, (await sara.conversation())["id"] == first["id"]) == (False, False)
    old = (await alice.get(f"/api/conversations/{first['id']}")).json()
    assert (old["status"], old["lastMessage"]["preview"], old["windowExpiresAt"]) == ("CLOSED", None, None)


async def test_a_second_erasure_changes_nothing_and_shows_the_first_receipt(
    sara: Guest, alice: httpx.AsyncClient
) -> None:
    url = f"/api/contacts/{await contact_of(sara)}/erase"
    first, second = await alice.post(url), await alice.post(url)
    assert (first.status_code, first.json()) == (200, second.json())
    lines = (await alice.get("/api/tenant/audit?limit=100")).json()["data"]
    [line] = [line for line in lines if line["action"] == "contact.erased" and line["target"] in url]
    assert line["detail"]["messages"] == first.json()["messages"]


async def test_what_meta_answers_after_the_erasure_brings_nobody_back(
    guest: Guest, system: System, alice: httpx.AsyncClient, as_owner: Sql
) -> None:
    """The person is erased while Meta has a message: its statuses rise, its wamid and number are not kept."""
    await guest.writes()
    contact, conversation = await contact_of(guest), await guest.conversation()
    await meta.script(system, guest.hotel, to=guest.wa_id, delayMs=700, status=False)
    message = await send(guest.hotel, conversation)
    await eventually(lambda: taken(system, guest))
    await alice.post(f"/api/contacts/{contact}/erase")
    await meta.becomes(guest.hotel, message, "SENT")
    [row] = await as_owner("SELECT wamid, content FROM messages WHERE id = $1", message["id"])
    known = await as_owner("SELECT FROM contact_identities WHERE contact_id = $1", contact)
    assert (row["wamid"], row["content"], known, (await alice.get(f"/api/contacts/{contact}")).json()["waId"]) == (
        None, None, [], None,
    )  # fmt: skip


async def test_a_number_that_meta_names_after_the_erasure_is_not_learnt(
    guest: Guest, system: System, alice: httpx.AsyncClient, as_owner: Sql
) -> None:
    """Meta's answer to a send, which names the number behind the one we dialled, comes after it."""
    await guest.writes()
    contact, laid = await contact_of(guest), await rails.lay(system.settings)
    await alice.post(f"/api/contacts/{contact}/erase")
    async with laid.db.tenant(UUID(guest.hotel.id)) as tx:
        await contacts.learn_wa_id(tx, UUID(contact), guest.wa_id)
        await contacts.learn_bsuid(tx, UUID(contact), "BR.1")
    await laid.close()
    assert await as_owner("SELECT FROM contact_identities WHERE contact_id = $1", contact) == []
    assert (await alice.get(f"/api/contacts/{contact}")).json()["waId"] is None


async def taken(system: System, guest: Guest) -> bool:
    """Whether Meta has a message to the guest."""
    return any(guest.wa_id in str(sent) for sent in await meta.accepted(system, guest.hotel))


async def test_what_people_write_on_an_erased_person_is_erased_by_the_next_erasure(
    guest: Guest, alice: httpx.AsyncClient
) -> None:
    await guest.writes()
    url = f"/api/contacts/{await contact_of(guest)}"
    first = await alice.post(f"{url}/erase")
    assert (await alice.patch(url, json={"name": "Era a Dora"})).status_code == 200
    second = await alice.post(f"{url}/erase")
    assert (second.status_code, second.json()["erasedAt"] > first.json()["erasedAt"]) == (200, True)
    assert (await alice.get(url)).json()["name"] is None


async def test_whoever_proved_to_be_the_same_person_is_erased_too(
    guest: Guest, sara: Guest, system: System, alice: httpx.AsyncClient, as_owner: Sql
) -> None:
    await guest.writes(f"{WORD}{guest.wa_id}")
    gone, into = await contact_of(guest), await contact_of(sara)
    assert (await alice.post(f"/api/contacts/{gone}/merge", json={"intoId": into})).status_code == 200
    receipt = await alice.post(f"/api/contacts/{gone}/erase")
    await works(system)
    assert receipt.json()["contacts"] == 2
    assert await eventually(lambda: silent(as_owner, guest.hotel, guest.wa_id, sara.wa_id), 20)


async def test_what_waits_to_be_sent_to_an_erased_person_is_not_sent(
    guest: Guest, bruno: httpx.AsyncClient, alice: httpx.AsyncClient, as_owner: Sql
) -> None:
    await guest.writes()
    later = {"content": "Até logo", "sendAt": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}
    url = f"/api/conversations/{(await guest.conversation())['id']}/messages"
    queued = await bruno.post(url, json=later)
    assert queued.status_code == 201, queued.text
    await alice.post(f"/api/contacts/{await contact_of(guest)}/erase")
    [row] = await as_owner("SELECT status, content FROM messages WHERE id = $1", queued.json()["id"])
    assert tuple(row) == ("CANCELED", None)


async def test_a_persons_data_come_as_json_as_a_page_and_as_the_files_themselves(
    sara: Guest, system: System, alice: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "_PAGE", 2)
    await shows(system, sara)
    answer = await alice.get(f"/api/contacts/{await contact_of(sara)}/personal-data")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    data: dict[str, Any] = json.loads(archive.read("dados.json"))
    assert sara.wa_id in {identity["value"] for identity in data["facts"]["identity"]}
    assert len(data["messages"]) == len(await sara.history())
    [file] = [name for name in archive.namelist() if name.startswith("arquivos/")]
    assert archive.read(file) == data_of(sara)
    html = archive.read("dados.html").decode()
    words = (f"{WORD}{sara.wa_id}", file, f"Recebi, {sara.name}", "pediu berço", f"R-{sara.wa_id}")
    assert [word for word in words if word not in html] == []
    lines = (await alice.get("/api/tenant/audit?limit=100")).json()["data"]
    assert "contact.told" in {line["action"] for line in lines}


def test_the_page_tells_in_portuguese_and_by_the_hotels_clock() -> None:
    known = {
        "profile_name": "Sara", "blocked": False, "tags": ["Vip", "Praia"], "id": "01a2", "unread_count": 3,
        "created_at": "2026-11-28T18:43:23.199238+00:00", "attributes": {"pet": "0001-01-01T00:00:00+00:00"},
    }  # fmt: skip
    stay = {"code": "R-9", "check_in": "2026-11-28", "room": "2026-99-99"}
    html = page.start(HouseRow("Aurora", "America/Sao_Paulo"), {"contact": [known], "stay": [stay]})
    assert [tuple(re.findall(r"<td>(.*?)</td>", row)) for row in html.split("<tr>")[1:]] == [
        ("Nome no WhatsApp", "Sara"),
        ("Etiquetas", "Vip, Praia"),
        ("Outros dados", "pet: 0001-01-01T00:00:00+00:00"),
        ("Bloqueado", "não"),
        ("Registrado em", "28/11/2026 15:43:23"),
        ("Reserva", "R-9"),
        ("Quarto", "2026-99-99"),
        ("Chegada", "28/11/2026"),
    ]


def test_the_page_runs_nothing_that_a_person_wrote() -> None:
    facts = {"contact": [{"name": "<script>alert(1)</script>"}]}
    assert "<script" not in page.start(HouseRow("<b>", "America/Sao_Paulo"), facts)


async def test_nobody_of_another_hotel_erases_or_reads_a_person(guest: Guest, hotel_b: Hotel) -> None:
    await guest.writes()
    url = f"/api/contacts/{await contact_of(guest)}"
    assert told(await hotel_b.admin.post(f"{url}/erase")) == (404, "not_found")
    assert told(await hotel_b.admin.get(f"{url}/personal-data")) == (404, "not_found")
    assert (await guest.history())[0]["content"] == "Olá"
