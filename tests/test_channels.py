"""A hotel's numbers: unique in the whole installation, and their secrets written but never read back."""

import asyncio
import secrets
from typing import Any

import httpx
import pytest

from crm.core.config import Settings
from tests.people import Sql
from tests.system import Guest, Hotel, System, unique_number_id, unique_phone
from tests.visitors import pointers, told

_SHAPE = {
    "id", "name", "whatsappPhoneNumberId", "whatsappBusinessAccountId", "whatsappAccessToken", "whatsappAppSecret",
    "whatsappWebhookVerifyToken", "displayPhoneNumber", "createdAt", "paused", "health",
    "sendReadReceipts", "sendTyping", "messagesPerSecond",
}  # fmt: skip
_TOKEN, _SECRET = "EAAG" + secrets.token_hex(40) + "tok7", secrets.token_hex(14) + "sec9"


def _new(**more: Any) -> dict[str, Any]:
    ids = {"whatsappPhoneNumberId": unique_number_id(), "whatsappBusinessAccountId": unique_number_id()}
    return {"name": "Spa", **ids, "whatsappAccessToken": _TOKEN, "whatsappAppSecret": _SECRET, **more}


async def _made(admin: httpx.AsyncClient, **more: Any) -> dict[str, Any]:
    answer = await admin.post("/api/channels", json=_new(**more))
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


@pytest.fixture
async def bare(system: System) -> Any:
    """The admin of a hotel without a number."""
    hotel = await system.hotel("Vazio")
    await hotel.admin.delete(f"/api/channels/{hotel.channel_id}")
    return hotel.admin


async def _shake(system: System, token: str, **more: str) -> httpx.Response:
    query = {"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": "1158201444", **more}
    async with system.client() as meta:
        return await meta.get("/webhooks/whatsapp", params=query)


async def test_a_new_number_shows_of_its_secrets_the_last_four_characters(alice: httpx.AsyncClient) -> None:
    new = _new(displayPhoneNumber="+55 48 3222-2000")
    made = (await alice.post("/api/channels", json=new)).json()
    assert made.keys() == _SHAPE
    same = {name: new[name] for name in new if name not in ("whatsappAccessToken", "whatsappAppSecret")}
    assert {name: made[name] for name in same} == same
    assert (made["whatsappAccessToken"], made["whatsappAppSecret"]) == ("••••tok7", "••••sec9")
    assert len(made["whatsappWebhookVerifyToken"]) >= 32


async def test_of_a_short_secret_nothing_is_shown_and_of_none_null(alice: httpx.AsyncClient) -> None:
    made = await _made(alice, whatsappAccessToken="short-one", whatsappAppSecret=None)
    assert (made["whatsappAccessToken"], made["whatsappAppSecret"]) == ("••••", None)


async def test_no_answer_and_no_audit_line_ever_holds_a_secret(alice: httpx.AsyncClient) -> None:
    new = _new()
    made = await alice.post("/api/channels", json=new)
    path, change = f"/api/channels/{made.json()['id']}", {"whatsappAccessToken": _TOKEN, "name": "Spa 2"}
    answers = [made, await alice.patch(path, json=change), await alice.get(path)]
    answers.append(await alice.get("/api/channels?limit=100"))
    answers += [
        await alice.post("/api/channels", json=new),
        await alice.post("/api/channels", json={**new, "x": 1}),
    ]
    answers += [await alice.delete(path), await alice.get("/api/tenant/audit?limit=100")]
    assert [answer.status_code for answer in answers] == [201, 200, 200, 200, 409, 422, 204, 200]
    assert not any(secret in answer.text for answer in answers for secret in (_TOKEN, _SECRET, _TOKEN[:20]))
    lines = {(line["action"], line["target"]) for line in answers[-1].json()["data"]}
    assert {
        (f"channel.{deed}", path.rsplit("/", maxsplit=1)[-1]) for deed in ("created", "changed", "deleted")
    } <= lines


async def test_the_table_holds_ciphertext_only_and_forgets_it_on_delete(
    alice: httpx.AsyncClient, as_owner: Sql
) -> None:
    made = await _made(alice)
    query = "SELECT c::text AS line, access_token, app_secret FROM channels AS c WHERE id = $1"
    (row,) = await as_owner(query, made["id"])
    plain = [secret.encode() for secret in (_TOKEN, _SECRET)]
    assert not any(part in row["access_token"] + row["app_secret"] for part in plain)
    assert not any(part.decode() in row["line"] or part.hex() in row["line"] for part in plain)
    await alice.delete(f"/api/channels/{made['id']}")
    (row,) = await as_owner(query, made["id"])
    assert (row["access_token"], row["app_secret"]) == (None, None)


async def test_attendants_see_the_numbers_but_no_verify_token_and_change_nothing(
    alice: httpx.AsyncClient, bruno: httpx.AsyncClient
) -> None:
    full, seen = [(await one.get("/api/channels?limit=100")).json()["data"] for one in (alice, bruno)]
    assert [channel["id"] for channel in seen] == [channel["id"] for channel in full]
    assert {channel["whatsappWebhookVerifyToken"] for channel in seen} == {"••••"}
    path = f"/api/channels/{full[0]['id']}"
    answers = [await bruno.get(path), await bruno.patch(path, json={"name": "X"}), await bruno.delete(path)]
    answers += [await bruno.post("/api/channels", json=_new()), await bruno.put("/api/tenant/whatsapp", json={})]
    assert [told(answer) for answer in answers] == [(403, "forbidden")] * 5


async def test_numbers_are_listed_oldest_first_and_changed_field_by_field(bare: httpx.AsyncClient) -> None:
    first, second = [await _made(bare) for _ in range(2)]
    assert (await bare.get("/api/channels?limit=100")).json()["data"] == [first, second]
    change = {"name": "Bar", "displayPhoneNumber": "+55 48 1", "whatsappAppSecret": "another-secret-0001"}
    changed = (await bare.patch(f"/api/channels/{first['id']}", json=change)).json()
    assert changed == {**first, **change, "whatsappAppSecret": "••••0001"}
    assert (await bare.get(f"/api/channels/{first['id']}")).json() == changed


async def test_a_secret_sent_as_it_was_shown_stays(system: System) -> None:
    """A form that sends back what it read does not put the mask in the secret's place."""
    hotel = await system.hotel("Devolve")
    path, secret = f"/api/channels/{hotel.channel_id}", "the-hotels-own-app-secret"
    shown = (await hotel.admin.patch(path, json={"whatsappAppSecret": secret})).json()
    same = {**{name: shown[name] for name in _new()}, "name": "Outro"}
    assert same["whatsappAppSecret"].startswith("••••")
    changed = await hotel.admin.patch(path, json=same)
    assert changed.json() == {**shown, "name": "Outro"}
    assert (await hotel.admin.put("/api/tenant/whatsapp", json=same)).json() == {**shown, "name": "Outro"}
    guest = Guest(hotel, unique_phone())
    assert (await hotel.webhook(guest.body(guest.message()), secret)).status_code == 200
    assert pointers(await hotel.admin.post("/api/channels", json=_new(whatsappAppSecret="••••sec9"))) == {
        "/whatsappAppSecret"
    }


@pytest.mark.parametrize(
    "wrong", ["tok en", "token\n", "\u200btoken", "tok\u00a0en", "••••12345", "a••••", "\ttoken"]
)
async def test_a_token_that_no_header_holds_is_refused(wrong: str, alice: httpx.AsyncClient) -> None:
    made = await _made(alice)
    for name in ("whatsappAccessToken", "whatsappAppSecret"):
        answer = await alice.patch(f"/api/channels/{made['id']}", json={name: wrong})
        assert (answer.status_code, pointers(answer)) == (422, {f"/{name}"})
    assert pointers(await alice.post("/api/channels", json=_new(whatsappAccessToken=wrong))) == {
        "/whatsappAccessToken"
    }


async def test_the_list_has_pages_and_goes_on_by_cursor(bare: httpx.AsyncClient) -> None:
    whole = [await _made(bare) for _ in range(5)]
    first, second = [(await bare.get("/api/channels", params={"limit": 2, "page": page})).json() for page in (1, 2)]
    cursor = first["pagination"].pop("nextCursor")
    assert first == {"data": whole[:2], "pagination": {"page": 1, "limit": 2, "total": 5, "pages": 3}}
    after = (await bare.get("/api/channels", params={"limit": 2, "cursor": cursor})).json()
    assert (after["data"], second["data"]) == (whole[2:4], whole[2:4])
    assert after["pagination"] == {"limit": 2, "nextCursor": second["pagination"]["nextCursor"]}
    last = await bare.get("/api/channels", params={"limit": 2, "cursor": after["pagination"]["nextCursor"]})
    assert last.json() == {"data": whole[4:], "pagination": {"limit": 2, "nextCursor": None}}


async def test_everything_wrong_with_a_number_is_named(alice: httpx.AsyncClient) -> None:
    wrong = {"whatsappPhoneNumberId": "1\n", "whatsappBusinessAccountId": "a b", "name": "", "verifyToken": "x"}
    expected = {"/whatsappPhoneNumberId", "/whatsappBusinessAccountId", "/name", "/verifyToken"}
    assert pointers(await alice.post("/api/channels", json=wrong)) == expected
    assert pointers(await alice.post("/api/channels", json={})) == {
        "/whatsappPhoneNumberId",
        "/whatsappBusinessAccountId",
    }


async def test_a_number_in_use_says_whose_only_to_its_own_hotel(hotel_a: Hotel, hotel_b: Hotel) -> None:
    made = await _made(hotel_a.admin)
    taken = _new(whatsappPhoneNumberId=made["whatsappPhoneNumberId"])
    own = await hotel_a.admin.post("/api/channels", json=taken)
    other = await hotel_b.admin.post("/api/channels", json=taken)
    assert (*told(own), own.json()["existingId"]) == (409, "conflict", made["id"])
    assert told(other) == (409, "conflict")
    assert "existingId" not in other.json()
    assert made["id"] not in other.text


async def test_a_number_cannot_be_changed_into_one_in_use(hotel_a: Hotel, hotel_b: Hotel) -> None:
    made, theirs = await _made(hotel_a.admin), await _made(hotel_b.admin)
    path = f"/api/channels/{made['id']}"
    own = await hotel_a.admin.patch(path, json={"whatsappPhoneNumberId": hotel_a.number_id})
    other = await hotel_a.admin.patch(path, json={"whatsappPhoneNumberId": theirs["whatsappPhoneNumberId"]})
    assert (*told(own), own.json()["existingId"]) == (409, "conflict", hotel_a.channel_id)
    assert (*told(other), other.json().get("existingId")) == (409, "conflict", None)
    assert (await hotel_a.admin.get(path)).json() == made


async def test_of_two_hotels_that_add_a_number_at_once_one_gets_it(hotel_a: Hotel, hotel_b: Hotel) -> None:
    new = _new()
    doors = [hotel.admin.post("/api/channels", json=new) for hotel in (hotel_a, hotel_b) * 3]
    assert sorted(answer.status_code for answer in await asyncio.gather(*doors)) == [201] + [409] * 5


async def test_a_number_that_is_added_again_goes_on_with_its_conversations(system: System) -> None:
    hotel = await system.hotel("Volta")
    guest = Guest(hotel, unique_phone())
    await guest.writes("antes")
    ours = (await hotel.admin.get(f"/api/channels/{hotel.channel_id}")).json()
    names = ("name", "whatsappPhoneNumberId", "whatsappBusinessAccountId")
    new = {**{name: ours[name] for name in names}, "whatsappAppSecret": hotel.secret}
    await hotel.admin.delete(f"/api/channels/{hotel.channel_id}")
    answers = await asyncio.gather(*(hotel.admin.post("/api/channels", json=new) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    again = next(answer.json() for answer in answers if answer.status_code == 201)
    kept = ("id", "whatsappWebhookVerifyToken")
    assert [again[name] for name in kept] == [ours[name] for name in kept]
    await guest.writes("depois")
    assert [item["content"] for item in await guest.history()] == ["depois", "antes"]


async def test_a_deleted_number_is_gone_and_free_for_another_hotel(hotel_a: Hotel, hotel_b: Hotel) -> None:
    made = await _made(hotel_a.admin)
    path = f"/api/channels/{made['id']}"
    assert (await hotel_a.admin.delete(path)).status_code == 204
    answers = [await hotel_a.admin.delete(path), await hotel_a.admin.get(path)]
    answers.append(await hotel_a.admin.patch(path, json={"name": "X"}))
    assert [told(answer) for answer in answers] == [(404, "not_found")] * 3
    assert made["id"] not in (await hotel_a.admin.get("/api/channels?limit=100")).text
    number = {"whatsappPhoneNumberId": made["whatsappPhoneNumberId"]}
    await _made(hotel_b.admin, **number)
    back = await hotel_a.admin.post("/api/channels", json=_new(**number))
    assert (told(back), "existingId" in back.json()) == ((409, "conflict"), False)


async def test_the_number_of_another_hotel_does_not_exist(hotel_a: Hotel, hotel_b: Hotel) -> None:
    path = f"/api/channels/{hotel_b.channel_id}"
    answers = [await hotel_a.admin.get(path), await hotel_a.admin.delete(path)]
    answers.append(await hotel_a.admin.patch(path, json={"name": "X"}))
    assert [told(answer) for answer in answers] == [(404, "not_found")] * 3
    assert (await hotel_b.admin.get(path)).status_code == 200


async def test_the_single_number_form_makes_the_first_number_then_changes_it(bare: httpx.AsyncClient) -> None:
    new, path = _new(), "/api/tenant/whatsapp"
    assert pointers(await bare.put(path, json={"name": "X"})) <= {
        "/whatsappPhoneNumberId",
        "/whatsappBusinessAccountId",
    }
    made = (await bare.put(path, json=new)).json()
    assert (made["whatsappPhoneNumberId"], made["whatsappAccessToken"]) == (
        new["whatsappPhoneNumberId"],
        "••••tok7",
    )
    changed = await bare.put(path, json={"whatsappAccessToken": "EAAG-another-9999"})
    assert (changed.status_code, changed.json()) == (200, {**made, "whatsappAccessToken": "••••9999"})
    assert (await bare.get("/api/channels?limit=100")).json()["data"] == [changed.json()]


async def test_first_numbers_put_at_once_make_one_channel(bare: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(bare.put("/api/tenant/whatsapp", json=_new()) for _ in range(4)))
    assert {answer.status_code for answer in answers} == {200}
    assert len((await bare.get("/api/channels?limit=100")).json()["data"]) == 1


async def test_metas_handshake_takes_the_platforms_token_and_a_channels_own(
    system: System, settings: Settings, alice: httpx.AsyncClient
) -> None:
    made = await _made(alice)
    for token in (settings.whatsapp_webhook_verify_token, made["whatsappWebhookVerifyToken"]):
        answer = await _shake(system, token)
        assert (answer.status_code, answer.text) == (200, "1158201444")
        assert answer.headers["Content-Type"].startswith("text/plain")
    assert (await _shake(system, made["whatsappWebhookVerifyToken"], **{"hub.mode": "x"})).status_code == 403
    await alice.delete(f"/api/channels/{made['id']}")
    assert told(await _shake(system, made["whatsappWebhookVerifyToken"])) == (403, "forbidden")


@pytest.mark.parametrize("token", ["", "wrong", "é\0", "x" * 5000])
async def test_metas_handshake_refuses_every_other_token(system: System, token: str) -> None:
    assert told(await _shake(system, token)) == (403, "forbidden")


async def test_how_a_number_sends_is_shown_and_may_change(alice: httpx.AsyncClient) -> None:
    made = await _made(alice)
    names = ("sendReadReceipts", "sendTyping", "messagesPerSecond")
    assert [made[name] for name in names] == [True, True, 80]
    new = {"sendReadReceipts": False, "sendTyping": False, "messagesPerSecond": 20}
    changed = (await alice.patch(f"/api/channels/{made['id']}", json=new)).json()
    assert [changed[name] for name in names] == [False, False, 20]
    await alice.patch(f"/api/channels/{made['id']}", json={"messagesPerSecond": 1000})
    shown = (await alice.get(f"/api/channels/{made['id']}")).json()
    assert [shown[name] for name in names] == [False, False, 1000]


async def test_a_rate_that_meta_does_not_grant_is_refused(alice: httpx.AsyncClient) -> None:
    made = await _made(alice)
    wrong = {"messagesPerSecond": 81, "sendTyping": "sim"}
    answer = await alice.patch(f"/api/channels/{made['id']}", json=wrong)
    assert answer.status_code == 422
    assert pointers(answer) == {"/messagesPerSecond", "/sendTyping"}


async def test_the_single_number_form_takes_how_it_sends_too(bare: httpx.AsyncClient) -> None:
    answer = await bare.put("/api/tenant/whatsapp", json={**_new(), "messagesPerSecond": 20})
    assert (answer.status_code, answer.json()["messagesPerSecond"]) == (200, 20)
