"""How a number stands with Meta, as people see it: its traffic, its token, and notices live."""

import time
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from crm.channels import health as ear
from crm.core import rails
from crm.core.config import Settings
from tests.meta import becomes, script, send, told
from tests.people import Sql
from tests.sockets import listening
from tests.system import Guest, Hotel, System, calling, eventually, unique_number_id, unique_phone


@pytest.fixture
async def hotel(system: System) -> Hotel:
    """A hotel of this test's own."""
    return await system.hotel("Farol")


async def health(hotel: Hotel, who: httpx.AsyncClient | None = None) -> dict[str, Any]:
    """The health of its number, as its list shows it."""
    listed = (await (who or hotel.admin).get("/api/channels?limit=100")).json()["data"]
    return dict(next(one for one in listed if one["id"] == hotel.channel_id)["health"])


async def test_a_new_number_has_no_history(hotel: Hotel) -> None:
    seen = await health(hotel)
    assert (seen.pop("tokenState"), seen.pop("notices")) == ("UNKNOWN", [])
    assert set(seen.values()) == {None}


async def test_a_number_shows_when_it_last_heard_from_meta_and_that_its_token_works(hotel: Hotel) -> None:
    dora, began = Guest(hotel, unique_phone()), datetime.now(UTC) - timedelta(seconds=2)
    await dora.writes()
    seen = await health(hotel, hotel.attendant)
    assert (seen["lastStatusAt"], seen["tokenState"]) == (None, "UNKNOWN")
    assert {datetime.fromisoformat(seen[name]) >= began for name in ("lastWebhookAt", "lastInboundAt")} == {True}
    await becomes(hotel, await send(hotel, await dora.conversation()), "READ")
    seen = await health(hotel)
    assert (seen["tokenState"], bool(seen["lastStatusAt"])) == ("OK", True)


async def test_an_old_message_brought_again_does_not_look_like_traffic(hotel: Hotel, as_owner: Sql) -> None:
    dora = Guest(hotel, unique_phone())
    old = {**dora.message(), "timestamp": str(int(time.time()) - 3600)}
    await told(hotel, as_owner, dora.body(old))
    assert datetime.fromisoformat((await health(hotel))["lastInboundAt"]) < datetime.now(UTC) - timedelta(
        minutes=59
    )


async def test_a_busy_number_is_written_down_once_in_five_seconds(
    hotel: Hotel, settings: Settings, as_owner: Sql
) -> None:
    laid, channel = await rails.lay(settings), UUID(hotel.channel_id)
    for second in range(3):
        async with laid.db.tenant(UUID(hotel.id)) as tx:
            await ear.hear(tx, {(channel, "inbound"): datetime.now(UTC) + timedelta(seconds=second - 10)})
    [row] = await as_owner("SELECT at FROM channel_health WHERE channel_id = $1", channel)
    assert row["at"] < datetime.now(UTC) - timedelta(seconds=9)
    await laid.close()


async def test_what_was_rolled_back_was_not_heard(hotel: Hotel, settings: Settings) -> None:
    laid, channel = await rails.lay(settings), UUID(hotel.channel_id)
    with suppress(ZeroDivisionError):
        async with laid.db.tenant(UUID(hotel.id)) as tx:
            await ear.hear(tx, {(channel, "webhook"): datetime.now(UTC)})
            raise ZeroDivisionError
    assert (await health(hotel))["lastWebhookAt"] is None
    async with laid.db.tenant(UUID(hotel.id)) as tx:
        await ear.hear(tx, {(channel, "webhook"): datetime.now(UTC)})
    assert (await health(hotel))["lastWebhookAt"]
    await laid.close()


@pytest.fixture
async def refused(system: System, hotel: Hotel) -> AsyncIterator[Hotel]:
    """A hotel whose token Meta has just refused."""
    dora = Guest(hotel, unique_phone())
    await dora.writes()
    await script(system, hotel, times=None, error={"status": 401, "code": 190, "message": "Session has expired"})
    await send(hotel, await dora.conversation())

    async def rests() -> bool:
        return (await health(hotel))["tokenState"] == "REFUSED"

    await eventually(rests)
    yield hotel
    async with calling() as client:
        await client.delete(f"{system.graph_url}/_fake/script")


async def test_a_refused_token_is_a_notice_until_a_new_one_is_written(refused: Hotel) -> None:
    [notice] = (await health(refused))["notices"]
    assert (notice["kind"], notice["severity"], notice["data"]["code"]) == ("token_refused", "CRITICAL", 190)
    assert "token" in notice["text"]
    change = {"whatsappAccessToken": f"token-of-{refused.number_id}"}
    changed = await refused.admin.patch(f"/api/channels/{refused.channel_id}", json=change)
    assert (changed.json()["health"]["tokenState"], changed.json()["health"]["notices"]) == ("UNKNOWN", [])


async def test_notices_are_told_in_the_language_asked_for(refused: Hotel) -> None:
    texts = []
    for language in ("pt-BR", "en"):
        answer = await refused.admin.get("/api/channels?limit=100", headers={"Accept-Language": language})
        texts.append(answer.json()["data"][0]["health"]["notices"][0]["text"])
    assert texts[0].startswith("A Meta recusou")
    assert texts[1].startswith("Meta has refused")


async def test_a_payment_that_is_missing_is_told_in_the_words_of_its_code(system: System, hotel: Hotel) -> None:
    dora = Guest(hotel, unique_phone())
    await dora.writes()
    await script(system, hotel, error={"status": 403, "code": 131042, "message": "Payment"})
    message = await send(hotel, await dora.conversation())

    async def notice() -> Any:
        return next(iter((await health(hotel))["notices"]), None)

    found = await eventually(notice)
    assert (found["kind"], found["data"]["action"]) == ("sending_stopped", "check_payment")
    assert found["text"].startswith("Há um problema com o pagamento")
    resumed = await hotel.admin.post(f"/api/channels/{hotel.channel_id}/resume")
    assert resumed.json()["health"]["notices"] == []
    await becomes(hotel, message, "READ")


async def test_a_number_without_a_token_says_so(hotel: Hotel) -> None:
    new = {"whatsappPhoneNumberId": unique_number_id(), "whatsappBusinessAccountId": unique_number_id()}
    made = (await hotel.admin.post("/api/channels", json=new)).json()
    assert made["health"]["tokenState"] == "MISSING"


async def test_a_channel_that_gets_another_number_begins_anew(hotel: Hotel) -> None:
    await Guest(hotel, unique_phone()).writes()
    change = {"whatsappPhoneNumberId": unique_number_id()}
    changed = (await hotel.admin.patch(f"/api/channels/{hotel.channel_id}", json=change)).json()
    assert changed["health"]["lastInboundAt"] is None


async def test_raising_and_ending_a_notice_is_told_live_without_the_verify_token(
    hotel: Hotel, as_owner: Sql
) -> None:
    async with listening(hotel.attendant) as bruno:
        for event, open_notices in (("PARTNER_REMOVED", 1), ("PARTNER_ADDED", 0)):
            change = {"field": "account_update", "value": {"event": event}}
            await told(hotel, as_owner, {"entry": [{"id": hotel.waba_id, "changes": [change]}]})
            frame = await bruno.hear("channel:updated")
            assert frame["data"]["channel"]["id"] == hotel.channel_id
            assert len(frame["data"]["channel"]["health"]["notices"]) == open_notices
            assert frame["data"]["channel"]["whatsappWebhookVerifyToken"] == "••••"
