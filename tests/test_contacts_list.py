"""The list of contacts: found by what people remember of them, by keyset, with a total that is kept."""

from typing import Any

import pytest

from crm.core import sql
from tests.people import Sql
from tests.scratch import Scratch, fetched
from tests.system import Guest, Hotel, System, unique_phone

PEOPLE: list[dict[str, Any]] = [
    {"name": "João da Conceição", "email": "Joao@Quarto7.example", "tags": ["vip", "casal"]},
    {"name": "Joana 100%_d'Ávila", "blocked": True},
    {"name": "Müller, Jürgen", "marketingOptOut": True, "tags": ["vip"]},
]


@pytest.fixture(scope="module")
async def hotel(system: System) -> Hotel:
    """A hotel with these people, in this order, and João's phone as people type it."""
    hotel = await system.hotel("Agenda")
    for place, person in enumerate(PEOPLE):
        phone = f"+55 48 9{8844_8720 + place}"
        made = await hotel.attendant.post("/api/contacts", json={"phone": phone, **person})
        assert made.status_code == 201, made.text
    return hotel


async def names(hotel: Hotel, **params: Any) -> list[str]:
    """The first words of the names found."""
    answer = await hotel.attendant.get("/api/contacts", params=params)
    assert answer.status_code == 200, answer.text
    return [contact["name"].split()[0] for contact in answer.json()["data"]]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("joao", ["João"]),
        ("CONCEICAO joão", ["João"]),
        ("jo", ["Joana", "João"]),
        ("muller", ["Müller,"]),
        ("quarto7.EXAMPLE", ["João"]),
        ("100%_d", ["Joana"]),
        ("100_%d", []),
        ("%", []),
        ("oa", []),
        ("da joão", ["João"]),
        ("(48) 98844-8721", ["Joana"]),
        ("4888448721", ["Joana"]),
        ("8722", ["Müller,"]),
        ("joao vip", []),
        (" ", ["Müller,", "Joana", "João"]),
    ],
)
async def test_a_search_finds_words_without_accents_and_numbers_as_people_type_them(
    search: str, found: list[str], hotel: Hotel
) -> None:
    assert await names(hotel, search=search) == found


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"tag": "vip"}, ["Müller,", "João"]),
        ({"tag": "vip", "search": "joao"}, ["João"]),
        ({"tag": "Vip"}, []),
        ({"blocked": "true"}, ["Joana"]),
        ({"blocked": "false"}, ["Müller,", "João"]),
        ({"optedOut": "true"}, ["Müller,"]),
    ],
)
async def test_filters_leave_whom_they_name(filters: dict[str, str], found: list[str], hotel: Hotel) -> None:
    assert await names(hotel, **filters) == found
    answer = await hotel.attendant.get("/api/contacts", params={**filters, "limit": 1})
    assert answer.json()["pagination"]["total"] == len(found)


@pytest.mark.parametrize("filters", [{}, {"search": "j"}])
async def test_pages_and_cursors_show_everybody_once(filters: dict[str, str], hotel: Hotel) -> None:
    pages = [await names(hotel, limit=2, page=number, **filters) for number in (1, 2, 3)]
    assert pages == [["Müller,", "Joana"], ["João"], []]
    first = (await hotel.attendant.get("/api/contacts", params={"limit": 2, **filters})).json()["pagination"]
    assert (first["total"], first["pages"]) == (3, 2)
    assert await names(hotel, limit=2, cursor=first["nextCursor"], **filters) == ["João"]


async def test_the_total_follows_who_comes_goes_and_proves_to_be_another(system: System) -> None:
    hotel = await system.hotel("Total")
    await Guest(hotel, unique_phone()).writes()
    made = [await hotel.attendant.post("/api/contacts", json={"phone": unique_phone()}) for _ in range(2)]
    one, two = [f"/api/contacts/{answer.json()['id']}" for answer in made]

    async def total() -> int:
        return int((await hotel.attendant.get("/api/contacts")).json()["pagination"]["total"])

    assert await total() == 3
    await hotel.attendant.post(f"{one}/merge", json={"intoId": made[1].json()["id"]})
    assert await total() == 2
    await hotel.attendant.post(f"{one}/unmerge")
    assert (await hotel.attendant.delete(two)).status_code == 204
    assert await total() == 2


async def test_the_functions_ids_are_the_transactions_hotels_alone(
    hotel: Hotel, hotel_b: Hotel, as_app: Sql
) -> None:
    """It runs as the owner, whom no policy holds back."""
    await Guest(hotel_b, unique_phone()).writes()
    last = "ffffffff-ffff-ffff-ffff-ffffffffffff"
    query = f"SELECT crm.contacts_found(NULL, NULL, NULL, NULL, NULL, '{last}', 0, 1000) AS id"
    own = {row["id"] for row in await as_app(query, tenant=hotel.id)}
    assert own == {row["id"] for row in await as_app("SELECT id FROM contacts", tenant=hotel.id)}
    assert len(own) == 3
    assert await as_app(query) == []


def test_a_search_reads_what_it_finds_and_not_the_hotels_history(migrated: Scratch) -> None:
    """Rows of an index or the table that one search of the app's role fetches, counted by Postgres itself."""
    migrated.run("INSERT INTO tenants (slug, name, email) VALUES ('grande', 'Grande', 'a@b.example')")
    migrated.run("""INSERT INTO contacts (tenant_id, name, wa_id)
        SELECT id, 'Dora ' || left(md5(n::text), 8), n::text FROM tenants, generate_series(1, 3000) AS n
        WHERE slug = 'grande'""")
    migrated.run("ANALYZE contacts")
    [[tenant, name]] = migrated.run("SELECT tenant_id, split_part(name, ' ', 2) FROM contacts ORDER BY id LIMIT 1")
    page = sql.load("contacts").page_filtered.text
    last = "ffffffff-ffff-ffff-ffff-ffffffffffff"
    values = [f"ARRAY['%{name}%']", "NULL", "NULL", "NULL", "NULL", f"'{last}'", "0", "21"]
    for place in range(8, 0, -1):
        page = page.replace(f"${place}", values[place - 1])
    with migrated.seeing(tenant) as connection:
        assert len(connection.execute(page.encode()).fetchall()) == 1
        assert fetched(connection, "contacts") < 50
