-- Meta's raw webhooks: stored before they are acknowledged, claimed by the drain. Called by crm/inbound.py.
-- All of it runs as crm_system: no tenant is known yet, and no message is readable to this role.

-- name: store(bodies bytea[], signers uuid[]) -> none
-- Stores a batch of raw bodies, each with the tenant whose own secret signed it (NULL: the platform's).
-- Index: webhook_events_pkey
-- as: system
INSERT INTO webhook_events (body, signed_by)
SELECT
    body,
    signed_by
FROM unnest(:bodies::bytea[], :signers::uuid[]) AS given (body, signed_by);

-- name: claim(max bigint) -> many EventRow
-- The oldest events nobody works on. The row lock is the lease: it ends with the transaction, or its worker.
-- Index: webhook_events_waiting_ix
-- as: system
SELECT
    received_at,
    id,
    body,
    signed_by
FROM webhook_events
WHERE processed_at IS NULL
ORDER BY received_at, id
LIMIT :max
FOR NO KEY UPDATE SKIP LOCKED;

-- name: done(times timestamptz[], ids uuid[], ignored int[]) -> none
-- Marks events as worked, with how many of their elements led to no channel.
-- Index: webhook_events_pkey
-- as: system
UPDATE webhook_events AS e
SET processed_at = now(), ignored = given.ignored
FROM unnest(:times::timestamptz[], :ids::uuid[], :ignored::int[]) AS given (received_at, id, ignored)
WHERE e.received_at = given.received_at AND e.id = given.id;

-- name: bury(tenant uuid, kind text, item jsonb, error text) -> none
-- Keeps what could not be worked, whole, with its error.
-- Index: dead_letters_pkey
-- as: system
INSERT INTO dead_letters (tenant_id, kind, item, error)
VALUES (:tenant, :kind, :item, :error);

-- name: waiting() -> one WaitingRow
-- How many events wait, and for how long the oldest has (seconds), for the metrics.
-- Index: webhook_events_waiting_ix
-- as: system
SELECT
    count(*) AS rows,
    coalesce(extract(EPOCH FROM now() - min(received_at)), 0)::float8 AS oldest
FROM webhook_events
WHERE processed_at IS NULL;

-- name: tidy() -> count
-- Forgets worked events after 30 days.
-- as: system
DELETE FROM webhook_events
WHERE received_at < now() - INTERVAL '30 days' AND processed_at IS NOT NULL;
