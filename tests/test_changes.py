"""Meta's other webhook fields: what each does to a number's health, its notices and its people's choices."""

import json
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from crm.changes import HANDLERS
from tests.meta import becomes, script, send, status, told
from tests.people import Sql
from tests.system import Guest, Hotel, System, eventually, unique_number_id, unique_phone

DISPLAY = "554832221000"
SHOWN = """INSERT INTO template_syncs (tenant_id, waba_id, due_at, synced_at) VALUES ($1, $2, 'infinity', now())
           ON CONFLICT (tenant_id, waba_id) DO UPDATE SET synced_at = now()"""
PAYLOADS = Path(__file__).parent / "payloads"


@pytest.fixture
async def hotel(system: System) -> Hotel:
    """A hotel whose number people dial as 48 3222-1000."""
    made = await system.hotel("Farol")
    change = {"displayPhoneNumber": "+55 48 3222-1000"}
    assert (await made.admin.patch(f"/api/channels/{made.channel_id}", json=change)).status_code == 200
    return made


def entry(hotel: Hotel, field: str, value: dict[str, Any], at: float | None = None) -> dict[str, Any]:
    """A webhook of an account's field, which names no phone_number_id."""
    changes = [{"field": field, "value": value}]
    one = {"id": hotel.waba_id, "time": int(time.time() if at is None else at), "changes": changes}
    return {"object": "whatsapp_business_account", "entry": [one]}


async def channel(hotel: Hotel) -> dict[str, Any]:
    return dict((await hotel.admin.get(f"/api/channels/{hotel.channel_id}")).json())


async def kinds(hotel: Hotel) -> set[str]:
    """The open notices."""
    return {notice["kind"] for notice in (await channel(hotel))["health"]["notices"]}


async def health(hotel: Hotel) -> dict[str, Any]:
    return dict((await channel(hotel))["health"])


# field, value -> what health shows, the notice raised; then the value that ends it.
RAISED = [
    (
        "phone_number_quality_update",
        {"event": "FLAGGED"},
        {"quality": "RED"},
        "quality_low",
        {"event": "UNFLAGGED"},
    ),
    (
        "phone_number_quality_update",
        {"event": "DOWNGRADE", "current_limit": "TIER_250", "old_limit": "TIER_1K"},
        {"limit": "TIER_250"},
        "limit_lowered",
        {"event": "UPGRADE", "max_daily_conversations_per_business": "TIER_2K"},
    ),
    (
        "phone_number_name_update",
        {"decision": "REJECTED", "requested_verified_name": "Farol", "rejection_reason": "NAME_EMPLOYEE"},
        {"nameStatus": "REJECTED"},
        "name_refused",
        {"decision": "APPROVED", "requested_verified_name": "Hotel Farol", "rejection_reason": "NONE"},
    ),
    ("business_username_update", {"status": "deleted"}, {"username": None}, "username_deleted", {
        "username": "farol", "status": "approved"}),
    ("account_review_update", {"decision": "REJECTED"}, {}, "review_refused", {"decision": "APPROVED"}),
    (
        "account_update",
        {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "DISABLE", "waba_ban_date": "April 17, 2027"}},
        {},
        "account_banned",
        {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "REINSTATE"}},
    ),
    ("account_update", {"event": "ACCOUNT_OFFBOARDED"}, {}, "phone_app_left", {"event": "ACCOUNT_RECONNECTED"}),
    (
        "account_alerts",
        {"alert_info": {"alert_severity": "CRITICAL", "alert_type": "X", "alert_description": "Y"}},
        {},
        "account_alert_critical",
        {"alert_info": {"alert_status": "RESOLVED", "alert_type": "X"}},
    ),
]  # fmt: skip
OF_NUMBER = {"phone_number_quality_update", "phone_number_name_update", "business_username_update", "security"}


def named(field: str, value: dict[str, Any]) -> dict[str, Any]:
    """Fields of a number say which by its digits; those of an account do not."""
    return {"display_phone_number": DISPLAY, **value} if field in OF_NUMBER else value


@pytest.mark.parametrize("case", RAISED, ids=lambda case: case[3])
async def test_what_people_should_act_on_becomes_a_notice_and_ends_by_itself(
    case: Any, hotel: Hotel, as_owner: Sql
) -> None:
    field, bad, shows, kind, good = case
    await told(hotel, as_owner, entry(hotel, field, named(field, bad), time.time() - 60))
    seen = await health(hotel)
    assert {name: seen[name] for name in shows} == shows
    [notice] = seen["notices"]
    assert (notice["kind"], notice["dismissedAt"]) == (kind, None)
    assert notice["text"]
    assert notice["whatToDo"]
    await told(hotel, as_owner, entry(hotel, field, named(field, good)))
    assert await kinds(hotel) == set()


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"event": "ACCOUNT_DELETED"}, "account_deleted"),
        ({"event": "ACCOUNT_VIOLATION", "violation_info": {"violation_type": "SCAM"}}, "account_violation"),
        ({"event": "ACCOUNT_RESTRICTION", "restriction_info": [{"restriction_type": "X"}]}, "account_restricted"),
        ({"event": "VOLUME_BASED_PRICING_TIER_UPDATE"}, None),
        ({"event": ["odd"], "ban_info": "odd"}, None),
    ],
)
async def test_of_an_accounts_events_those_that_ask_for_something_are_told(
    event: dict[str, Any], kind: str | None, hotel: Hotel, as_owner: Sql
) -> None:
    await told(hotel, as_owner, entry(hotel, "account_update", event))
    assert await kinds(hotel) == ({kind} if kind else set())
    assert (await hotel.admin.get("/api/dead-letters")).json()["data"] == []


async def test_a_lesser_alert_does_not_hide_a_grave_one(hotel: Hotel, as_owner: Sql) -> None:
    for severity in ("CRITICAL", "WARNING", "INFORMATIONAL"):
        info = {"alert_severity": severity, "alert_type": f"X_{severity}", "alert_description": severity.lower()}
        await told(hotel, as_owner, entry(hotel, "account_alerts", {"alert_info": info}))
    found = {notice["kind"]: notice["text"] for notice in (await health(hotel))["notices"]}
    assert found.keys() == {"account_alert", "account_alert_critical"}
    assert found["account_alert_critical"].endswith("Meta: critical")


async def test_a_partner_event_is_about_the_account_it_names(hotel: Hotel, as_owner: Sql) -> None:
    removed = entry(hotel, "account_update", {"event": "PARTNER_REMOVED", "waba_info": {"waba_id": hotel.waba_id}})
    removed["entry"][0]["id"] = unique_number_id()
    await told(hotel, as_owner, removed)
    assert await kinds(hotel) == {"app_removed"}


async def test_an_older_word_that_comes_later_changes_nothing(hotel: Hotel, as_owner: Sql) -> None:
    good, bad = [named("phone_number_quality_update", {"event": event}) for event in ("UNFLAGGED", "FLAGGED")]
    await told(hotel, as_owner, entry(hotel, "phone_number_quality_update", good))
    await told(hotel, as_owner, entry(hotel, "phone_number_quality_update", bad, time.time() - 600))
    assert ((await health(hotel))["quality"], await kinds(hotel)) == ("UNKNOWN", set())


async def test_a_repeated_webhook_raises_no_dismissed_notice_again(hotel: Hotel, as_owner: Sql) -> None:
    body = entry(hotel, "security", named("security", {"event": "PIN_RESET_REQUEST", "requester": "1"}))
    await told(hotel, as_owner, body)
    [notice] = (await health(hotel))["notices"]
    path = f"/api/channels/{hotel.channel_id}/notices/{notice['id']}/dismiss"
    first, again = [(await hotel.admin.post(path)).json() for _ in range(2)]
    assert first == again
    assert (first["kind"], bool(first["dismissedAt"]), bool(first["dismissedBy"])) == ("security_event", True, True)
    body["entry"][0]["changes"].append({"field": "security", "value": {"display_phone_number": "1"}})
    await told(hotel, as_owner, body)
    assert await kinds(hotel) == set()


async def test_a_field_of_one_number_leaves_the_accounts_other_numbers_alone(
    system: System, hotel: Hotel, as_owner: Sql
) -> None:
    other = await system.channel(hotel.admin, unique_number_id(), hotel.waba_id)
    path = f"/api/channels/{other['id']}"
    await hotel.admin.patch(path, json={"displayPhoneNumber": "+55 48 3222-9999"})
    value = named("phone_number_quality_update", {"event": "FLAGGED"})
    await told(hotel, as_owner, entry(hotel, "phone_number_quality_update", value))
    await told(
        hotel, as_owner, entry(hotel, "business_capability_update", {"max_daily_conversations_per_business": 2000})
    )
    seen = (await hotel.admin.get(path)).json()["health"]
    assert (seen["quality"], seen["limit"], seen["notices"]) == (None, "2000", [])
    assert (await health(hotel))["quality"] == "RED"


async def test_a_number_nobody_typed_is_known_by_what_meta_told(system: System, as_owner: Sql) -> None:
    """Before the check, by being the account's only one; afterwards by its own digits."""
    hotel, flagged = await system.hotel("Farol"), {"event": "FLAGGED"}
    value = {"display_phone_number": "551133330000", **flagged}
    await told(hotel, as_owner, entry(hotel, "phone_number_quality_update", value, time.time() - 60))
    assert (await health(hotel))["quality"] == "RED"
    await hotel.admin.post(f"/api/channels/{hotel.channel_id}/check")
    assert (await health(hotel))["quality"] == "GREEN"
    await told(hotel, as_owner, entry(hotel, "phone_number_quality_update", value, time.time() + 5))
    assert (await health(hotel))["quality"] == "GREEN"
    value = {"display_phone_number": DISPLAY, **flagged}
    await told(hotel, as_owner, entry(hotel, "phone_number_quality_update", value, time.time() + 5))
    assert (await health(hotel))["quality"] == "RED"


async def test_what_meta_writes_at_length_is_kept_short(hotel: Hotel, as_owner: Sql) -> None:
    info = [{"restriction_type": "x" * 9000, "expiration": 1, "more": "y" * 9000}] * 50
    await told(
        hotel, as_owner, entry(hotel, "account_update", {"event": "ACCOUNT_RESTRICTION", "restriction_info": info})
    )
    [notice] = (await health(hotel))["notices"]
    assert (len(notice["data"]["restrictions"]), len(str(notice["data"])) < 6000) == (10, True)


async def test_another_hotel_hears_nothing_of_it(hotel: Hotel, hotel_b: Hotel, as_owner: Sql) -> None:
    await told(hotel, as_owner, entry(hotel, "account_update", {"event": "ACCOUNT_DELETED"}))
    assert "account_deleted" not in (await hotel_b.admin.get("/api/channels?limit=100")).text


async def test_who_only_writes_an_accounts_id_hears_nothing_of_it(
    system: System, hotel_b: Hotel, as_owner: Sql
) -> None:
    """Also when the spy wrote it first, once the account's own hotel has shown its token."""
    waba, number = unique_number_id(), unique_number_id()
    spy = {
        "whatsappPhoneNumberId": number,
        "whatsappBusinessAccountId": waba,
        "whatsappAccessToken": "a-token-of-mine",
        "whatsappAppSecret": "a-secret-of-mine",
    }
    made = (await hotel_b.admin.post("/api/channels", json=spy)).json()
    own = await system.hotel("Dona")
    await own.admin.patch(f"/api/channels/{own.channel_id}", json={"whatsappBusinessAccountId": waba})
    await as_owner(SHOWN, UUID(own.id), waba)
    body = entry(own, "account_update", {"event": "ACCOUNT_DELETED"})
    body["entry"][0]["id"] = waba
    await told(own, as_owner, body)
    seen = [
        one for hotel in (own, hotel_b) for one in (await hotel.admin.get("/api/channels?limit=100")).json()["data"]
    ]
    notices = {one["id"]: one["health"]["notices"] for one in seen}
    assert ([one["kind"] for one in notices[own.channel_id]], notices[made["id"]]) == (["account_deleted"], [])

    async def heard() -> list[dict[str, Any]]:
        return list((await hotel_b.admin.get(f"/api/channels/{made['id']}")).json()["health"]["notices"])

    assert (await hotel_b.webhook(body, spy["whatsappAppSecret"])).status_code == 200
    assert [one["kind"] for one in await eventually(heard)] == ["account_deleted"]  # the own word is heard


async def test_a_fixture_of_metas_own_docs_is_understood(hotel: Hotel, as_owner: Sql) -> None:
    body = json.loads((PAYLOADS / "account_update.json").read_text())
    body["entry"][0]["id"] = hotel.waba_id
    await told(hotel, as_owner, body)
    [notice] = (await health(hotel))["notices"]
    assert notice["data"] == {"state": "SCHEDULE_FOR_DISABLE", "date": "April 17, 2027"}


def preference(guest: Guest, value: str, at: float, **who: Any) -> dict[str, Any]:
    """A user_preferences webhook."""
    one = {"detail": "…", "category": "marketing_messages", "value": value, "timestamp": int(at), **who}
    body = guest.hotel.envelope(contacts=[guest.profile()], user_preferences=[one])
    body["entry"][0]["changes"][0]["field"] = "user_preferences"
    return body


async def opted_out(as_owner: Sql, column: str, value: str) -> bool | None:
    rows = await as_owner(f"SELECT marketing_opt_out FROM contacts WHERE {column} = $1", value)
    assert len(rows) <= 1
    return rows[0][0] if rows else None


async def test_a_person_stops_and_resumes_marketing_and_the_later_word_wins(hotel: Hotel, as_owner: Sql) -> None:
    dora, now = Guest(hotel, unique_phone()), time.time()
    await dora.writes()
    for value, at, out in (("stop", now - 100, True), ("resume", now - 50, False), ("stop", now - 70, False)):
        await told(hotel, as_owner, preference(dora, value, at, wa_id=dora.wa_id))
        assert await opted_out(as_owner, "wa_id", dora.wa_id) is out, value


async def choices_told(as_owner: Sql, guest: Guest) -> list[bool]:
    """What the hotel's sockets heard of the guest's choices, in order."""
    query = """SELECT data::jsonb #> '{contact,marketingOptOut}' AS out FROM feed_events
               WHERE tenant_id = $1 AND event = 'contact:updated' AND data LIKE $2 ORDER BY seq"""
    return [row["out"] == "true" for row in await as_owner(query, guest.hotel.id, f"%{guest.wa_id}%")]


async def test_everybody_hears_of_a_choice_once_and_of_no_late_one(hotel: Hotel, as_owner: Sql) -> None:
    dora, now = Guest(hotel, unique_phone()), time.time()
    for value, at in (("stop", now - 100), ("stop", now - 90), ("resume", now - 50), ("stop", now - 70)):
        await told(hotel, as_owner, preference(dora, value, at, wa_id=dora.wa_id))
    assert await choices_told(as_owner, dora) == [True, False]


async def test_who_is_not_known_yet_opts_out_by_phone_or_by_bsuid(hotel: Hotel, as_owner: Sql) -> None:
    caio, bsuid = Guest(hotel, unique_phone()), f"BR.{unique_number_id()}"
    await told(hotel, as_owner, preference(caio, "stop", time.time(), wa_id=caio.wa_id))
    await told(hotel, as_owner, preference(caio, "stop", time.time(), user_id=bsuid))
    await told(hotel, as_owner, preference(caio, "stop", time.time()))  # names nobody
    assert await opted_out(as_owner, "wa_id", caio.wa_id) is True
    assert await opted_out(as_owner, "bsuid", bsuid) is True


async def test_everybody_hears_that_a_choice_proved_two_contacts_to_be_one(hotel: Hotel, as_owner: Sql) -> None:
    dora, bsuid = Guest(hotel, unique_phone()), f"BR.{unique_number_id()}"
    await told(hotel, as_owner, preference(dora, "resume", time.time(), wa_id=dora.wa_id))
    await told(hotel, as_owner, preference(dora, "resume", time.time(), user_id=bsuid))
    await told(hotel, as_owner, preference(dora, "resume", time.time(), wa_id=dora.wa_id, user_id=bsuid))
    merged = "SELECT into_id FROM contact_merges WHERE tenant_id = $1"
    [row] = await as_owner(merged, hotel.id)
    heard = "SELECT count(*) FROM feed_events WHERE tenant_id = $1 AND data LIKE $2"
    assert (await as_owner(heard, hotel.id, f"%{row['into_id']}%"))[0][0] == 1


@pytest.mark.parametrize("late", [False, True], ids=["refused at once", "failed by a status"])
async def test_a_send_to_who_opted_out_is_remembered(
    late: bool, system: System, hotel: Hotel, as_owner: Sql
) -> None:
    dora = Guest(hotel, unique_phone())
    await dora.writes()
    if late:
        await script(system, hotel, failure={"code": 131050, "title": "Opted out"})
    else:
        await script(system, hotel, error={"status": 400, "code": 131050, "message": "Opted out"})
    message = await becomes(hotel, await send(hotel, await dora.conversation()), "FAILED")
    assert message["error"]["action"] == "opted_out"
    await eventually(lambda: opted_out(as_owner, "wa_id", dora.wa_id))
    assert await choices_told(as_owner, dora) == [True]


async def test_another_failure_opts_nobody_out(hotel: Hotel, as_owner: Sql) -> None:
    dora = Guest(hotel, unique_phone())
    await dora.writes()
    message = await becomes(hotel, await send(hotel, await dora.conversation()), "SENT", "DELIVERED", "READ")
    failed = status(message["wamid"], "failed", errors=[{"code": 131049, "title": "x"}])
    await told(hotel, as_owner, hotel.envelope(statuses=[failed]))
    assert await opted_out(as_owner, "wa_id", dora.wa_id) is False


def test_the_fields_of_numbers_and_accounts_have_a_handler() -> None:
    ours = {field for field, *_ in RAISED} | {"business_capability_update", "security", "user_preferences"}
    assert ours <= set(HANDLERS)
    assert list(HANDLERS) == sorted(HANDLERS)


async def test_nobody_dismisses_a_notice_of_another_channel(
    hotel: Hotel, as_owner: Sql, alice: httpx.AsyncClient
) -> None:
    await told(hotel, as_owner, entry(hotel, "account_update", {"event": "ACCOUNT_DELETED"}))
    [notice] = (await health(hotel))["notices"]
    own = (await alice.get("/api/channels?limit=100")).json()["data"][0]["id"]
    for place in (own, hotel.channel_id):
        assert (await alice.post(f"/api/channels/{place}/notices/{notice['id']}/dismiss")).status_code == 404
    assert await kinds(hotel) == {"account_deleted"}
