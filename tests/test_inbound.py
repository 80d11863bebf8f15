"""The webhook's door: who may post, what is kept, and to whose list it leads."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from uuid import UUID

import msgspec
import pytest

from crm import app
from crm.core.config import Settings
from tests.meta import raw, stored, told
from tests.people import Sql
from tests.system import Guest, Hotel, System, calling, serving, signature, unique_number_id, unique_phone

OWN_SECRET = "segredo-do-aplicativo-da-brisa"
LIMIT = 3 * 1024 * 1024


def _sha1(body: bytes, secret: str) -> str:
    return "sha1=" + hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()


REFUSED: dict[str, Callable[[bytes, str], dict[str, str]]] = {
    "missing": lambda body, secret: {},
    "empty": lambda body, secret: {"X-Hub-Signature-256": ""},
    "wrong secret": lambda body, secret: signature(body, secret + "x"),
    "empty secret": lambda body, secret: signature(body, ""),
    "of another body": lambda body, secret: signature(body + b" ", secret),
    "sha1 only": lambda body, secret: {"X-Hub-Signature": _sha1(body, secret)},
    "sha1 under the new name": lambda body, secret: {"X-Hub-Signature-256": _sha1(body, secret)},
    "without its prefix": lambda body, secret: {
        "X-Hub-Signature-256": signature(body, secret)["X-Hub-Signature-256"].removeprefix("sha256=")
    },
}


@pytest.fixture(scope="module")
async def brisa(system: System) -> Hotel:
    """A hotel with a Meta app of its own."""
    hotel = await system.hotel("Brisa")
    patch = {"whatsappAppSecret": OWN_SECRET}
    assert (await hotel.admin.patch(f"/api/channels/{hotel.channel_id}", json=patch)).status_code == 200
    return hotel


@pytest.mark.parametrize("kind", REFUSED)
async def test_a_bad_signature_is_refused_and_nothing_is_stored(kind: str, guest: Guest, as_owner: Sql) -> None:
    sent = guest.message()
    body = raw(guest.body(sent))
    headers = REFUSED[kind](body, guest.hotel.secret)
    async with calling() as client:
        answer = await client.post(f"{guest.hotel.url}/webhooks/whatsapp", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert await stored(as_owner, sent["id"]) == 0


async def test_a_body_written_anew_does_not_match_its_signature(guest: Guest, as_owner: Sql) -> None:
    sent = guest.message(text="ção 😀")
    body = guest.body(sent)
    anew = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
    headers = signature(raw(body), guest.hotel.secret)
    assert (await guest.hotel.webhook(anew, **headers)).status_code == 401
    assert await stored(as_owner, sent["id"]) == 0


async def test_the_platforms_secret_verifies_and_the_raw_bytes_are_kept(guest: Guest, as_owner: Sql) -> None:
    body = raw(guest.body(guest.message(text="ção 😀")))
    row = await told(guest.hotel, as_owner, body)
    assert (row["body"], row["signed_by"], row["ignored"]) == (body, None, 0)


async def test_a_channels_own_app_secret_verifies_and_so_does_the_platforms(brisa: Hotel, as_owner: Sql) -> None:
    own, platform = Guest(brisa, unique_phone()), Guest(brisa, unique_phone())
    row = await told(brisa, as_owner, own.body(own.message()), secret=OWN_SECRET)
    await told(brisa, as_owner, platform.body(platform.message()))
    assert str(row["signed_by"]) == brisa.id
    assert await brisa.conversation_of(own.wa_id)
    assert await brisa.conversation_of(platform.wa_id)


async def test_one_hotels_secret_does_not_open_anothers_door(brisa: Hotel, guest: Guest, as_owner: Sql) -> None:
    sent = guest.message()
    answer = await brisa.webhook(guest.body(sent), secret=OWN_SECRET)
    assert answer.status_code == 401
    assert await stored(as_owner, sent["id"]) == 0


async def test_what_a_hotel_signs_about_two_reaches_only_itself(brisa: Hotel, guest: Guest, as_owner: Sql) -> None:
    ours = Guest(brisa, unique_phone())
    body = guest.body(guest.message())
    body["entry"] += ours.body(ours.message())["entry"]
    row = await told(brisa, as_owner, body, secret=OWN_SECRET)
    assert row["ignored"] == 1
    assert await brisa.conversation_of(ours.wa_id)
    assert await guest.hotel.conversation_of(guest.wa_id) is None


async def test_claiming_anothers_waba_opens_nothing(system: System, guest: Guest, as_owner: Sql) -> None:
    thief = await system.hotel("Pirata")
    channel = await system.channel(thief.admin, unique_number_id(), guest.hotel.waba_id)
    await thief.admin.patch(f"/api/channels/{channel['id']}", json={"whatsappAppSecret": OWN_SECRET})
    row = await told(thief, as_owner, guest.body(guest.message()), secret=OWN_SECRET)
    assert row["ignored"] == 1
    assert await guest.hotel.conversation_of(guest.wa_id) is None
    assert await thief.conversation_of(guest.wa_id) is None


async def test_three_mebibytes_pass_and_a_byte_more_does_not(guest: Guest, as_owner: Sql) -> None:
    body = raw(guest.body(guest.message()))
    longer = guest.message()
    await told(guest.hotel, as_owner, body.ljust(LIMIT))
    answer = await guest.hotel.webhook(raw(guest.body(longer)).ljust(LIMIT + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
    assert await stored(as_owner, longer["id"]) == 0


async def test_a_long_body_that_hides_its_length_is_refused_too(guest: Guest, as_owner: Sql) -> None:
    sent = guest.message()
    whole = raw(guest.body(sent)).ljust(LIMIT + 1)

    async def parts() -> AsyncIterator[bytes]:
        for start in range(0, len(whole), 256 * 1024):
            yield whole[start : start + 256 * 1024]

    async with calling() as client:
        url, headers = f"{guest.hotel.url}/webhooks/whatsapp", signature(whole, guest.hotel.secret)
        answer = await client.post(url, content=parts(), headers=headers)
    assert "content-length" not in answer.request.headers
    assert answer.status_code == 413
    assert await stored(as_owner, sent["id"]) == 0


@pytest.mark.parametrize("body", [b"", b"{", b'{"a": "\xff"}', b"[" * 100_000, b"nonsense"])
async def test_a_signed_body_that_is_not_json_is_malformed(body: bytes, hotel_a: Hotel) -> None:
    answer = await hotel_a.webhook(body)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body")


@pytest.mark.parametrize("body", ["null", "[]", '"x"', '{"entry": 3}', '{"entry": [{"changes": [{"value": 1}]}]}'])
async def test_json_of_another_shape_is_kept_and_harms_nobody(body: str, hotel_a: Hotel, as_owner: Sql) -> None:
    unique = f"{body}{' ' * (int(unique_phone()) % 9973)}".encode()
    assert (await told(hotel_a, as_owner, unique))["ignored"] == 0


async def test_an_unknown_number_is_kept_counted_and_in_nobodys_list(guest: Guest, as_owner: Sql) -> None:
    body = guest.body(guest.message())
    body["entry"][0]["changes"][0]["value"]["metadata"]["phone_number_id"] = unique_number_id()
    assert (await told(guest.hotel, as_owner, body))["ignored"] == 1
    assert await as_owner("SELECT 1 FROM contacts WHERE wa_id = $1", guest.wa_id) == []


async def test_a_number_under_anothers_account_is_kept_counted_and_ignored(guest: Guest, as_owner: Sql) -> None:
    body = guest.body(guest.message())
    body["entry"][0]["id"] = unique_number_id()
    assert (await told(guest.hotel, as_owner, body))["ignored"] == 1
    assert await as_owner("SELECT 1 FROM contacts WHERE wa_id = $1", guest.wa_id) == []


async def test_what_cannot_be_stored_is_answered_503_so_that_meta_retries(
    system: System, settings: Settings, guest: Guest
) -> None:
    away = msgspec.structs.replace(settings, database_system_url="postgresql://x:y@127.0.0.1:1/crm")
    body = raw(guest.body(guest.message()))
    async with serving(app.build(away)) as url, calling() as client:
        answer = await client.post(
            f"{url}/webhooks/whatsapp", content=body, headers=signature(body, guest.hotel.secret)
        )
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) >= 1


async def test_the_handshake_answers_the_platforms_token_and_a_channels_own(system: System, brisa: Hotel) -> None:
    own = (await brisa.admin.get(f"/api/channels/{brisa.channel_id}")).json()["whatsappWebhookVerifyToken"]
    tokens = [system.settings.whatsapp_webhook_verify_token, own, "wrong", ""]
    asked = [
        {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": token} for token in tokens
    ]
    async with system.client() as client:
        answers = await asyncio.gather(*[client.get("/webhooks/whatsapp", params=query) for query in asked])
        bare = await client.get("/webhooks/whatsapp")
    assert [answer.status_code for answer in [*answers, bare]] == [200, 200, 403, 403, 403]
    assert (answers[0].text, answers[1].text) == ("1158201444", "1158201444")
    assert answers[0].headers["content-type"].startswith("text/plain")


async def test_without_a_token_of_the_platform_an_empty_one_is_refused(settings: Settings) -> None:
    bare = msgspec.structs.replace(settings, whatsapp_webhook_verify_token="")
    query = {"hub.mode": "subscribe", "hub.challenge": "1", "hub.verify_token": ""}
    async with serving(app.build(bare)) as url, calling() as client:
        assert (await client.get(f"{url}/webhooks/whatsapp", params=query)).status_code == 403


async def test_a_secret_that_no_longer_opens_refuses_and_breaks_nothing(brisa: Hotel, as_owner: Sql) -> None:
    body = raw(Guest(brisa, unique_phone()).body())
    sealed = (await as_owner("SELECT app_secret FROM channels WHERE id = $1", UUID(brisa.channel_id)))[0][0]
    write = "UPDATE channels SET app_secret = $2 WHERE id = $1"
    await as_owner(write, UUID(brisa.channel_id), b"broken")
    answers = [await brisa.webhook(body, secret) for secret in (OWN_SECRET, None)]
    await as_owner(write, UUID(brisa.channel_id), sealed)
    assert [answer.status_code for answer in answers] == [401, 200]
