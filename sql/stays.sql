-- Stays of guests. Called by crm/stays/ in a tenant's transaction.

-- name: put(contact uuid, code text, check_in date, check_out date, room text, language text, status text) -> maybe StayRow
-- Adds a stay, or changes it; no row where it stands so already, or there is no such contact. One that was merged
-- leads to who it is now.
-- Index: contacts_pkey, stays_code_key
INSERT INTO stays (contact_id, code, check_in, check_out, room, language, status)
SELECT
    coalesce(merged_into, id),
    :code,
    :check_in,
    :check_out,
    :room,
    :language,
    :status
FROM contacts
WHERE id = :contact
ON CONFLICT (tenant_id, contact_id, code) DO UPDATE
    SET
        check_in = excluded.check_in,
        check_out = excluded.check_out,
        room = excluded.room,
        language = excluded.language,
        status = excluded.status,
        updated_at = now()
    WHERE
    (stays.check_in, stays.check_out, stays.room, stays.language, stays.status)
    IS DISTINCT FROM (excluded.check_in, excluded.check_out, excluded.room, excluded.language, excluded.status)
RETURNING id, contact_id, code, check_in, check_out, room, language, status, created_at, updated_at;

-- name: get(contact uuid, code text) -> maybe StayRow
-- A contact's stay by its reservation's code.
-- Index: contacts_pkey, stays_code_key
SELECT
    s.id,
    s.contact_id,
    s.code,
    s.check_in,
    s.check_out,
    s.room,
    s.language,
    s.status,
    s.created_at,
    s.updated_at
FROM contacts AS p
INNER JOIN stays AS s ON p.tenant_id = s.tenant_id AND s.contact_id = coalesce(p.merged_into, p.id)
WHERE p.id = :contact AND s.code = :code;

-- name: of(contact uuid) -> many StayRow
-- A contact's stays, the latest arrival first.
-- Index: stays_code_key
SELECT
    id,
    contact_id,
    code,
    check_in,
    check_out,
    room,
    language,
    status,
    created_at,
    updated_at
FROM stays
WHERE contact_id = :contact
ORDER BY check_in DESC, id DESC
LIMIT 100;

-- name: remove(id uuid) -> count
-- Deletes a stay.
-- Index: stays_pkey
DELETE FROM stays
WHERE id = :id;
