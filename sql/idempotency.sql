-- Answers kept by the key of the client. Called by crm/core/idempotency.py inside the request's transaction.

-- name: claim(user_id uuid, key text, request_hash bytea) -> count
-- Takes the key: 1 row when it is new. A twin at work makes this wait for its commit.
-- Index: idempotency_keys_pkey
INSERT INTO idempotency_keys (user_id, key, request_hash)
VALUES (:user_id, :key, :request_hash)
ON CONFLICT (tenant_id, user_id, key) DO NOTHING;

-- name: known(user_id uuid, key text) -> maybe KnownRow
-- What was answered under a key. A super admin may have the same one in several tenants: this one is named.
-- Index: idempotency_keys_pkey
SELECT
    request_hash,
    status,
    answer
FROM idempotency_keys
WHERE tenant_id = (SELECT crm.current_tenant_id()) AND user_id = :user_id AND key = :key;

-- name: keep(user_id uuid, keys text[], status int, answer bytea) -> none
-- Stores the answer beside the keys just claimed for it: one that has an answer keeps it.
-- Index: idempotency_keys_pkey
UPDATE idempotency_keys
SET status = :status, answer = :answer
WHERE
    tenant_id = (SELECT crm.current_tenant_id())
    AND user_id = :user_id
    AND key = ANY(:keys::text[])
    AND status IS NULL;

-- name: tidy() -> count
-- Forgets keys after 24 hours.
-- as: system
DELETE FROM idempotency_keys
WHERE created_at < now() - INTERVAL '24 hours';
