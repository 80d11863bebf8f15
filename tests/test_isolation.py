"""Hotel B cannot see, change or reach anything of hotel A: in SQL as the app's role, by the pool, over REST."""

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from crm.core import db, sql
from ops.dev.home import Home
from tests.meta import dead_letter
from tests.people import Sql
from tests.system import Guest, Hotel, System, eventually, unique_phone

TABLES = """
SELECT c.relname FROM pg_class AS c
INNER JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND a.attnotnull
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
"""
# Rows of hotel A that no river above brings.
FURNITURE = [
    "INSERT INTO media (tenant_id, direction, mime_type) VALUES ($1, 'OUTBOUND', 'image/png')",
    """INSERT INTO message_files (tenant_id, message_id, media_id)
    SELECT m.tenant_id, m.id, f.id FROM messages AS m INNER JOIN media AS f ON m.tenant_id = f.tenant_id
    WHERE m.tenant_id = $1 LIMIT 1""",
    "INSERT INTO media_leftovers (tenant_id, sha256, due_at) VALUES ($1, '\\x00', 'infinity')",
    """INSERT INTO media_uploads (tenant_id, channel_id, sha256, mime_type, graph_id)
    SELECT tenant_id, id, '\\x00', 'image/png', '1' FROM channels WHERE tenant_id = $1 LIMIT 1""",
    """INSERT INTO channel_notices (tenant_id, channel_id, kind, severity)
    SELECT tenant_id, id, 'quality_low', 'WARNING' FROM channels WHERE tenant_id = $1 LIMIT 1""",
    """INSERT INTO channel_hours (tenant_id, channel_id, hour)
    SELECT tenant_id, id, '2000-01-01' FROM channels WHERE tenant_id = $1 LIMIT 1""",
    """INSERT INTO templates (tenant_id, waba_id, name, language, category, status, components)
    VALUES ($1, '1', 'welcome', 'pt_BR', 'UTILITY', 'APPROVED', '[]')""",
    "INSERT INTO template_syncs (tenant_id, waba_id, due_at) VALUES ($1, '1', now())",
    """INSERT INTO contact_aliases (tenant_id, kind, value, contact_id)
    SELECT tenant_id, 'wa_id', 'former', id FROM contacts WHERE tenant_id = $1 LIMIT 1""",
    """INSERT INTO stays (tenant_id, contact_id, code, check_in, check_out, status)
    SELECT tenant_id, id, 'R-1', current_date, current_date, 'BOOKED' FROM contacts WHERE tenant_id = $1 LIMIT 1""",
    """INSERT INTO stay_messages (tenant_id, name, anchor, offset_days, at, content)
    VALUES ($1, 'Furniture', 'check_in', -60, '09:00', 'Olá')""",
    """INSERT INTO stay_sends (tenant_id, stay_id, rule_id, send_at)
    SELECT s.tenant_id, s.id, r.id, now() FROM stays AS s INNER JOIN stay_messages AS r ON s.tenant_id = r.tenant_id
    WHERE s.tenant_id = $1 LIMIT 1""",
    """INSERT INTO contact_attributes (tenant_id, key, label, type, place)
    VALUES ($1, 'furniture', 'Furniture', 'text', 1)""",
    "INSERT INTO departments (tenant_id, name) VALUES ($1, uuidv7()::text)",
    "INSERT INTO tags (tenant_id, name, color) VALUES ($1, 'VIP', '#ff0000')",
    "INSERT INTO quick_replies (tenant_id, shortcut, content) VALUES ($1, 'oi', 'Olá')",
    """INSERT INTO department_members (tenant_id, department_id, user_id)
    SELECT d.tenant_id, d.id, u.id FROM departments AS d INNER JOIN users AS u ON d.tenant_id = u.tenant_id
    WHERE d.tenant_id = $1 LIMIT 1""",
    """UPDATE conversations SET tags = ARRAY['vip'] WHERE id = (
        SELECT id FROM conversations WHERE tenant_id = $1 ORDER BY id LIMIT 1)""",
    """INSERT INTO snoozes (tenant_id, conversation_id, due_at)
    SELECT tenant_id, id, 'infinity' FROM conversations WHERE tenant_id = $1 LIMIT 1""",
    """INSERT INTO conversation_entries (tenant_id, conversation_id, type)
    SELECT tenant_id, id, 'note' FROM conversations WHERE tenant_id = $1 LIMIT 1""",
    """INSERT INTO drafts (tenant_id, user_id, conversation_id, content)
    SELECT c.tenant_id, u.id, c.id, 'Olá' FROM conversations AS c INNER JOIN users AS u ON c.tenant_id = u.tenant_id
    WHERE c.tenant_id = $1 LIMIT 1""",
    """INSERT INTO contact_merges (tenant_id, from_id, into_id, why, moved)
    SELECT tenant_id, id, id, 'a test', '{}' FROM contacts WHERE tenant_id = $1 LIMIT 1""",
    "INSERT INTO retentions (tenant_id, kept_since, seen_id) VALUES ($1, '-infinity', $1) ON CONFLICT DO NOTHING",
    """INSERT INTO contact_erasures (tenant_id, contact_id, needles, lanes, spans, done_at)
    SELECT tenant_id, id, '{}', '{}', '{}', now() FROM contacts WHERE tenant_id = $1 LIMIT 1""",
    "INSERT INTO contact_imports (tenant_id, columns, headings, status) VALUES ($1, '{a}', '{a}', 'FAILED')",
    """INSERT INTO contact_import_lines (tenant_id, import_id, line, cells)
    SELECT tenant_id, id, 2, '["1"]' FROM contact_imports WHERE tenant_id = $1 AND status = 'FAILED' LIMIT 1""",
    """INSERT INTO contact_import_people (tenant_id, import_id, contact_id, line)
    SELECT tenant_id, id, id, 2 FROM contact_imports WHERE tenant_id = $1 AND status = 'FAILED' LIMIT 1""",
    """INSERT INTO contact_import_errors (tenant_id, import_id, line, place, heading, pt, en)
    SELECT tenant_id, id, 2, 0, '', '', '' FROM contact_imports
    WHERE tenant_id = $1 AND status = 'FAILED' LIMIT 1""",
]
REFUSED = asyncpg.InsufficientPrivilegeError
NUMBERED = sql.parse("test", "-- name: seen() -> value text\nSELECT string_agg(id::text, ',') FROM tenants;")[0]


@pytest.fixture(scope="module")
async def tables(as_owner: Sql) -> list[str]:
    """Every tenant table."""
    return [record[0] for record in await as_owner(TABLES)]


@pytest.fixture(scope="module")
async def ids(hotel_a: Hotel, tables: list[str], as_owner: Sql) -> dict[str, str]:
    """Ids of hotel A's objects, once it has a row in every tenant table."""
    dora = Guest(hotel_a, unique_phone())
    message = await dora.writes("Há quarto?")
    conversation = await dora.conversation()
    url = f"/api/conversations/{conversation['id']}/messages"
    answer = await hotel_a.attendant.post(url, json={"content": "Há."}, headers={"Idempotency-Key": dora.wa_id})
    assert answer.status_code == 201
    stray = {"id": f"wamid.{dora.wa_id}.stray", "status": "sent", "timestamp": "1700000000", "recipient_id": "1"}
    assert (await hotel_a.webhook(hotel_a.envelope(statuses=[stray]))).status_code == 200
    assert await as_owner("SELECT FROM users WHERE tenant_id = $1", UUID(hotel_a.id))
    await dead_letter(dora)
    for insert in FURNITURE:
        await as_owner(insert, UUID(hotel_a.id))

    async def full() -> bool:
        return not [table for table in tables if not await rows_of(as_owner, table, hotel_a.id)]

    await eventually(full)
    return {
        "conversation": conversation["id"],
        "contact": conversation["contact"]["id"],
        "message": message["id"],
        "channel": hotel_a.channel_id,
    }


async def rows_of(run: Sql, table: str, owner: str, tenant: str | None = None) -> int:
    """How many rows of a hotel a role sees in a table, standing in `tenant`."""
    found = await run(f"SELECT count(*) FROM {table} WHERE tenant_id = $1", UUID(owner), tenant=tenant)
    return int(found[0][0])


async def test_without_a_tenant_no_table_shows_a_row(as_app: Sql, tables: list[str], ids: dict[str, str]) -> None:
    seen = {table: (await as_app(f"SELECT count(*) FROM {table}"))[0][0] for table in [*tables, "tenants"]}
    assert set(seen.values()) == {0}


async def test_without_a_tenant_nothing_can_be_written(as_app: Sql, tables: list[str]) -> None:
    for table in tables:
        with pytest.raises(REFUSED):
            await as_app(f"INSERT INTO {table} DEFAULT VALUES")


async def test_a_tenant_sees_its_own_rows_and_nobody_elses(
    as_app: Sql, tables: list[str], ids: dict[str, str], hotel_a: Hotel, hotel_b: Hotel
) -> None:
    for table in tables:
        assert await rows_of(as_app, table, hotel_a.id, tenant=hotel_a.id) > 0, table
        assert await rows_of(as_app, table, hotel_a.id, tenant=hotel_b.id) == 0, table


async def test_what_a_tenant_sees_without_a_filter_is_all_its_own(
    as_app: Sql, tables: list[str], ids: dict[str, str], hotel_b: Hotel
) -> None:
    for table in tables:
        found = await as_app(f"SELECT DISTINCT tenant_id FROM {table}", tenant=hotel_b.id)
        assert {str(row[0]) for row in found} <= {hotel_b.id}, table


async def test_in_a_tenant_the_system_sees_no_key_and_no_person_of_another(
    as_system: Sql, ids: dict[str, str], hotel_a: Hotel, hotel_b: Hotel
) -> None:
    for table in ("idempotency_keys", "users"):
        assert await rows_of(as_system, table, hotel_a.id, tenant=hotel_a.id) > 0
        assert await rows_of(as_system, table, hotel_a.id, tenant=hotel_b.id) == 0
    note = "INSERT INTO audit_log (tenant_id, action) VALUES ($1, 'x')"
    with pytest.raises(REFUSED):
        await as_system(note, UUID(hotel_a.id), tenant=hotel_b.id)


async def test_no_row_can_be_added_under_another_tenant(
    as_app: Sql, tables: list[str], hotel_a: Hotel, hotel_b: Hotel
) -> None:
    for table in tables:
        with pytest.raises(REFUSED):
            await as_app(f"INSERT INTO {table} (tenant_id) VALUES ($1)", UUID(hotel_a.id), tenant=hotel_b.id)


async def test_no_row_can_be_moved_to_another_tenant(
    as_app: Sql, tables: list[str], hotel_a: Hotel, hotel_b: Hotel
) -> None:
    for table in tables:
        move = f"UPDATE {table} SET tenant_id = $1"
        with pytest.raises(REFUSED, match="permission denied for table"):
            await as_app(move, UUID(hotel_b.id), tenant=hotel_a.id)


async def test_changes_never_touch_another_tenants_rows(
    as_app: Sql, ids: dict[str, str], hotel_a: Hotel, hotel_b: Hotel
) -> None:
    change = "UPDATE {} SET updated_at = now() WHERE id = $1 RETURNING id"
    for table in ("contacts", "conversations", "channels"):
        row = UUID(ids[table[:-1]])
        assert await as_app(change.format(table), row, tenant=hotel_b.id) == []
        assert len(await as_app(change.format(table), row, tenant=hotel_a.id)) == 1


async def test_deletes_never_touch_another_tenants_rows(as_app: Sql, hotel_a: Hotel, hotel_b: Hotel) -> None:
    park = "INSERT INTO parked_statuses (wamid, status, at) VALUES ($1, 'SENT', now()) RETURNING id"
    for hotel in (hotel_a, hotel_b):
        await as_app(park, f"wamid.parked.{hotel.id}", tenant=hotel.id)
    gone = await as_app("DELETE FROM parked_statuses RETURNING tenant_id", tenant=hotel_b.id)
    assert {str(row["tenant_id"]) for row in gone} == {hotel_b.id}
    assert await as_app("SELECT 1 FROM parked_statuses", tenant=hotel_a.id)


@pytest.mark.parametrize("theirs", ["contact_id", "channel_id"])
async def test_a_row_cannot_point_at_another_tenants(
    theirs: str, as_app: Sql, ids: dict[str, str], hotel_b: Hotel
) -> None:
    dora = Guest(hotel_b, unique_phone())
    await dora.writes()
    own = await dora.conversation()
    links = {"contact_id": UUID(own["contact"]["id"]), "channel_id": UUID(hotel_b.channel_id)}
    links[theirs] = UUID(ids[theirs.removesuffix("_id")])
    new = "INSERT INTO conversations (contact_id, channel_id, status) VALUES ($1, $2, 'CLOSED') RETURNING id"
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await as_app(new, *links.values(), tenant=hotel_b.id)


async def test_the_same_row_pointing_at_the_own_contact_is_taken(
    as_app: Sql, ids: dict[str, str], hotel_a: Hotel
) -> None:
    new = "INSERT INTO conversations (contact_id, channel_id, status) VALUES ($1, $2, 'CLOSED') RETURNING id"
    assert len(await as_app(new, UUID(ids["contact"]), UUID(ids["channel"]), tenant=hotel_a.id)) == 1


async def test_after_the_transaction_the_setting_is_empty_and_shows_nothing(home: Home, hotel_a: Hotel) -> None:
    connection = await asyncpg.connect(home.database_url("app"))
    try:
        assert await connection.fetchval("SELECT current_setting('app.tenant_id', TRUE)") is None
        async with connection.transaction():
            await connection.execute(f"SET LOCAL app.tenant_id = '{hotel_a.id}'")
            assert await connection.fetchval("SELECT count(*) FROM tenants") == 1
        assert await connection.fetchval("SELECT current_setting('app.tenant_id', TRUE)") == ""
        assert await connection.fetchval("SELECT count(*) FROM tenants") == 0
    finally:
        await connection.close()


async def test_many_transactions_of_two_tenants_on_two_connections_never_mix(
    system: System, hotel_a: Hotel, hotel_b: Hotel
) -> None:
    settings = system.settings
    database = await db.Database.open(settings, 10, 2)

    async def look(hotel: Hotel, fail: bool) -> Any:
        try:
            async with database.tenant(UUID(hotel.id)) as tx:
                seen = await tx.value(NUMBERED)
                await asyncio.sleep(0)
                assert seen == hotel.id == await tx.value(NUMBERED)
                return 1 / (not fail)
        except ZeroDivisionError:
            return "rolled back"

    outcomes = []
    for turn in range(0, 100, 10):  # 20 at a time: a slow machine must not make them wait until they are refused
        turns = [look(hotel, fail=one % 3 == 0) for one in range(turn, turn + 10) for hotel in (hotel_a, hotel_b)]
        outcomes += await asyncio.gather(*turns)
    assert (outcomes.count("rolled back"), outcomes.count(1.0)) == (68, 132)
    async with database._app.connections.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM tenants") == 0
    await database.close()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/conversations/{conversation}", None),
        ("GET", "/api/conversations/{conversation}/messages", None),
        ("POST", "/api/conversations/{conversation}/messages", {"content": "Olá"}),
        ("POST", "/api/conversations/{conversation}/read", None),
        ("POST", "/api/conversations/{conversation}/unread", None),
        ("POST", "/api/conversations/{conversation}/assign", {"userId": None}),
    ],
)
async def test_carla_finds_none_of_hotel_as_conversations(
    method: str, path: str, body: Any, carla: httpx.AsyncClient, bruno: httpx.AsyncClient, ids: dict[str, str]
) -> None:
    url = path.format(**ids)
    answer = await carla.request(method, url, json=body)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await bruno.get(f"/api/conversations/{ids['conversation']}")).json()["unreadCount"] == 1


async def test_carla_cannot_write_over_hotel_as_channel(carla: httpx.AsyncClient, ids: dict[str, str]) -> None:
    new = {"to": "+55 48 99911-2233", "content": "Olá", "channelId": ids["channel"]}
    answer = await carla.post("/api/messages/send", json=new)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/channelId")


async def test_the_lists_of_hotel_b_hold_nothing_of_hotel_a(hotel_b: Hotel, ids: dict[str, str]) -> None:
    for path in ("/api/conversations", "/api/channels", "/api/users", "/api/tenant/audit"):
        answer = await hotel_b.admin.get(path, params={"limit": 100})
        assert answer.status_code == 200
        assert [name for name, value in ids.items() if value in answer.text] == []


async def test_an_address_that_names_another_hotel_is_refused(
    system: System, hotel_a: Hotel, hotel_b: Hotel
) -> None:
    token = hotel_b.admin.headers["Authorization"]
    for slug in (hotel_a.slug, "no-such-hotel"):
        headers = {"Authorization": token, "X-Tenant-Slug": slug}
        answer = await system.client(**headers).get("/api/conversations")
        assert (answer.status_code, answer.json()["code"]) == (403, "tenant_mismatch")
    answer = await system.client(Authorization=token, **{"X-Tenant-Slug": hotel_b.slug}).get("/api/tenant")
    assert answer.json()["id"] == hotel_b.id


async def test_after_the_login_a_query_names_no_hotel(hotel_a: Hotel, hotel_b: Hotel) -> None:
    own = await hotel_b.admin.get("/api/tenant", params={"tenant": hotel_a.slug})
    assert own.json()["id"] == hotel_b.id
    me = await hotel_b.attendant.get("/auth/me", params={"tenant": hotel_a.slug})
    assert me.json()["tenant"]["id"] == hotel_b.id
    for path in ("/api/conversations", "/api/channels"):
        asked = await hotel_b.attendant.get(path, params={"tenant": hotel_a.slug})
        assert (asked.status_code, asked.json()) == (200, (await hotel_b.attendant.get(path)).json())


async def test_a_super_admin_inside_a_hotel_leaves_a_trace_in_its_log(
    root: httpx.AsyncClient, alice: httpx.AsyncClient, hotel_a: Hotel, ids: dict[str, str]
) -> None:
    url = f"/api/conversations/{ids['conversation']}"
    assert (await root.get(url)).status_code == 403
    answer = await root.get(url, headers={"X-Tenant-Slug": hotel_a.slug})
    assert (answer.status_code, answer.json()["id"]) == (200, ids["conversation"])
    [line] = [line for line in (await alice.get("/api/tenant/audit")).json()["data"] if url in str(line["detail"])]
    assert (line["actorRole"], line["action"], line["requestId"]) == (
        "SUPER_ADMIN", "platform.acted", answer.headers["X-Request-Id"],
    )  # fmt: skip
