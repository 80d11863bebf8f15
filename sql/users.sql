-- People of a tenant. Called by crm/users.py, crm/sessions/ and crm/__main__.py as the app's role.

-- name: insert(email text, name text, role text, hash text, temporary boolean) -> maybe UserRow
-- Adds a person; no row when the e-mail is taken.
-- Index: users_email_key
INSERT INTO users (email, name, role, password_hash, must_change_password)
VALUES (:email, :name, :role, :hash, :temporary)
ON CONFLICT (tenant_id, email) DO NOTHING
RETURNING id, email, name, role, tenant_id, active, must_change_password;

-- name: id_of_email(email text) -> value uuid
-- Who has an e-mail.
-- Index: users_email_key
SELECT id
FROM users
WHERE email = :email;

-- name: everybody(after uuid, skip bigint, max bigint) -> many UserRow
-- The people of the tenant by name, those who come after somebody: after his name as it is now. A hotel has tens.
-- Index: users_pkey
SELECT
    id,
    email,
    name,
    role,
    tenant_id,
    active,
    must_change_password
FROM users
WHERE
    :after::uuid IS NULL
    OR (name, id) > (
        SELECT
            last.name,
            last.id
        FROM users AS last
        WHERE last.id = :after
    )
ORDER BY name, id
LIMIT :max OFFSET :skip;

-- name: total() -> value bigint
-- How many people the tenant has.
SELECT count(*)
FROM users;

-- name: colleagues() -> many ColleagueRow
-- The active people of the tenant, by name.
SELECT
    id,
    name,
    role
FROM users
WHERE active
ORDER BY name, id;

-- name: still_admin(own uuid) -> value boolean
-- Whether the caller is an admin yet. All of them are held until the commit, in one order: of two who take each other's
-- role at once the second one sees that he has lost his. A hotel has tens of people.
WITH admins AS (
    SELECT id
    FROM users
    WHERE role = 'TENANT_ADMIN' AND active
    ORDER BY id
    FOR NO KEY UPDATE
)

SELECT count(*) = 1
FROM admins
WHERE id = :own;

-- name: patch(id uuid, name text, role text, active boolean) -> maybe UserRow
-- Changes what is not NULL.
-- Index: users_pkey
UPDATE users
SET
    name = coalesce(:name, name),
    role = coalesce(:role, role),
    active = coalesce(:active, active),
    updated_at = now()
WHERE id = :id
RETURNING id, email, name, role, tenant_id, active, must_change_password;
