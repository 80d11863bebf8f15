"""One person is one contact, whatever Meta calls them today."""

import asyncio
from uuid import UUID

import pytest

from crm import drain, envelope
from crm.contacts import match_key, typed_phone
from crm.core import rails
from crm.core.config import Settings
from crm.core.errors import ValidationFailed
from tests.meta import accepted, becomes, raw, told
from tests.people import Sql
from tests.system import Guest, Hotel, System, eventually, unique_phone

KEYS = [
    ("5548998448722", "554898448722"),  # south: with the 9 and without it
    ("554898448722", "554898448722"),
    ("+55 48 99844-8722", "554898448722"),
    ("5511987654321", "551187654321"),  # São Paulo keeps its 9 on the wire; the key drops it all the same
    ("551187654321", "551187654321"),
    ("554832221000", "554832221000"),  # landlines start with 2 to 5
    ("5548932221000", "5548932221000"),  # 13 digits, and what follows the 9 is no mobile
    ("5215512345678", "525512345678"),
    ("525512345678", "525512345678"),
    ("5491123456789", "541123456789"),
    ("541123456789", "541123456789"),
    ("351912345678", "351912345678"),
    ("16505551234", "16505551234"),
]
APART = [("554832221000", "554898322210"), ("5548932221000", "554832221000"), ("5511987654321", "5521987654321")]


@pytest.mark.parametrize(("number", "key"), KEYS)
def test_a_number_is_looked_up_without_the_digits_meta_adds_or_drops(number: str, key: str) -> None:
    assert match_key(number) == key


@pytest.mark.parametrize(("one", "other"), APART)
def test_numbers_of_different_people_share_no_key(one: str, other: str) -> None:
    assert match_key(one) != match_key(other)


@pytest.mark.parametrize(
    ("typed", "phone"),
    [
        ("+5548998448722", "+5548998448722"),
        ("+55 (48) 99844-8722", "+5548998448722"),
        ("5548998448722", "+5548998448722"),
        ("554898448722", "+554898448722"),
        ("+55 48 3222-1000", "+554832221000"),
        ("+1 650-555-1234", "+16505551234"),
        ("+5215512345678", "+525512345678"),  # a Mexican as Meta shows him: the 1 is no part of the number
        ("5215512345678", "+525512345678"),
        ("55 (48) 99844-8722", "+5548998448722"),
    ],
)
def test_a_phone_is_read_as_a_person_types_it(typed: str, phone: str) -> None:
    assert typed_phone(typed) == phone


@pytest.mark.parametrize(
    "typed",
    [
        "abcde",
        "+0 1234",
        "+1 234",
        "005548998448722",
        "BR.1502576394655843",
        "+55 48 99844-8722 ou 99",
        "+52115512345678",
        "(48) 99844-8722",  # somebody in Poland may have this number
        "48 99844-8722",
    ],
)
def test_what_is_no_phone_is_refused_by_name(typed: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        typed_phone(typed)
    assert refused.value.errors[0].pointer == "/to"


async def _people(as_owner: Sql, hotel: Hotel) -> tuple[int, int]:
    """How many contacts and conversations a hotel has."""
    query = """SELECT (SELECT count(*) FROM contacts WHERE tenant_id = $1),
                      (SELECT count(*) FROM conversations WHERE tenant_id = $1)"""
    return tuple((await as_owner(query, hotel.id))[0])


async def _only_contact(hotel: Hotel) -> dict[str, str]:
    [conversation] = (await hotel.attendant.get("/api/conversations")).json()["data"]
    return dict(conversation["contact"])


def _by_bsuid(guest: Guest, bsuid: str, with_phone: bool, text: str = "Oi") -> dict[str, object]:
    """A body in which the guest is named by BSUID, and by phone only when told so."""
    node = {**guest.message(text=text), "from_user_id": bsuid}
    profile = {"profile": {"name": guest.name}, "user_id": bsuid}
    if with_phone:
        profile["wa_id"] = guest.wa_id
    else:
        del node["from"]
    return guest.hotel.envelope(contacts=[profile], messages=[node])


@pytest.fixture
async def hotel(system: System) -> Hotel:
    """A hotel that nobody has written to."""
    return await system.hotel("Vazia")


async def test_the_number_with_its_9_is_the_guest_without_it(system: System, hotel: Hotel, as_owner: Sql) -> None:
    guest = Guest(hotel, unique_phone())
    await guest.writes()
    dialled = f"+{guest.wa_id[:4]}9{guest.wa_id[4:]}"
    answer = await hotel.attendant.post("/api/messages/send", json={"to": dialled, "content": "Bom dia"})
    assert answer.status_code == 201
    await becomes(hotel, answer.json(), "READ")
    await guest.writes("Bom dia!")
    assert await _people(as_owner, hotel) == (1, 1)
    assert sorted(item["content"] for item in await guest.history()) == ["Bom dia", "Bom dia!", "Olá"]
    assert [taken["to"] for taken in await accepted(system, hotel)] == [f"+{guest.wa_id}"]


async def test_a_guest_known_by_13_digits_comes_back_with_12(hotel: Hotel, as_owner: Sql) -> None:
    short = unique_phone()
    await Guest(hotel, f"{short[:4]}9{short[4:]}").writes("com 9")
    await Guest(hotel, short).writes("sem 9")
    assert await _people(as_owner, hotel) == (1, 1)
    assert (await _only_contact(hotel))["waId"] == short


async def test_a_landline_and_a_mobile_stay_two_people(hotel: Hotel, as_owner: Sql) -> None:
    await Guest(hotel, "554832221000").writes()
    await Guest(hotel, "5548932221000").writes()
    assert await _people(as_owner, hotel) == (2, 2)


async def test_a_bsuid_that_later_shows_its_phone_is_one_contact(hotel: Hotel, as_owner: Sql) -> None:
    guest = Guest(hotel, unique_phone())
    await told(hotel, as_owner, _by_bsuid(guest, "BR.1502576394655843", with_phone=False))
    assert await _only_contact(hotel) | {"id": ""} == {"id": "", "name": "Dora", "phone": None, "waId": None}
    await told(hotel, as_owner, _by_bsuid(guest, "BR.1502576394655843", with_phone=True))
    await guest.writes("só telefone")
    assert await _people(as_owner, hotel) == (1, 1)
    assert (await _only_contact(hotel))["phone"] == f"+{guest.wa_id}"


async def test_a_phone_that_later_shows_its_bsuid_is_one_contact(hotel: Hotel, as_owner: Sql) -> None:
    guest = Guest(hotel, unique_phone())
    await guest.writes()
    await told(hotel, as_owner, _by_bsuid(guest, "BR.1502576394655844", with_phone=True))
    await told(hotel, as_owner, _by_bsuid(guest, "BR.1502576394655844", with_phone=False))
    assert await _people(as_owner, hotel) == (1, 1)
    assert len(await guest.history()) == 3


async def test_all_that_one_post_tells_of_a_new_person_is_kept(hotel: Hotel, as_owner: Sql) -> None:
    guest = Guest(hotel, unique_phone())
    body = _by_bsuid(guest, "BR.1502576394655845", with_phone=False)
    body["entry"] += _by_bsuid(guest, "BR.1502576394655845", with_phone=True)["entry"]
    await told(hotel, as_owner, body)
    assert await _people(as_owner, hotel) == (1, 1)
    assert (await _only_contact(hotel))["waId"] == guest.wa_id


async def test_the_name_is_the_one_of_the_newest_profile(hotel: Hotel) -> None:
    guest = Guest(hotel, unique_phone(), "Dora")
    await guest.writes()
    guest.name = "Dora Magalhães 🌴"
    await guest.writes()
    assert (await _only_contact(hotel))["name"] == "Dora Magalhães 🌴"


async def test_profiles_are_matched_by_id_and_not_by_place(hotel: Hotel, as_owner: Sql) -> None:
    dora, caio = Guest(hotel, unique_phone(), "Dora"), Guest(hotel, unique_phone(), "Caio")
    profiles = [caio.profile(), dora.profile()]
    await told(hotel, as_owner, hotel.envelope(contacts=profiles, messages=[dora.message(), caio.message()]))
    assert (await dora.conversation())["contact"]["name"] == "Dora"
    assert (await caio.conversation())["contact"]["name"] == "Caio"


async def test_a_message_without_a_profile_keeps_the_name_known(hotel: Hotel, as_owner: Sql) -> None:
    guest = Guest(hotel, unique_phone(), "Dora")
    await guest.writes()
    await told(hotel, as_owner, hotel.envelope(messages=[guest.message()]))
    assert (await _only_contact(hotel))["name"] == "Dora"


async def test_a_new_guest_who_writes_many_times_at_once_is_one_contact(hotel: Hotel, as_owner: Sql) -> None:
    guest = Guest(hotel, unique_phone())
    bodies = [raw(guest.body(guest.message(text=str(place)))) for place in range(12)]
    answers = await asyncio.gather(*[hotel.webhook(body) for body in bodies])
    assert {answer.status_code for answer in answers} == {200}

    async def all_there() -> bool:
        return bool(await guest.hotel.conversation_of(guest.wa_id)) and len(await guest.history()) == 12

    await eventually(all_there)
    assert await _people(as_owner, hotel) == (1, 1)
    assert (await guest.conversation())["unreadCount"] == 12


async def test_transactions_that_meet_on_a_new_person_make_them_once(
    hotel: Hotel, settings: Settings, as_owner: Sql
) -> None:
    laid, guest = await rails.lay(settings), Guest(hotel, unique_phone())

    async def arrives() -> None:
        body = _by_bsuid(guest, "BR.1502576394655846", with_phone=True)
        parts = [(element, UUID(hotel.channel_id)) for element in envelope.elements(body)]
        assert await drain._apply(laid, UUID(hotel.id), parts) == []

    await asyncio.gather(*[arrives() for _ in range(8)])
    await laid.close()
    assert await _people(as_owner, hotel) == (1, 1)


async def test_the_same_person_is_another_contact_at_another_hotel(hotel: Hotel, system: System) -> None:
    other, phone = await system.hotel("Outra"), unique_phone()
    await Guest(hotel, phone, "Dora").writes("aqui")
    await Guest(other, phone, "Doutora").writes("lá")
    assert (await _only_contact(hotel))["name"] == "Dora"
    assert (await _only_contact(other))["name"] == "Doutora"
    assert (await _only_contact(hotel))["id"] != (await _only_contact(other))["id"]


async def test_a_guest_is_written_to_at_the_number_that_is_shown(hotel: Hotel) -> None:
    for wa_id in (f"521{unique_phone()[-10:]}", f"549{unique_phone()[-10:]}"):
        guest = Guest(hotel, wa_id)
        await guest.writes()
        to = (await guest.conversation())["contact"]["phone"]
        answer = await hotel.attendant.post("/api/messages/send", json={"to": to, "content": "¡Hola!"})
        assert (answer.status_code, to) == (201, f"+{wa_id}")
        assert [item["content"] for item in await guest.history()] == ["¡Hola!", "Olá"]
