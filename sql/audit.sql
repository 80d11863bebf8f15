-- The audit log of a tenant: added to and read, never changed. Called by crm/audit.py.

-- name: note(actor uuid, role text, action text, target text, detail jsonb, ip text, request text) -> none
-- Adds a line.
-- Index: audit_log_pkey
INSERT INTO audit_log (actor_id, actor_role, action, target, detail, ip, request_id)
VALUES (:actor, :role, :action, :target, :detail, :ip, :request);

-- name: page(before timestamptz, before_id uuid, skip bigint, max bigint) -> many AuditRow
-- Lines before a place, newest first.
-- Index: audit_log_created_ix
SELECT
    id,
    actor_id,
    actor_role,
    action,
    target,
    detail,
    ip,
    request_id,
    created_at
FROM audit_log
WHERE (created_at, id) < (:before, :before_id)
ORDER BY created_at DESC, id DESC
LIMIT :max OFFSET :skip;

-- name: total(most bigint) -> value bigint
-- How many lines there are, counted up to `most`: what is beyond is not read.
-- Index: audit_log_created_ix
SELECT count(*)
FROM (
    SELECT FROM audit_log
    ORDER BY created_at DESC, id DESC
    LIMIT :most
) AS counted;
