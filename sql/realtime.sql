-- The WebSocket's own questions. Called by crm/realtime.py in a tenant's transaction.

-- name: name(id uuid) -> value text
-- The name of a person of the tenant, as others read it while that person types.
-- Index: users_pkey
SELECT name
FROM users
WHERE id = :id;
