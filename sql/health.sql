-- How a tenant's numbers stand with Meta. Called by crm/channels/health.py in a tenant's transaction.

-- name: heard(channels uuid[], names text[], vals text[], ats timestamptz[]) -> many NewsRow
-- Keeps the newest word on each matter, and answers what was news; what is older or came twice changes nothing.
-- A time in the future is Meta's clock or a liar's: it counts as now.
-- Index: channel_health_pkey
INSERT INTO channel_health AS h (channel_id, name, value, at)
SELECT
    given.channel_id,
    given.name,
    given.value,
    least(given.at, now())
FROM
    unnest(:channels::uuid[], :names::text[], :vals::text[], :ats::timestamptz[])
        AS given (channel_id, name, value, at)
ORDER BY given.channel_id, given.name
ON CONFLICT (tenant_id, channel_id, name) DO UPDATE
    SET value = excluded.value, at = excluded.at
    WHERE h.at < excluded.at OR (h.at = excluded.at AND h.value IS DISTINCT FROM excluded.value)
RETURNING h.channel_id, h.name;

-- name: of_all(channel uuid) -> many FactRow
-- All that was heard of the tenant's numbers in use, or of one: some ten rows each.
-- Index: channel_health_pkey
SELECT
    h.channel_id,
    h.name,
    h.value,
    h.at
FROM channel_health AS h
WHERE :channel::uuid IS NULL OR h.channel_id = :channel
ORDER BY h.channel_id, h.name;

-- name: of_account(account text) -> many AccountChannelRow
-- The tenant's numbers of an account, each with the number people dial: as typed, or as Meta told it.
-- Index: channel_health_pkey
SELECT
    c.id,
    c.display_phone_number AS typed,
    h.value AS told
FROM channels AS c
LEFT JOIN channel_health AS h ON c.tenant_id = h.tenant_id AND c.id = h.channel_id AND h.name = 'number'
WHERE c.waba_id = :account AND c.deleted_at IS NULL
ORDER BY c.created_at, c.id;

-- name: forget(channel uuid) -> none
-- The channel has another number now: what was heard was said of the old one.
-- Index: channel_health_pkey
DELETE FROM channel_health
WHERE channel_id = :channel;
