-- The WebSocket's own questions. Called by crm/realtime.py in a tenant's transaction.

-- name: comer(id uuid) -> one ComerRow
-- The name of a person of the tenant (none: support staff), and what of the conversations that person sees.
-- Index: users_pkey
SELECT
    (SELECT name FROM users WHERE id = :id) AS name,
    crm.viewer() IS NOT NULL AS restricted,
    crm.viewer_departments() AS departments;
