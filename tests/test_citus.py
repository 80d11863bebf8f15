"""Whether the schema could be distributed by tenant: ops/citus.sql against the catalog of the migrated database."""

import re
from pathlib import Path

from tests.people import Sql
from tests.test_schema import OURS, names

PAGE = (Path(__file__).parents[1] / "ops" / "citus.sql").read_text()
REFERENCE = set(re.findall(r"create_reference_table\('public\.(\w+)'\)", PAGE))
DISTRIBUTED = {"users", *re.findall(r"'(\w+)'", PAGE.partition("ARRAY[")[2].partition("]")[0])}
LOCAL = set(re.findall(r"\w+", re.findall(r"^-- Local tables of .*: (.*)\.$", PAGE, re.MULTILINE)[0]))
KEYS = """
    SELECT i.indexrelid::regclass::text FROM pg_index AS i
    INNER JOIN pg_class AS c ON c.oid = i.indrelid
    INNER JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
    WHERE c.relname = ANY($1::text []) AND c.relnamespace = 'public'::regnamespace
        AND (i.indisunique OR i.indisexclusion)"""
FOREIGN = """
    SELECT k.conname, k.conrelid::regclass::text AS own, k.confrelid::regclass::text AS there,
        f.attname AS own_first, t.attname AS there_first, k.confdeltype::text AS does
    FROM pg_constraint AS k
    INNER JOIN pg_attribute AS f ON f.attrelid = k.conrelid AND f.attnum = k.conkey[1]
    INNER JOIN pg_attribute AS t ON t.attrelid = k.confrelid AND t.attnum = k.confkey[1]
    WHERE k.contype = 'f' AND k.connamespace = 'public'::regnamespace AND k.conparentid = 0"""


async def test_every_table_has_its_place_and_only_one(as_owner: Sql) -> None:
    places = [*sorted(REFERENCE), *sorted(DISTRIBUTED), *sorted(LOCAL)]
    assert len(places) == len(set(places))
    assert set(places) == await names(as_owner, f"SELECT relname {OURS} AND NOT relispartition")


async def test_every_unique_key_of_a_distributed_table_holds_the_tenant(as_owner: Sql) -> None:
    every = await names(as_owner, KEYS, list(DISTRIBUTED))
    leading = await names(as_owner, f"{KEYS} AND i.indkey[0] = a.attnum", list(DISTRIBUTED))
    assert len(every) > len(DISTRIBUTED) / 2
    assert every == leading


async def test_keys_over_all_tenants_stand_on_reference_tables(as_owner: Sql) -> None:
    over_all = f"""
        SELECT i.indexrelid::regclass::text FROM pg_index AS i
        INNER JOIN (SELECT c.oid, c.relname, c.relispartition {OURS}) AS c ON c.oid = i.indrelid
        WHERE i.indisunique AND NOT c.relispartition AND c.relname <> ALL($1::text [])
        AND NOT EXISTS (SELECT FROM pg_attribute AS a
            WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND a.attnum = i.indkey[0])"""
    assert await names(as_owner, over_all, list(LOCAL)) == {
        "tenants_pkey", "tenants_slug_key", "channels_phone_number_key", "channels_verify_token_key", "prices_pkey",
    }  # fmt: skip


async def test_every_foreign_key_stays_on_its_machine(as_owner: Sql) -> None:
    """Between distributed tables it leads with the tenant on both sides; else it ends at a reference table."""
    found = await as_owner(FOREIGN)
    assert len(found) > len(DISTRIBUTED) / 2
    for key in found:
        if key["there"] in DISTRIBUTED:
            assert key["own"] in DISTRIBUTED, key["conname"]
            assert (key["own_first"], key["there_first"]) == ("tenant_id", "tenant_id"), key["conname"]
        else:
            assert key["there"] in REFERENCE, key["conname"]
        assert key["does"] in ("a", "r", "c"), key["conname"]  # SET NULL would have to empty the tenant too


async def test_what_a_trigger_does_is_told(as_owner: Sql) -> None:
    triggers = "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgparentid = 0"
    told = set(re.findall(r"\w+", PAGE.partition("distributed_execution:")[2].partition(".")[0]))
    assert await names(as_owner, triggers) == told
