-- Who is calling, and in which tenant. Called by crm/core/access.py before a request's own transaction,
-- and by crm/core/hub.py for open sockets.

-- name: tenant_by_slug(slug text) -> maybe TenantRow
-- The tenant an address names; the platform's own row is nobody's address.
-- Index: tenants_slug_key
-- as: system
SELECT
    id,
    slug,
    name,
    status
FROM tenants
WHERE slug = :slug AND id <> '00000000-0000-0000-0000-000000000000';

-- name: admin_acted(actor uuid, action text, ip text, request text) -> none
-- Leaves in the tenant's own audit log that a super admin acted inside it.
-- Index: audit_log_pkey
INSERT INTO audit_log (actor_id, actor_role, action, detail, ip, request_id)
VALUES (:actor, 'SUPER_ADMIN', 'platform.acted', jsonb_build_object('request', :action::text), :ip, :request);

-- name: still_in(sessions uuid[]) -> many StillInRow
-- Which of a tenant's sessions may go on, and what their people see now: conversations of these departments, their own
-- and nobody's (NULL: all), as crm.enter says it. Asked for open sockets when Redis was away and words may have been
-- lost.
-- Index: sessions_pkey, department_members_pkey
SELECT
    s.id,
    CASE
        WHEN u.role = 'ATTENDANT' AND t.settings ->> 'visibility' <> 'all'
            THEN ARRAY(
                SELECT m.department_id
                FROM department_members AS m
                WHERE
                    m.tenant_id = s.tenant_id
                    AND m.user_id = s.user_id
                    AND t.settings ->> 'visibility' = 'own_unassigned_and_department'
            )
    END AS departments
FROM sessions AS s
INNER JOIN users AS u ON s.tenant_id = u.tenant_id AND s.user_id = u.id
INNER JOIN tenants AS t ON s.tenant_id = t.id
WHERE
    s.id = ANY(:sessions::uuid[])
    AND s.revoked_at IS NULL
    AND s.expires_at > now()
    AND u.active
    AND t.status IN ('TRIAL', 'ACTIVE');

-- name: viewer() -> value text
-- The attendant whose sight the hotel restricts, as crm.enter has set it; empty or NULL when nothing is hidden.
SELECT current_setting('app.viewer', TRUE);

-- name: see_as(viewer text) -> value text
-- Until the transaction's end sees as this attendant, or, empty, all of the tenant.
SELECT set_config('app.viewer', :viewer, TRUE);
