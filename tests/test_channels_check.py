"""The go-live check: each step asks Meta (the fake one) by itself, and says what a hotel must do."""

import time
from typing import Any
from uuid import UUID

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from crm.channels import steps
from crm.core.rails import Rails
from tests.meta import now, script, send
from tests.people import Sql
from tests.system import Guest, Hotel, System, calling, eventually, serving, unique_number_id, unique_phone

STEPS = ["token", "account", "number", "subscription", "webhook", "signature", "sending", "templates", "media"]
SPOILT = "UPDATE channels SET access_token = access_token || '\\x00'::bytea WHERE id = $1 RETURNING 1"
MANAGEMENT, MESSAGING = "whatsapp_business_management", "whatsapp_business_messaging"


@pytest.fixture
async def hotel(system: System) -> Hotel:
    """A hotel to which a guest has just written."""
    made = await system.hotel("Farol")
    await Guest(made, unique_phone()).writes()
    return made


async def fake(system: System, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
    async with calling() as client:
        answer = await client.request(method, f"{system.graph_url}{path}", json=body, headers=headers)
    assert answer.status_code < 300, answer.text
    return answer


async def becomes(system: System, hotel: Hotel, **changes: Any) -> None:
    """What Meta knows of the number from now on."""
    await fake(system, "POST", "/_fake/numbers", {"phoneNumberId": hotel.number_id, **changes})


async def refuses(system: System, path: str, times: int | None = 1, **error: Any) -> None:
    """Meta refuses the next call whose path ends so."""
    rule = {"match": {"path": path}, "times": times, "action": {"error": error}}
    await fake(system, "POST", "/_fake/script", {"rules": [rule]})


async def check(hotel: Hotel, channel: str | None = None, language: str = "pt-BR") -> dict[str, dict[str, Any]]:
    """The check's steps by name; the whole answer is under ''."""
    path = f"/api/channels/{channel or hotel.channel_id}/check"
    answer = await hotel.admin.post(path, headers={"Accept-Language": language})
    assert answer.status_code == 200, answer.text
    return {"": answer.json(), **{step["step"]: step for step in answer.json()["data"]}}


def failed(found: dict[str, dict[str, Any]]) -> list[str]:
    return [name for name in STEPS if not found[name]["ok"]]


async def health(hotel: Hotel) -> dict[str, Any]:
    return dict((await hotel.admin.get(f"/api/channels/{hotel.channel_id}")).json()["health"])


async def test_a_number_that_is_ready_passes_every_step(hotel: Hotel) -> None:
    found = await check(hotel)
    assert [step["step"] for step in found[""]["data"]] == STEPS
    assert (failed(found), found[""]["ok"]) == ([], True)
    assert all(step["detail"].endswith(".") and step["fix"] is None for step in found[""]["data"])
    seen = await health(hotel)
    assert (seen["tokenState"], seen["quality"], seen["nameStatus"]) == ("OK", "GREEN", "APPROVED")
    assert (seen["limit"], bool(seen["lastCheckAt"]), seen["notices"]) == ("TIER_2K", True, [])


async def test_the_steps_speak_the_callers_language(system: System, hotel: Hotel) -> None:
    await becomes(system, hotel, status="DISCONNECTED")
    texts = {language: (await check(hotel, language=language))["number"] for language in ("pt-BR", "en")}
    assert texts["pt-BR"]["detail"] == "O número está DISCONNECTED na Meta."
    assert texts["en"]["detail"] == "At Meta the number is DISCONNECTED."
    assert "PIN" in texts["en"]["fix"]


async def test_a_failed_check_is_a_notice_until_a_check_finds_nothing(system: System, hotel: Hotel) -> None:
    await becomes(system, hotel, status="PENDING")
    assert failed(await check(hotel)) == ["number"]
    [notice] = (await health(hotel))["notices"]
    assert (notice["kind"], notice["data"]) == ("check_failed", {"steps": ["number"]})
    await becomes(system, hotel, status="CONNECTED")
    assert failed(await check(hotel)) == []
    assert (await health(hotel))["notices"] == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tokenScopes": [MESSAGING]}, MANAGEMENT),
        ({"tokenScopes": [MANAGEMENT]}, MESSAGING),
        ({"tokenExpiresAt": int(time.time()) + 86_400}, "só até"),
    ],
    ids=["no management", "no messaging", "ends tomorrow"],
)
async def test_a_token_that_will_not_do_is_told(
    changes: dict[str, Any], words: str, system: System, hotel: Hotel
) -> None:
    await becomes(system, hotel, **changes)
    found = await check(hotel)
    assert failed(found) == ["token"]
    assert words in found["token"]["detail"]


async def test_a_token_that_meta_refuses_fails_what_needs_it_and_is_marked(system: System, hotel: Hotel) -> None:
    await becomes(system, hotel, accessToken="another-one")
    found = await check(hotel)
    assert failed(found) == [name for name in STEPS if name not in ("signature", "sending")]
    seen = await health(hotel)
    assert seen["tokenState"] == "REFUSED"
    assert {notice["kind"] for notice in seen["notices"]} == {"check_failed", "token_refused"}
    await becomes(system, hotel, accessToken=f"token-of-{hotel.number_id}")
    assert failed(await check(hotel)) == []
    assert (await health(hotel))["notices"] == []


async def test_no_answer_ever_quotes_the_token(system: System, hotel: Hotel) -> None:
    token = f"token-of-{hotel.number_id}"
    message = f"Malformed access token {token}"
    for path in (f"/{hotel.waba_id}/message_templates", f"/{hotel.number_id}/media"):
        await refuses(system, path, status=400, code=987, message=message, details=token)
    answer = await hotel.admin.post(f"/api/channels/{hotel.channel_id}/check")
    assert "Malformed access token ••••" in answer.text
    assert token not in answer.text


async def test_a_channel_without_a_token_is_told_so_at_once(hotel: Hotel) -> None:
    new = {"whatsappPhoneNumberId": unique_number_id(), "whatsappBusinessAccountId": unique_number_id()}
    made = (await hotel.admin.post("/api/channels", json=new)).json()
    found = await check(hotel, made["id"])
    assert failed(found) == [name for name in STEPS if name != "sending"]
    assert "não tem token" in found["token"]["detail"]


async def test_a_number_of_another_account_is_told(system: System, hotel: Hotel) -> None:
    other = await system.hotel("Duna")
    await becomes(system, other, accessToken=f"token-of-{hotel.number_id}")
    change = {"whatsappBusinessAccountId": other.waba_id}
    await hotel.admin.patch(f"/api/channels/{hotel.channel_id}", json=change)
    found = await check(hotel)
    assert not found["account"]["ok"]
    assert "ID" in found["account"]["fix"]


async def test_an_app_that_is_not_subscribed_is_offered_to_be(system: System, hotel: Hotel) -> None:
    token = f"Bearer token-of-{hotel.number_id}"
    await fake(system, "DELETE", f"/v25.0/{hotel.waba_id}/subscribed_apps", Authorization=token)
    found = await check(hotel)
    assert failed(found) == ["subscription"]
    assert "/subscribe" in found["subscription"]["fix"]
    done = await hotel.admin.post(f"/api/channels/{hotel.channel_id}/subscribe")
    assert (done.status_code, done.json()["step"], done.json()["ok"]) == (200, "subscription", True)
    assert failed(await check(hotel)) == []


async def test_a_channel_without_a_token_subscribes_to_nothing(hotel: Hotel) -> None:
    """Not 503 with Retry-After: another try does not help."""
    number = {"whatsappPhoneNumberId": unique_number_id(), "whatsappBusinessAccountId": unique_number_id()}
    channel = (await hotel.admin.post("/api/channels", json=number)).json()["id"]
    answer = await hotel.admin.post(f"/api/channels/{channel}/subscribe")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert answer.json()["detail"].startswith("O canal não tem token de acesso.")
    assert (await hotel.admin.delete(f"/api/channels/{channel}")).status_code == 204


async def test_another_app_that_is_subscribed_does_not_count(system: System, hotel: Hotel) -> None:
    await becomes(system, hotel, tokenApp="555")
    found = await check(hotel)
    assert failed(found) == ["subscription"]
    assert "CRM" in found["subscription"]["detail"]


async def test_subscribing_keeps_an_override_that_is_ours(system: System, hotel: Hotel) -> None:
    channel = (await hotel.admin.get(f"/api/channels/{hotel.channel_id}")).json()
    path, token = f"/v25.0/{hotel.waba_id}/subscribed_apps", f"Bearer token-of-{hotel.number_id}"
    ours = {"override_callback_uri": f"{system.url}/webhooks/whatsapp"}
    verify = channel["whatsappWebhookVerifyToken"]
    await fake(system, "POST", path, {**ours, "verify_token": verify}, Authorization=token)
    assert (await hotel.admin.post(f"/api/channels/{hotel.channel_id}/subscribe")).json()["ok"]
    [app] = (await fake(system, "GET", path, Authorization=token)).json()["data"]
    assert app["override_callback_uri"] == ours["override_callback_uri"]


async def test_an_override_that_leads_elsewhere_stays_as_it_is(system: System, hotel: Hotel) -> None:
    """Another CRM does not know the channel's verify token, so Meta refuses to set its address again."""
    path, token = f"/v25.0/{hotel.waba_id}/subscribed_apps", f"Bearer token-of-{hotel.number_id}"
    async with serving(_another_crm) as url:
        theirs = {"override_callback_uri": f"{url}/hook", "verify_token": "theirs"}
        await fake(system, "POST", path, theirs, Authorization=token)
        answer = await hotel.admin.post(f"/api/channels/{hotel.channel_id}/subscribe")
        assert (answer.status_code, "2200" in answer.json()["detail"]) == (409, True)
    [app] = (await fake(system, "GET", path, Authorization=token)).json()["data"]
    assert app["override_callback_uri"] == theirs["override_callback_uri"]


async def _another_crm(scope: Any, receive: Any, send: Any) -> None:
    """Echoes the challenge of who knows its own verify token."""
    if scope["type"] == "http":
        request = Request(scope, receive)
        known = request.query_params.get("hub.verify_token") == "theirs"
        answer = PlainTextResponse(request.query_params["hub.challenge"] if known else "", 200 if known else 403)
        await answer(scope, receive, send)


async def test_what_meta_refuses_of_subscribing_is_told_and_what_passes_may_be_repeated(
    system: System, hotel: Hotel
) -> None:
    path = f"/api/channels/{hotel.channel_id}/subscribe"
    await refuses(system, f"/{hotel.waba_id}/subscribed_apps", status=403, code=200)
    answer = await hotel.admin.post(path)
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "permissão" in answer.json()["detail"]
    await refuses(system, f"/{hotel.waba_id}/subscribed_apps", status=503, code=2)
    answer = await hotel.admin.post(path)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")


async def test_messages_that_go_elsewhere_are_told_unless_they_come_here(system: System) -> None:
    hotel = await system.hotel("Farol")
    await becomes(system, hotel, overrideCallbackUri="https://elsewhere.example/hook")
    found = await check(hotel)
    assert failed(found) == ["webhook", "signature"]
    assert "https://elsewhere.example/hook" in found["webhook"]["detail"]
    await Guest(hotel, unique_phone()).writes()  # a proxy in between leads here after all
    assert failed(await check(hotel)) == []


async def test_a_new_app_secret_must_be_seen_to_match_anew(hotel: Hotel) -> None:
    change = {"whatsappAppSecret": "a-secret-of-the-hotels-own-app"}
    await hotel.admin.patch(f"/api/channels/{hotel.channel_id}", json=change)
    found = await check(hotel)
    assert failed(found) == ["signature"]
    assert "celular" in found["signature"]["fix"]


async def test_a_channel_that_rests_is_told_why_and_how_it_goes_on(system: System, hotel: Hotel) -> None:
    await script(system, hotel, error={"status": 403, "code": 131042, "message": "Payment"})
    dora = Guest(hotel, unique_phone())
    await dora.writes()
    await send(hotel, await dora.conversation())

    async def rests() -> bool:
        return failed(await check(hotel)) == ["sending"]

    await eventually(rests)
    found = (await check(hotel))["sending"]
    assert "pagamento" in found["detail"]
    assert "/resume" in found["fix"]


@pytest.mark.parametrize("step", ["templates", "media"])
async def test_one_step_that_meta_refuses_hides_no_other(step: str, system: System, hotel: Hotel) -> None:
    paths = {"templates": f"/{hotel.waba_id}/message_templates", "media": f"/{hotel.number_id}/media"}
    await refuses(system, paths[step], status=403, code=131005)
    found = await check(hotel)
    assert failed(found) == [step]
    assert "permissão" in found[step]["detail"]
    assert "token" in found[step]["fix"]


async def test_a_meta_that_is_silent_is_not_waited_for(
    system: System, hotel: Hotel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "STEP_SECONDS", 2)
    rule = {"match": {"path": f"/{hotel.waba_id}/message_templates"}, "action": {"hang": True}}
    await fake(system, "POST", "/_fake/script", {"rules": [rule]})
    began = time.monotonic()
    found = await check(hotel)
    assert (failed(found), time.monotonic() - began < 8) == (["templates"], True)
    assert "não respondeu" in found["templates"]["detail"]


async def test_the_uploaded_picture_is_deleted_again(system: System, hotel: Hotel) -> None:
    async def upload() -> int:
        form = {"messaging_product": (None, "whatsapp"), "file": ("a.pdf", b"%PDF", "application/pdf")}
        answer = await graph.post(f"{hotel.number_id}/media", files=form)
        return int(answer.json()["id"])

    bearer = {"Authorization": f"Bearer token-of-{hotel.number_id}"}
    async with calling(base_url=f"{system.graph_url}/v25.0/", headers=bearer) as graph:
        before = await upload()
        assert (await check(hotel))["media"]["ok"]
        assert await upload() == before + 2  # the fake counts: the check's picture was between
        assert (await graph.get(str(before))).status_code == 200
        assert (await graph.get(str(before + 1))).json()["error"]["error_subcode"] == 33


async def test_attendants_and_other_hotels_check_nothing(hotel: Hotel, hotel_b: Hotel) -> None:
    for deed in ("check", "subscribe"):
        path = f"/api/channels/{hotel.channel_id}/{deed}"
        assert (await hotel.attendant.post(path)).status_code == 403
        assert (await hotel_b.admin.post(path)).status_code == 404
    lines = (await hotel.admin.get("/api/tenant/audit")).json()["data"]
    assert not {line["action"] for line in lines} & {"channel.checked", "channel.subscribed"}


def _unopened(caplog: pytest.LogCaptureFixture) -> set[str]:
    """The channels whose token the log says does not open."""
    lines = [line for line in caplog.records if line.getMessage() == "an access token does not open"]
    return {getattr(line, "channelId", "") for line in lines}


async def test_a_token_that_does_not_open_is_not_called_missing(
    hotel: Hotel, as_owner: Sql, caplog: pytest.LogCaptureFixture
) -> None:
    """Its key is gone from ENCRYPTION_KEYS, or the row came from another installation."""
    assert await as_owner(SPOILT, hotel.channel_id)
    found = (await check(hotel))["token"]
    assert found["ok"] is False
    assert found["detail"] == "O token guardado não abre com as chaves deste servidor."
    assert "ENCRYPTION_KEYS" in found["fix"]
    assert hotel.channel_id in _unopened(caplog)


async def test_a_token_kept_by_an_older_version_that_no_header_holds_stops_the_number(
    hotel: Hotel, as_owner: Sql, laid: Rails
) -> None:
    guest = Guest(hotel, unique_phone())
    await guest.writes()
    sealed = laid.box.seal("••••3202", UUID(hotel.id), "channels.access_token")
    await as_owner("UPDATE channels SET access_token = $2 WHERE id = $1", hotel.channel_id, sealed)
    message = await send(hotel, await guest.conversation())

    async def tried() -> dict[str, Any] | None:
        return (await now(hotel, message))["error"]

    error = await eventually(tried)
    assert (error["code"], (await now(hotel, message))["status"]) == (190, "QUEUED")
    assert (await check(hotel))["token"]["ok"] is False


async def test_what_waits_for_a_token_that_does_not_open_says_what_helps(
    hotel: Hotel, as_owner: Sql, caplog: pytest.LogCaptureFixture
) -> None:
    guest = Guest(hotel, unique_phone())
    await guest.writes()
    assert await as_owner(SPOILT, hotel.channel_id)
    message = await send(hotel, await guest.conversation())

    async def tried() -> dict[str, Any] | None:
        return (await now(hotel, message))["error"]

    error = await eventually(tried)
    assert (error["code"], "ENCRYPTION_KEYS" in error["detail"]) == (None, True)
    assert hotel.channel_id in _unopened(caplog)
