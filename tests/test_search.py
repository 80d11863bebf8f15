"""Searching messages: by any form of a word, only one's own hotel, only what one may see, and by the index."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from crm.messages import search
from ops.dev.home import Home
from tests.people import Sql
from tests.system import Guest, Hotel, unique_phone
from tests.visitors import pointers

URL = "/api/messages/search"
EVER = "'-infinity', NULL, 'infinity', '00000000-0000-0000-0000-000000000000'"


async def found(client: httpx.AsyncClient, q: str, **filters: Any) -> list[dict[str, Any]]:
    """The hits of a search."""
    answer = await client.get(URL, params={"q": q, **filters})
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def texts(hits: list[dict[str, Any]]) -> set[str]:
    return {hit["message"]["content"] for hit in hits}


@pytest.fixture
def word() -> str:
    """A word that no other message has."""
    return "".join(chr(ord("f") + int(digit, 16)) for digit in uuid4().hex[:12])


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("Há duas reservações", "reservacao"),
        ("A reservação foi feita", "RESERVACOES"),
        ("Vocês têm hotéis no centro?", "hotel"),
        ("Quero dois quartos", "quarto"),
        ("Preciso cancelar", "cancelei"),
        ("Obrigado🙏", "obrigado"),
        ("O café da manhã", '"café da manhã"'),
        ("Aceitam cães?", "cão"),
        ("Quem tem a chave?", "quem chave"),
        ("Preciso de mais toalhas", "mais toalhas"),
    ],
)
async def test_any_form_of_a_word_is_found(guest: Guest, word: str, written: str, asked: str) -> None:
    await guest.writes(f"{written} {word}")
    assert texts(await found(guest.hotel.attendant, f"{asked} {word}")) == {f"{written} {word}"}


async def test_every_word_whose_other_number_is_not_asked_is_one_the_dictionary_leaves_out(as_owner: Sql) -> None:
    kept = "SELECT word FROM unnest($1::text[]) AS word WHERE to_tsvector('crm.portuguese', word) <> ''"
    assert await as_owner(kept, sorted(search.LEFT_OUT)) == []


async def test_all_words_are_wanted_and_those_with_a_minus_are_not(guest: Guest, word: str) -> None:
    for text in ("Quero um berço", "Quero uma cama", "Um berço e uma cama"):
        await guest.writes(f"{text} {word}")
    client = guest.hotel.attendant
    assert texts(await found(client, f"{word} berço cama")) == {f"Um berço e uma cama {word}"}
    assert texts(await found(client, f"{word} berço -cama")) == {f"Quero um berço {word}"}


async def test_a_hit_says_where_its_words_stand_and_whom_it_is_with(guest: Guest, word: str) -> None:
    message = await guest.writes(f"Há \ue000vagas\ue001 para {word}, e {word.upper()}?")
    [hit] = await found(guest.hotel.attendant, word)
    snippet = hit["snippet"]
    assert [snippet["text"][start:end].lower() for start, end in snippet["hits"]] == [word, word]
    assert "\ue000" not in snippet["text"]
    assert (hit["message"]["id"], hit["conversation"]["id"]) == (message["id"], message["conversationId"])
    assert hit["conversation"]["contact"]["name"] == guest.name


async def test_file_names_and_captions_are_found(guest: Guest, word: str) -> None:
    node = {"id": "1", "mime_type": "application/pdf", "filename": f"Voucher_{word}.pdf", "caption": f"veja{word}"}
    message = await guest.writes(node={"type": "document", "document": node})
    for asked in (f"voucher {word}", f"veja{word}"):
        [hit] = await found(guest.hotel.attendant, asked)
        assert hit["message"]["id"] == message["id"]


async def test_filters_leave_the_rest_out(guest: Guest, hotel_a: Hotel, word: str) -> None:
    message = await guest.writes(f"Pergunta {word}")
    url = f"/api/conversations/{message['conversationId']}/messages"
    await hotel_a.attendant.post(url, json={"content": f"Resposta {word}"})
    other = Guest(hotel_a, unique_phone())
    there = (await other.writes(f"Outra {word}"))["conversationId"]
    client = hotel_a.attendant
    assert texts(await found(client, word, conversationId=there)) == {f"Outra {word}"}
    assert texts(await found(client, word, direction="OUTBOUND")) == {f"Resposta {word}"}
    assert texts(await found(client, word, to=message["createdAt"])) == set()
    late = {"from": message["createdAt"], "conversationId": message["conversationId"]}
    assert texts(await found(client, word, **late)) == {f"Pergunta {word}", f"Resposta {word}"}


async def test_the_first_page_may_be_asked_for_by_its_number(guest: Guest, word: str) -> None:
    await guest.writes(f"Número {word}")
    client, params = guest.hotel.attendant, {"q": word, "page": 1, "limit": 20}
    assert (await client.get(URL, params=params)).json() == (await client.get(URL, params={"q": word})).json()
    assert pointers(await client.get(URL, params={**params, "page": 2})) == {"/page"}


async def test_pages_follow_each_other_without_gap_or_repetition(guest: Guest, word: str) -> None:
    for number in range(5):
        await guest.writes(f"Número {number} {word}")
    seen: list[str] = []
    params: dict[str, Any] = {"q": word, "limit": 2}
    while True:
        page = (await guest.hotel.attendant.get(URL, params=params)).json()
        seen += [hit["message"]["content"] for hit in page["data"]]
        if not (cursor := page["pagination"]["nextCursor"]):
            break
        params["cursor"] = cursor
    assert sorted(seen) == [f"Número {number} {word}" for number in range(5)]


async def test_an_edited_message_is_found_by_its_new_words_alone(guest: Guest, word: str, as_owner: Sql) -> None:
    message = await guest.writes(f"antes{word}")
    edit = "UPDATE messages SET content = $2 WHERE id = $1 AND tenant_id = $3"
    await as_owner(edit, UUID(message["id"]), f"depois{word}", UUID(guest.hotel.id))
    assert await found(guest.hotel.attendant, f"antes{word}") == []
    assert texts(await found(guest.hotel.attendant, f"depois{word}")) == {f"depois{word}"}


async def test_another_hotels_messages_are_never_found(
    guest: Guest, word: str, carla: httpx.AsyncClient, as_app: Sql, hotel_b: Hotel
) -> None:
    message = await guest.writes(f"Segredo {word}")
    assert await found(carla, word) == []
    assert await found(carla, word, conversationId=message["conversationId"]) == []
    asked = f"SELECT * FROM crm.found($1, $2, {EVER})"
    for conversation in (None, UUID(message["conversationId"])):
        assert await as_app(asked, [word], conversation, tenant=hotel_b.id) == []
        assert await as_app(asked, [word], conversation) == []


async def test_what_an_attendant_may_not_see_is_not_found_either(
    guest: Guest, word: str, as_owner: Sql, as_app: Sql
) -> None:
    message = await guest.writes(f"Só da Alice {word}")
    give = """UPDATE conversations AS c SET assigned_to = (
        SELECT id FROM users AS u WHERE u.tenant_id = c.tenant_id AND u.role = 'TENANT_ADMIN' LIMIT 1)
        WHERE c.id = $1 RETURNING assigned_to"""
    alice = (await as_owner(give, UUID(message["conversationId"])))[0]["assigned_to"]
    asked = f"""SELECT f.message_id FROM set_config('app.viewer', $1, TRUE) AS v (viewer)
        CROSS JOIN LATERAL crm.found(ARRAY[$2 || left(v.viewer, 0)], $3, {EVER}) AS f"""
    for place in (None, UUID(message["conversationId"])):
        assert await as_app(asked, str(uuid4()), word, place, tenant=guest.hotel.id) == []
        assert len(await as_app(asked, str(alice), word, place, tenant=guest.hotel.id)) == 1


async def test_a_wrong_question_names_its_fields(bruno: httpx.AsyncClient) -> None:
    for params, pointer in (
        ({}, "/q"),
        ({"q": " "}, "/q"),
        ({"q": "a", "to": "2026-11-24T10:00:00"}, "/to"),
        ({"q": "a", "x": 1}, "/x"),
    ):
        answer = await bruno.get(URL, params=params)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert (await bruno.get(URL, params={"q": "a", "cursor": "!"})).status_code == 422
    assert await found(bruno, "de para o") == []
    assert await found(bruno, "\" ' ( & | !") == []


def test_a_rare_word_is_answered_by_the_index_and_a_common_one_without_it(home: Home) -> None:
    """On 40,000 messages of one hotel, told by how often the index was read inside the transaction."""
    seed = """
        INSERT INTO message_words (tenant_id, at, message_id, conversation_id, direction, words)
        SELECT own.id, now() - n * INTERVAL '1 minute', uuidv7(), own.id, 'INBOUND',
            to_tsvector('crm.portuguese', 'bom dia' || CASE WHEN n %% 9000 = 8999 THEN ' ornitorrinco' ELSE '' END)
        FROM generate_series(1, 40000) AS n, (SELECT %s::uuid AS id) AS own"""
    scans = "SELECT pg_stat_get_xact_numscans('message_words_ix'::regclass)"
    asked = f"SELECT count(*), count(rank) FROM crm.found(ARRAY[%s], NULL, {EVER})"
    with psycopg.connect(home.database_url("owner")) as connection:
        own = str(uuid4())
        connection.execute(seed, [own])
        connection.execute("SELECT gin_clean_pending_list('message_words_ix')")
        connection.execute("ANALYZE message_words")
        connection.execute("SELECT set_config('app.tenant_id', %s, TRUE)", [own])
        assert connection.execute(asked, ["bom dia"]).fetchone() == (102, 101)
        assert connection.execute(scans).fetchone() == (0,)
        assert connection.execute(asked, ["ornitorrinco"]).fetchone() == (4, 4)
        assert connection.execute(scans).fetchone()[0] > 0
        connection.rollback()
