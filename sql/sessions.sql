-- Sign-ins. Called by crm/sessions/ in the transaction of the person's home tenant, and by crm/users.py (end_all).

-- name: person_by_email(email text) -> maybe PersonRow
-- Who wants to sign in, with their tenant.
-- Index: users_email_key
SELECT
    u.id,
    u.email,
    u.name,
    u.role,
    u.must_change_password,
    u.active,
    u.password_hash,
    t.id AS tenant_id,
    t.slug AS tenant_slug,
    t.name AS tenant_name,
    t.status AS tenant_status
FROM users AS u
INNER JOIN tenants AS t ON u.tenant_id = t.id
WHERE u.email = :email;

-- name: person(id uuid) -> one PersonRow
-- The caller, with their tenant.
-- Index: users_pkey
SELECT
    u.id,
    u.email,
    u.name,
    u.role,
    u.must_change_password,
    u.active,
    u.password_hash,
    t.id AS tenant_id,
    t.slug AS tenant_slug,
    t.name AS tenant_name,
    t.status AS tenant_status
FROM users AS u
INNER JOIN tenants AS t ON u.tenant_id = t.id
WHERE u.id = :id;

-- name: begin(user_id uuid, proved text, hash bytea, ip text, agent text, seconds float8) -> value uuid
-- Opens a session, where the password that was proved is still the person's. The person's lock lets whoever sets
-- another see this session, to end it, or be seen.
-- Index: users_pkey
INSERT INTO sessions (user_id, refresh_hash, ip, user_agent, expires_at)
SELECT
    id,
    :hash,
    :ip,
    :agent,
    now() + :seconds * INTERVAL '1 second'
FROM users
WHERE id = :user_id AND active AND password_hash = :proved
FOR SHARE
RETURNING id;

-- name: end_oldest(user_id uuid) -> none
-- Ends what a person has open beyond the newest twenty.
-- Index: sessions_user_ix
UPDATE sessions
SET revoked_at = now()
WHERE id IN (
    SELECT id
    FROM sessions
    WHERE user_id = :user_id AND revoked_at IS NULL
    ORDER BY created_at DESC
    OFFSET 20
);

-- name: forget() -> none
-- Forgets some of the hotel's sign-ins that ended a month ago; who signed in, and from where, is in the audit log. An id
-- tells when it was made, so only what is older is read: those that ended, until they are forgotten, and a few that go on.
-- Index: sessions_pkey
DELETE FROM sessions
WHERE id IN (
    SELECT id
    FROM sessions
    WHERE
        id < (SELECT uuidv7(INTERVAL '-30 days'))
        AND least(expires_at, revoked_at) < now() - INTERVAL '30 days'
    ORDER BY id
    LIMIT 500
    FOR UPDATE SKIP LOCKED
);

-- name: rotate(id uuid, old bytea, new bytea, seconds float8) -> maybe PersonRow
-- Replaces the newest refresh token; no row when it was not the newest, or the session is over.
-- Index: sessions_pkey
UPDATE sessions AS s
SET refresh_hash = :new, last_used_at = now(), expires_at = now() + :seconds * INTERVAL '1 second'
FROM users AS u, tenants AS t
WHERE
    s.id = :id
    AND s.refresh_hash = :old
    AND s.revoked_at IS NULL
    AND s.expires_at > now()
    AND u.tenant_id = s.tenant_id
    AND u.id = s.user_id
    AND u.active
    AND t.id = s.tenant_id
RETURNING
    u.id, u.email, u.name, u.role, u.must_change_password, u.active, u.password_hash,
    t.id AS tenant_id, t.slug AS tenant_slug, t.name AS tenant_name, t.status AS tenant_status;

-- name: end(id uuid, user_id uuid) -> count
-- Ends one session of a person.
-- Index: sessions_user_ix
UPDATE sessions
SET revoked_at = now()
WHERE id = :id AND user_id = :user_id AND revoked_at IS NULL;

-- name: end_all(user_id uuid, keep uuid) -> none
-- Ends every session of a person but one (NULL: all).
-- Index: sessions_user_ix
UPDATE sessions
SET revoked_at = now()
WHERE user_id = :user_id AND revoked_at IS NULL AND id IS DISTINCT FROM :keep;

-- name: of_user(user_id uuid) -> many SessionRow
-- A person's open sessions, newest first.
-- Index: sessions_user_ix
SELECT
    id,
    ip,
    user_agent,
    created_at,
    last_used_at,
    expires_at
FROM sessions
WHERE user_id = :user_id AND revoked_at IS NULL AND expires_at > now()
ORDER BY created_at DESC;

-- name: set_password(id uuid, hash text, temporary boolean, proved text) -> count
-- Stores a new password's hash; where the old one was proved, while that is still the person's.
-- Index: users_pkey
UPDATE users
SET password_hash = :hash, must_change_password = :temporary, updated_at = now()
WHERE id = :id AND (:proved::text IS NULL OR password_hash = :proved);
