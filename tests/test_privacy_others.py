"""An erased person in what others wrote, and in groups: the one is told of and stays, the other goes."""

import asyncio
from uuid import uuid4

import httpx
import pytest

from crm.core import sql
from crm.privacy.mentions import spellings
from ops.dev.home import Home
from tests import meta
from tests.held import FILE, UNHELD, holding
from tests.people import Sql
from tests.scratch import Scratch, fetched
from tests.system import Guest, Hotel, System, eventually, unique_phone
from tests.test_media import held
from tests.test_media_room import emptied
from tests.test_privacy import contact_of, data_of, traces, works


@pytest.fixture
async def sara(hotel_a: Hotel) -> Guest:
    sara = Guest(hotel_a, unique_phone(), name=f"Sára Xavier{uuid4().hex[:12]}")
    await sara.writes("Oi")
    return sara


@pytest.fixture
async def tom(hotel_a: Hotel) -> Guest:
    tom = Guest(hotel_a, unique_phone(), name="Tom")
    await tom.writes("Bom dia")
    return tom


async def erased(alice: httpx.AsyncClient, contact: str) -> dict[str, object]:
    answer = await alice.post(f"/api/contacts/{contact}/erase")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_the_receipt_names_every_place_where_others_speak_of_the_person(
    sara: Guest, tom: Guest, alice: httpx.AsyncClient
) -> None:
    number = f"({sara.wa_id[2:4]}) {sara.wa_id[4:-4]}-{sara.wa_id[-4:]}"
    for text in (
        f"minha esposa é a {sara.name.lower().replace('á', 'a')}, avise",
        f"O fone dela: {number}!",
        "Nada",
    ):
        await tom.writes(text)
    url = f"/api/conversations/{(await tom.conversation())['id']}"
    note = (await alice.post(f"{url}/notes", json={"content": f"Ver +{sara.wa_id}"})).json()
    await alice.put(f"{url}/draft", json={"content": f"Cara {sara.name}"})
    before = [message["content"] for message in await tom.history()]
    receipt = await erased(alice, await contact_of(sara))
    me = (await alice.get("/auth/me")).json()
    spoke = [("message", message["id"]) for message in (await tom.history())[1:3]]
    wanted = {*spoke, ("note", note["id"]), ("draft", me.get("user", me)["id"])}
    places = receipt["places"]
    assert isinstance(places, list)
    assert ({(place["kind"], place["id"]) for place in places}, receipt["mentions"]) == (wanted, 4)
    assert {place["conversationId"] for place in places} == {url.rpartition("/")[2]}
    assert [message["content"] for message in await tom.history()] == before


def test_where_others_speak_is_looked_up_and_not_read_through(migrated: Scratch) -> None:
    """A hotel whose history took longer to read than a statement may take could erase nobody."""
    migrated.run("INSERT INTO tenants (slug, name, email) VALUES ('grande', 'Grande', 'a@b.example')")
    migrated.run("""INSERT INTO message_words (tenant_id, at, message_id, conversation_id, direction, words)
        SELECT id, now(), uuidv7(), uuidv7(), 'INBOUND', to_tsvector('crm.portuguese', 'Sara Xavier' || n)
        FROM tenants, generate_series(1, 5000) AS n WHERE slug = 'grande'""")
    migrated.run("VACUUM ANALYZE message_words")
    [[tenant]] = migrated.run("SELECT id FROM tenants WHERE slug = 'grande'")
    asked = sql.load("privacy").mentions.text.replace("$1", "'\"sara xavier7\"'").replace("$2", "200").encode()
    with migrated.seeing(tenant) as connection:
        assert len(connection.execute(asked).fetchall()) == 1
        assert fetched(connection, "message_words") < 50
    with migrated.seeing(uuid4()) as connection:
        assert connection.execute(asked).fetchall() == []  # it runs as the owner


async def test_who_is_spoken_of_by_nobody_else_has_no_places(sara: Guest, alice: httpx.AsyncClient) -> None:
    await sara.writes(f"Sou a {sara.name}")
    receipt = await erased(alice, await contact_of(sara))
    assert (receipt["mentions"], receipt["places"]) == (0, [])


def test_a_number_is_looked_for_as_people_write_it() -> None:
    wanted = {"5548999887766", "48 99988-7766", "48 9988-7766", "48999887766", "99988-7766", "554899887766"}
    assert wanted <= spellings("554899887766")
    assert "+1 202-555-0100" in spellings("12025550100")
    assert spellings("BR.1234567890") == {"BR.1234567890"}


async def test_of_a_group_the_persons_own_messages_go_and_the_others_stay(
    sara: Guest, tom: Guest, system: System, alice: httpx.AsyncClient, as_owner: Sql
) -> None:
    group, hotel = f"group-{uuid4().hex}", sara.hotel
    file = {"id": await held(system, hotel, data_of(sara)), "caption": f"eu, {sara.name}"}
    mine = [
        {**sara.message(text=f"aqui {sara.name}"), "group_id": group},
        {**sara.message(), "type": "image", "image": file, "group_id": group},
    ]
    mine[1].pop("text", None)
    user = {"from_user_id": f"BR.{sara.wa_id}9"}
    await sara.writes(node={"type": "text", "text": {"body": "Oi"}, **user})
    mine.append({**sara.message(text=f"sem número, {sara.name}"), **user, "group_id": group})
    del mine[2]["from"]
    both = [*mine, {**tom.message(text="salve grupo"), "group_id": group}]
    await meta.told(hotel, as_owner, hotel.envelope(contacts=[sara.profile(), tom.profile()], messages=both))
    receipt = await erased(alice, await contact_of(sara))
    await works(system)
    said = """SELECT m.content FROM messages AS m JOIN conversations AS c ON c.id = m.conversation_id
              JOIN contact_identities AS i ON i.contact_id = c.contact_id WHERE i.value = $1 ORDER BY m.content"""
    assert [row[0] for row in await as_owner(said, group)] == ["salve grupo", None, None, None]
    assert (receipt["messages"], receipt["media"]) == (5, 1)
    assert await emptied(system, hotel, data_of(sara))

    async def gone() -> bool:
        raw = await meta.stored(as_owner, sara.name)
        return not raw and await traces(as_owner, hotel, sara.name) == []

    assert await eventually(gone, 20)
    assert await meta.stored(as_owner, "salve grupo") == 1


async def test_who_is_erased_while_a_file_for_a_group_is_fetched_is_erased_after_it(
    sara: Guest, system: System, alice: httpx.AsyncClient, home: Home, as_owner: Sql
) -> None:
    """Who fetches holds the file, and then its message: each waited for the other, and one of them was ended."""
    node = {"type": "image", "image": {"id": await held(system, sara.hotel, data_of(sara))}}
    shows = {**sara.message(node), "group_id": f"group-{uuid4().hex}"}
    await meta.told(sara.hotel, as_owner, sara.body(shows))
    contact = await contact_of(sara)
    [message] = await as_owner("SELECT id, media_id FROM messages WHERE wamid = $1", shows["id"])
    async with holding(home, FILE, message["media_id"]) as fetching:
        erasing = asyncio.create_task(erased(alice, contact))
        await eventually(fetching.waits)
        assert len(await as_owner(UNHELD, message["id"])) == 1
    assert (await erasing)["media"] == 1
