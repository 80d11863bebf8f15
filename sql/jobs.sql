-- What the platform asks of all tenants at once: what waits, who works, what died; and raw events put back.
-- Called by crm/jobs.py, as crm_system.

-- name: standing() -> one StandingSendsRow
-- How many sends wait for their time, and of how many nobody knows the end.
-- Index: messages_schedule_ix, messages_uncertain_ix
-- as: system
SELECT
    (SELECT count(*) FROM messages WHERE status = 'SCHEDULED') AS scheduled,
    (SELECT count(*) FROM messages WHERE status = 'UNCERTAIN') AS uncertain;

-- name: workers() -> many WorkerRow
-- The workers heard of in the last hour, and for how many seconds each has been silent: they speak every five.
-- as: system
SELECT
    id,
    host,
    pid,
    started_at,
    lanes,
    extract(EPOCH FROM now() - seen_at)::float8 AS silent
FROM workers
WHERE seen_at > now() - INTERVAL '1 hour'
ORDER BY started_at, id;

-- name: letters(status text, tenant uuid, before timestamptz, before_id uuid, skip bigint, max bigint) -> many LetterRow
-- Letters of every tenant (or of the one given) before a place, newest first, without what they say.
-- as: system
SELECT
    tenant_id,
    id,
    kind,
    about,
    '{}'::jsonb AS item,
    error,
    attempts,
    status,
    created_at,
    last_at,
    ended_at,
    ended_by
FROM dead_letters
WHERE
    status = :status
    AND (:tenant::uuid IS NULL OR tenant_id = :tenant)
    AND (created_at, id) < (:before, :before_id)
ORDER BY created_at DESC, id DESC
LIMIT :max OFFSET :skip;

-- name: letters_total(status text, tenant uuid) -> value bigint
-- How many letters of a status there are.
-- as: system
SELECT count(*)
FROM dead_letters
WHERE status = :status AND (:tenant::uuid IS NULL OR tenant_id = :tenant);

-- name: tenant_of_letter(id uuid) -> value uuid
-- Whose a letter is.
-- as: system
SELECT tenant_id
FROM dead_letters
WHERE id = :id;

-- name: replay(since timestamptz, until timestamptz, id uuid, tenant uuid, max bigint) -> one ReplayedRow
-- Lets the raw events of a time wait again: all, one, or those whose first number is or was a channel of a tenant.
-- Index: webhook_events_pkey
-- as: system
WITH chosen AS (
    SELECT
        lane,
        received_at,
        id,
        octet_length(body) AS bytes
    FROM webhook_events
    WHERE
        received_at >= :since
        AND received_at < :until
        AND (:id::uuid IS NULL OR id = :id)
        AND (:tenant::uuid IS NULL OR lane IN (SELECT phone_number_id FROM channels WHERE tenant_id = :tenant))
    ORDER BY received_at, id
    LIMIT :max
),

back AS (
    INSERT INTO webhook_waiting (lane, received_at, id, bytes)
    SELECT
        lane,
        received_at,
        id,
        bytes
    FROM chosen
    ON CONFLICT (lane, received_at, id) DO NOTHING
)

SELECT
    count(*) AS replayed,
    max(received_at) AS last
FROM chosen;
