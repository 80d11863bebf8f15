-- Hotels. The platform's queries run as crm_system, a tenant's own as crm_app (row security shows it one row).
-- Called by crm/tenants.py and crm/__main__.py.

-- name: insert(slug text, name text, email text, plan text) -> maybe TenantRow
-- Adds a tenant on trial; no row when the slug is taken.
-- Index: tenants_slug_key
-- as: system
INSERT INTO tenants (slug, name, email, plan)
VALUES (:slug, :name, lower(:email), :plan)
ON CONFLICT (slug) DO NOTHING
RETURNING id, slug, name, email, status, plan, locale, timezone, settings, trial_ends_at, created_at;

-- name: id_of_slug(slug text) -> value uuid
-- Which tenant has a slug.
-- Index: tenants_slug_key
-- as: system
SELECT id
FROM tenants
WHERE slug = :slug;

-- name: step_into(tenant text) -> none
-- From here on this transaction writes inside the tenant it has just made; then it steps back to its own.
-- as: system
SELECT set_config('app.tenant_id', :tenant, TRUE);

-- name: insert_admin(email text, name text, hash text, temporary boolean) -> value uuid
-- The first admin of the tenant stepped into.
-- Index: users_pkey
-- as: system
INSERT INTO users (email, name, role, password_hash, must_change_password)
VALUES (lower(:email), :name, 'TENANT_ADMIN', :hash, :temporary)
RETURNING id;

-- name: page(before timestamptz, before_id uuid, status text, search text, skip bigint, max bigint) -> many TenantRow
-- Tenants before a place, newest first; the platform's own row is not one of them.
-- Index: tenants_created_ix
-- as: system
SELECT
    id,
    slug,
    name,
    email,
    status,
    plan,
    locale,
    timezone,
    settings,
    trial_ends_at,
    created_at
FROM tenants
WHERE
    (created_at, id) < (:before, :before_id)
    AND id <> '00000000-0000-0000-0000-000000000000'
    AND (:status::text IS NULL OR status = :status)
    AND (:search::text IS NULL OR lower(name) LIKE :search OR slug LIKE :search)
ORDER BY created_at DESC, id DESC
LIMIT :max OFFSET :skip;

-- name: total(status text, search text) -> value bigint
-- How many tenants the filters leave: hotels are few, their rows are counted.
-- as: system
SELECT count(*)
FROM tenants
WHERE
    id <> '00000000-0000-0000-0000-000000000000'
    AND (:status::text IS NULL OR status = :status)
    AND (:search::text IS NULL OR lower(name) LIKE :search OR slug LIKE :search);

-- name: get(id uuid) -> maybe TenantRow
-- One tenant; run by a tenant's own role it finds only that tenant.
-- Index: tenants_pkey
SELECT
    id,
    slug,
    name,
    email,
    status,
    plan,
    locale,
    timezone,
    settings,
    trial_ends_at,
    created_at
FROM tenants
WHERE id = :id AND id <> '00000000-0000-0000-0000-000000000000';

-- name: patch(id uuid, name text, email text, plan text) -> maybe TenantRow
-- Changes what is not NULL.
-- Index: tenants_pkey
-- as: system
UPDATE tenants
SET
    name = coalesce(:name, name),
    email = coalesce(lower(:email), email),
    plan = coalesce(:plan, plan),
    updated_at = now()
WHERE id = :id AND id <> '00000000-0000-0000-0000-000000000000'
RETURNING id, slug, name, email, status, plan, locale, timezone, settings, trial_ends_at, created_at;

-- name: patch_own(name text, locale text, timezone text, settings jsonb) -> one TenantRow
-- Changes what is not NULL of the caller's tenant; settings are merged. By another clock the messages of stays go at
-- other times: the worker looks at them again.
-- Index: tenants_pkey, stay_messages_pkey
WITH changed AS (
    UPDATE tenants
    SET
        name = coalesce(:name, name),
        locale = coalesce(:locale, locale),
        timezone = coalesce(:timezone, timezone),
        settings = settings || coalesce(:settings::jsonb, '{}'),
        updated_at = now()
    WHERE id = (SELECT crm.current_tenant_id())
    RETURNING
        id, slug, name, email, status, plan, locale, timezone, settings, trial_ends_at, created_at,
        old.timezone AS former_timezone
),

spread AS (
    UPDATE stay_messages
    SET look_from = crm.stays_since()
    FROM changed
    WHERE stay_messages.deleted_at IS NULL AND changed.timezone <> changed.former_timezone
)

SELECT
    id,
    slug,
    name,
    email,
    status,
    plan,
    locale,
    timezone,
    settings,
    trial_ends_at,
    created_at
FROM changed;

-- name: move(id uuid, status text) -> maybe TenantRow
-- Sets the status.
-- Index: tenants_pkey
-- as: system
UPDATE tenants
SET status = :status, updated_at = now()
WHERE id = :id AND id <> '00000000-0000-0000-0000-000000000000'
RETURNING id, slug, name, email, status, plan, locale, timezone, settings, trial_ends_at, created_at;
