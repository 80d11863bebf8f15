"""The migrated database, read from its catalogs: what each table, key, policy, function and role must be."""

from typing import Any

from tests.people import Sql

# The three look-ups made before a tenant is known (migrations/0003_channels.sql).
ROUTING = {"channels_phone_number_key", "channels_waba_ix", "channels_verify_token_key"}
# Platform tables, out of the app's reach.
PLATFORM = {"webhook_events", "webhook_waiting", "workers", "prices", "disk_days"}

OURS = """
FROM pg_class AS c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname !~ '^_?yoyo'
"""
TENANT_TABLES = """
FROM pg_class AS c
INNER JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
"""


async def names(sql: Sql, query: str, *args: object) -> set[Any]:
    """The first column of what a query finds."""
    return {record[0] for record in await sql(query, *args)}


async def tenant_tables(sql: Sql) -> set[str]:
    """The tables of tenants, platform tables left out; there are many of them."""
    found = await names(sql, f"SELECT c.relname {TENANT_TABLES}") - PLATFORM
    assert len(found) >= 12
    return found


async def test_every_table_has_row_security_enabled_and_forced(as_owner: Sql) -> None:
    assert await tenant_tables(as_owner) | PLATFORM | {"tenants"} == await names(as_owner, f"SELECT relname {OURS}")
    open_ = f"SELECT relname {OURS} AND NOT (relrowsecurity AND relforcerowsecurity)"
    assert await names(as_owner, open_) == set()


async def test_every_table_says_what_it_is_for(as_owner: Sql) -> None:
    silent = f"SELECT relname {OURS} AND coalesce(length(obj_description(c.oid, 'pg_class')), 0) < 20"
    assert await names(as_owner, silent) == set()


async def test_tenant_id_is_never_null_and_filled_by_the_transaction(as_owner: Sql) -> None:
    filled = f"""
        SELECT c.relname {TENANT_TABLES} AND a.attnotnull AND EXISTS (
            SELECT FROM pg_attrdef AS d WHERE d.adrelid = c.oid AND d.adnum = a.attnum
            AND pg_get_expr(d.adbin, d.adrelid) = 'crm.current_tenant_id()')"""
    assert await names(as_owner, filled) == await tenant_tables(as_owner)


async def test_every_primary_key_starts_with_the_tenant(as_owner: Sql) -> None:
    keyed = f"""
        SELECT c.relname {TENANT_TABLES} AND EXISTS (
            SELECT FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indisprimary AND i.indkey[0] = a.attnum)"""
    assert await names(as_owner, keyed) == await tenant_tables(as_owner)


async def test_the_tenant_comes_first_in_every_index_but_the_three_that_route(as_owner: Sql) -> None:
    other = f"""
        SELECT i.indexrelid::regclass::text FROM pg_index AS i
        INNER JOIN (SELECT c.oid, c.relname, a.attnum {TENANT_TABLES}) AS t ON t.oid = i.indrelid
        WHERE t.relname <> ALL($1::text []) AND i.indkey[0] <> t.attnum"""
    assert await names(as_owner, other, list(PLATFORM)) == ROUTING


async def test_every_foreign_key_starts_with_the_tenant(as_owner: Sql) -> None:
    """Foreign-key checks bypass row security: only the composite key keeps them inside the tenant."""
    keys = """
        SELECT k.conname, k.conrelid::regclass::text, k.confrelid::regclass::text AS target,
            cardinality(k.conkey) AS width, f.attname AS own, t.attname AS there
        FROM pg_constraint AS k
        INNER JOIN pg_attribute AS f ON f.attrelid = k.conrelid AND f.attnum = k.conkey[1]
        INNER JOIN pg_attribute AS t ON t.attrelid = k.confrelid AND t.attnum = k.confkey[1]
        WHERE k.contype = 'f' AND k.connamespace = 'public'::regnamespace"""
    found = await as_owner(keys)
    assert len(found) >= 10
    to_tenants = {"width": 1, "own": "tenant_id", "there": "id"}
    inside = {"width": 2, "own": "tenant_id", "there": "tenant_id"}
    for key in found:
        expected = to_tenants if key["target"] == "tenants" else inside
        assert {name: key[name] for name in expected} == expected, key["conname"]


async def test_every_foreign_key_says_what_a_delete_does(as_owner: Sql) -> None:
    silent = "SELECT conname FROM pg_constraint WHERE contype = 'f' AND confdeltype = 'a'"
    assert await names(as_owner, silent) == set()


async def test_every_tenant_table_has_a_policy_for_the_app_and_a_guard(as_owner: Sql) -> None:
    """The guard is restrictive: a permissive policy that somebody adds later cannot open the tenant."""
    policies = """
        SELECT tablename, permissive, qual, with_check FROM pg_policies
        WHERE schemaname = 'public' AND roles = '{crm_app}' AND cmd = 'ALL'"""
    own = "( SELECT crm.current_tenant_id() AS current_tenant_id)"
    found = {(row["tablename"], row["permissive"]): row for row in await as_owner(policies)}
    for table in await tenant_tables(as_owner) | {"tenants"}:
        rule = f"({'id' if table == 'tenants' else 'tenant_id'} = {own})"
        permissive, guard = found[table, "PERMISSIVE"], found[table, "RESTRICTIVE"]
        assert (permissive["qual"], permissive["with_check"]) == (rule, rule), table
        assert (guard["qual"], guard["with_check"] or rule) == (rule, rule), table


async def test_what_a_conversation_holds_is_hidden_with_it(as_owner: Sql) -> None:
    """Drafts are one's own, the next two say when and under which word; the hub filters what is told."""
    seen = f"""
        SELECT c.relname {TENANT_TABLES} AND NOT c.relispartition AND NOT EXISTS (
            SELECT FROM pg_policy AS p
            WHERE p.polrelid = c.oid AND p.polname = 'sight' AND p.polcmd = 'r' AND NOT p.polpermissive
        ) AND EXISTS (SELECT FROM pg_attribute AS o WHERE o.attrelid = c.oid AND o.attname = 'conversation_id')"""
    assert await names(as_owner, seen) == {"drafts", "snoozes", "conversation_tags", "feed_events"}


async def test_no_policy_is_for_everybody(as_owner: Sql) -> None:
    assert await names(as_owner, "SELECT policyname FROM pg_policies WHERE 'public' = ANY(roles)") == set()


async def test_the_app_has_no_right_on_platform_tables(as_owner: Sql) -> None:
    rights = """
        SELECT c.relname FROM pg_class AS c
        WHERE c.relname = ANY($1::text []) AND has_any_column_privilege('crm_app', c.oid, 'SELECT, INSERT, UPDATE')
        OR c.relname = ANY($1::text []) AND has_table_privilege('crm_app', c.oid, 'DELETE, TRUNCATE')"""
    assert await names(as_owner, rights, list(PLATFORM)) == set()


async def test_neither_role_may_empty_a_table_or_hang_triggers_on_it(as_owner: Sql) -> None:
    rights = f"""
        SELECT relname {OURS} AND (has_table_privilege('crm_app', c.oid, 'TRUNCATE, TRIGGER, REFERENCES')
            OR has_table_privilege('crm_system', c.oid, 'TRUNCATE, TRIGGER, REFERENCES'))"""
    assert await names(as_owner, rights) == set()


async def test_no_grant_lets_a_row_change_its_tenant_or_its_id(as_owner: Sql) -> None:
    movable = f"""
        SELECT c.relname {TENANT_TABLES} AND (
            has_column_privilege('crm_app', c.oid, a.attnum, 'UPDATE')
            OR has_column_privilege('crm_system', c.oid, a.attnum, 'UPDATE')
            OR EXISTS (SELECT FROM pg_attribute AS i WHERE i.attrelid = c.oid AND i.attname = 'id'
                AND has_column_privilege('crm_app', c.oid, i.attnum, 'UPDATE')))"""
    assert await names(as_owner, movable) == set()


async def test_the_audit_log_can_only_grow(as_owner: Sql) -> None:
    for role in ("crm_app", "crm_system"):
        whole = "SELECT has_table_privilege($1, 'audit_log', 'UPDATE, DELETE, TRUNCATE')"
        columns = "SELECT has_any_column_privilege($1, 'audit_log', 'UPDATE')"
        assert await names(as_owner, whole, role) | await names(as_owner, columns, role) == {False}


async def test_the_system_role_cannot_read_what_a_message_says(as_owner: Sql) -> None:
    readable = """
        SELECT attname FROM pg_attribute WHERE attrelid = 'messages'::regclass AND attnum > 0
        AND has_column_privilege('crm_system', attrelid, attnum, 'SELECT')"""
    found = await names(as_owner, readable)
    assert "conversation_id" in found
    assert found.isdisjoint({"content", "payload", "error", "wamid", "client_message_id"})


async def test_the_system_role_sees_no_contact_conversation_or_session(as_owner: Sql) -> None:
    for table in ("contacts", "contact_identities", "conversations", "sessions"):
        rights = "SELECT has_any_column_privilege('crm_system', $1::regclass, 'SELECT, INSERT, UPDATE')"
        assert await names(as_owner, rights, table) == {False}, table


# What the role that crosses hotels may read of their tables; of the others nothing.
SYSTEM_READS = {
    "channel_notices": "tenant_id channel_id kind severity dismissed_at",
    "channels": "all",
    "contact_counts": "all",
    "contact_erasures": "tenant_id id due_at done_at",
    "contact_imports": "tenant_id id status due_at",
    "conversation_counts": "all",
    "dead_letters": "all",
    "feed_heads": "all",
    "idempotency_keys": "tenant_id user_id key request_hash status answer created_at",
    "media": "tenant_id id state next_attempt_at lease_until",
    "media_leftovers": "tenant_id due_at",
    "messages": "tenant_id id conversation_id status next_attempt_at lease_until created_at send_at channel_id",
    "parked_statuses": "tenant_id created_at",
    "retentions": "tenant_id ran_at",
    "snoozes": "tenant_id due_at",
    "stay_messages": "tenant_id look_from",
    "stays": "tenant_id due_at",
    "template_syncs": "tenant_id waba_id due_at synced_at",
    "users": "tenant_id id email name role",
}


async def test_the_system_role_reads_no_more_of_hotels_than_is_said_here(as_owner: Sql) -> None:
    readable = f"""
        SELECT c.relname, CASE WHEN has_table_privilege('crm_system', c.oid, 'SELECT') THEN 'all' ELSE (
            SELECT string_agg(r.attname, ' ' ORDER BY r.attnum) FROM pg_attribute AS r
            WHERE r.attrelid = c.oid AND r.attnum > 0
            AND has_column_privilege('crm_system', c.oid, r.attnum, 'SELECT')
        ) END AS columns {TENANT_TABLES}"""
    assert {row["relname"]: row["columns"] for row in await as_owner(readable) if row["columns"]} == SYSTEM_READS


async def test_a_request_cannot_change_whose_a_row_is_nor_what_the_platform_decides(as_owner: Sql) -> None:
    writable = """
        SELECT string_agg(attname, ' ' ORDER BY attname) FROM pg_attribute
        WHERE attrelid = $1::regclass AND attnum > 0
        AND has_column_privilege('crm_app', attrelid, attnum, 'UPDATE')"""
    may = {table: (await as_owner(writable, table))[0][0] for table in ("tenants", "users", "sessions")}
    assert may == {
        "tenants": "locale name settings timezone updated_at",
        "users": "active must_change_password name password_hash role updated_at",
        "sessions": "expires_at last_used_at refresh_hash revoked_at",
    }


async def test_every_view_of_ours_asks_with_the_rights_of_its_reader(as_owner: Sql) -> None:
    views = """
        SELECT c.relname FROM pg_class AS c
        WHERE c.relnamespace IN ('public'::regnamespace, 'crm'::regnamespace) AND c.relkind IN ('v', 'm')
        AND NOT coalesce(c.reloptions @> '{security_invoker=true}', FALSE)
        AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = c.oid AND d.deptype = 'e')"""
    assert await names(as_owner, views) == set()


async def test_functions_that_run_as_the_owner_pin_their_search_path(as_owner: Sql) -> None:
    definers = "SELECT proname, proconfig FROM pg_proc WHERE pronamespace = 'crm'::regnamespace AND prosecdef"
    found = {row["proname"]: row["proconfig"] for row in await as_owner(definers)}
    assert "enter" in found
    for name, settings in found.items():
        assert settings == ["search_path=pg_catalog, pg_temp"], name


async def test_no_function_is_for_everybody(as_owner: Sql) -> None:
    public = """
        SELECT p.proname FROM pg_proc AS p
        CROSS JOIN aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
        WHERE p.pronamespace = 'crm'::regnamespace AND a.grantee = 0"""
    assert await names(as_owner, public) == set()


async def test_the_roles_of_requests_and_routing_have_no_power(as_owner: Sql) -> None:
    roles = await as_owner("SELECT * FROM pg_roles WHERE rolname IN ('crm_app', 'crm_system')")
    powers = ("rolsuper", "rolbypassrls", "rolcreaterole", "rolcreatedb", "rolreplication")
    assert len(roles) == 2
    assert [name for role in roles for name in powers if role[name]] == []
    members = "SELECT r.rolname FROM pg_auth_members AS m INNER JOIN pg_roles AS r ON r.oid = m.member"
    assert (await names(as_owner, members)).isdisjoint({"crm_app", "crm_system"})


async def test_the_roles_of_requests_and_routing_own_nothing_and_can_make_nothing(as_owner: Sql) -> None:
    owned = """
        SELECT d.objid FROM pg_shdepend AS d INNER JOIN pg_roles AS r ON r.oid = d.refobjid
        WHERE r.rolname IN ('crm_app', 'crm_system') AND d.deptype = 'o'"""
    assert await names(as_owner, owned) == set()
    for role in ("crm_app", "crm_system"):
        for schema in ("public", "crm"):
            may = await names(as_owner, "SELECT has_schema_privilege($1, $2, 'CREATE')", role, schema)
            assert may == {False}, (role, schema)


async def test_every_check_and_key_of_the_schema_is_enforced(as_owner: Sql) -> None:
    idle = "SELECT conname FROM pg_constraint WHERE NOT convalidated OR NOT conenforced"
    assert await names(as_owner, idle) == set()
