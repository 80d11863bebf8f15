"""The bytes of a webhook, and that it arrives at least once."""

import asyncio
import hashlib
import hmac

from .actors import HOTEL, SECRET, TEXT, WABA, Crm, Meta


def signed(raw: bytes, secret: str) -> str:
    return "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()


async def test_the_signature_is_over_bytes_with_all_non_ascii_escaped(crm: Crm, fake: Meta) -> None:
    await fake.say(text="Olá 🙂")
    raw, signature = crm.posts[0]
    assert rb"Ol\u00e1 \ud83d\ude42" in raw
    assert raw.isascii()
    assert b'": ' not in raw
    assert signature == signed(raw, SECRET)


async def test_a_refused_webhook_comes_again_until_it_is_taken(crm: Crm, fake: Meta) -> None:
    crm.answers = [503, 202, 200]
    assert (await fake.say(text="Oi"))["status"] == 503
    await crm.until(3)
    await asyncio.sleep(0.1)
    assert len(crm.posts) == 3
    assert len(set(crm.posts)) == 1
    log = await fake.log("webhooks")
    assert [(row["status"], row["attempts"], row["waiting"]) for row in log] == [(200, 3, False)]


async def test_a_webhook_that_nobody_answers_says_so_and_waits(crm: Crm, fake: Meta) -> None:
    await fake.register("http://127.0.0.1:1/nobody")
    arrival = await fake.say(text="Oi")
    assert arrival["status"] is None
    assert "ConnectError" in arrival["error"]
    assert (await fake.log("webhooks"))[0]["waiting"]


async def test_copies_and_duplicates_carry_the_same_wamid(crm: Crm, fake: Meta) -> None:
    assert (await fake.say(text="Oi", copies=3))["statuses"] == [200, 200, 200]
    assert len(set(crm.posts)) == 1
    await fake.script({"action": {"duplicates": 1}})
    await fake.send(TEXT)
    await crm.until(9)
    assert crm.statuses() == ["sent", "sent", "delivered", "delivered", "read", "read"]


async def test_a_raw_webhook_is_signed_with_the_secret_that_was_asked_for(crm: Crm, fake: Meta) -> None:
    await fake.post("webhook", phoneNumberId=HOTEL, body={"a": "é"}, secret="other")
    assert crm.posts == [(rb'{"a":"\u00e9"}', signed(rb'{"a":"\u00e9"}', "other"))]


async def test_a_raw_webhook_that_is_refused_is_not_repeated(crm: Crm, fake: Meta) -> None:
    crm.answers = [401]
    assert (await fake.post("webhook", phoneNumberId=HOTEL, body=[]))["status"] == 401
    await asyncio.sleep(0.1)
    assert len(crm.posts) == 1


async def test_an_unsubscribed_account_sends_no_webhooks(crm: Crm, fake: Meta) -> None:
    await fake.graph("DELETE", f"{WABA}/subscribed_apps")
    assert (await fake.graph("GET", f"{WABA}/subscribed_apps")).json() == {"data": []}
    assert (await fake.say(text="Oi"))["status"] is None
    await fake.graph("POST", f"{WABA}/subscribed_apps")
    assert (await fake.say(text="Oi"))["status"] == 200
    assert len(crm.posts) == 1


async def test_metas_own_word_on_a_customer_comes_without_contacts(crm: Crm, fake: Meta) -> None:
    await fake.say(type="system", node={"type": "user_changed_number", "wa_id": "12195555358"})
    value = crm.values()[0]
    assert (value["messages"][0]["system"]["wa_id"], "contacts" in value) == ("12195555358", False)


async def test_a_message_of_a_kind_that_meta_does_not_carry_comes_with_131051(crm: Crm, fake: Meta) -> None:
    await fake.say(type="unsupported", node={"type": "poll_creation"})
    message = crm.values()[0]["messages"][0]
    assert message["unsupported"] == {"type": "poll_creation"}
    assert message["errors"][0]["code"] == 131051
