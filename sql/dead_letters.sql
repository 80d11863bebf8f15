-- What could not be worked. Called by crm/dead_letters.py, in a tenant's transaction or as crm_system.

-- name: bury(tenant uuid, kind text, about text, item jsonb, error text) -> none
-- Keeps a thing whole with its error; one that failed before gets one more try on its row. What a person has
-- discarded stays so, however often Meta sends it again.
-- Index: dead_letters_about_key
INSERT INTO dead_letters (tenant_id, kind, about, item, error)
VALUES (:tenant, :kind, :about, :item, :error)
ON CONFLICT (tenant_id, kind, about) DO UPDATE SET
    item = excluded.item,
    error = excluded.error,
    attempts = dead_letters.attempts + 1,
    last_at = now(),
    status = CASE WHEN dead_letters.status = 'DISCARDED' THEN dead_letters.status ELSE 'WAITING' END,
    ended_at = CASE WHEN dead_letters.status = 'DISCARDED' THEN dead_letters.ended_at END,
    ended_by = CASE WHEN dead_letters.status = 'DISCARDED' THEN dead_letters.ended_by END;

-- name: page(status text, before timestamptz, before_id uuid, skip bigint, max bigint) -> many LetterRow
-- A tenant's letters of one status before a place, newest first.
-- Index: dead_letters_status_ix
SELECT
    tenant_id,
    id,
    kind,
    about,
    item,
    error,
    attempts,
    status,
    created_at,
    last_at,
    ended_at,
    ended_by
FROM dead_letters
WHERE status = :status AND (created_at, id) < (:before, :before_id)
ORDER BY created_at DESC, id DESC
LIMIT :max OFFSET :skip;

-- name: total(status text) -> value bigint
-- How many letters of a status a tenant has: few, so they are counted.
-- Index: dead_letters_status_ix
SELECT count(*)
FROM dead_letters
WHERE status = :status;

-- name: waiting_by_tenant() -> many WaitingLettersRow
-- How many letters wait for somebody, by tenant, for the metrics.
-- as: system
SELECT
    t.slug,
    count(*) AS rows
FROM dead_letters AS d
INNER JOIN tenants AS t ON d.tenant_id = t.id
WHERE d.status = 'WAITING'
GROUP BY t.slug
ORDER BY t.slug;

-- name: hold(id uuid) -> maybe LetterRow
-- A letter that waits, held until the commit: two people retry it once.
-- Index: dead_letters_pkey
SELECT
    tenant_id,
    id,
    kind,
    about,
    item,
    error,
    attempts,
    status,
    created_at,
    last_at,
    ended_at,
    ended_by
FROM dead_letters
WHERE id = :id
FOR NO KEY UPDATE;

-- name: end(id uuid, status text, by uuid) -> maybe LetterRow
-- Ends a letter that waits: RETRIED or DISCARDED.
-- Index: dead_letters_pkey
UPDATE dead_letters
SET status = :status, ended_at = now(), ended_by = :by
WHERE id = :id AND status = 'WAITING'
RETURNING
    tenant_id, id, kind, about, item, error, attempts, status, created_at, last_at, ended_at, ended_by;

-- name: end_about(kind text, about text, by uuid) -> none
-- Ends the letter of a thing that was put back by another door.
-- Index: dead_letters_about_key
UPDATE dead_letters
SET status = 'RETRIED', ended_at = now(), ended_by = :by
WHERE kind = :kind AND about = :about AND status = 'WAITING';

-- name: tidy() -> count
-- Forgets letters 30 days after their end; those that wait are never forgotten.
-- as: system
DELETE FROM dead_letters
WHERE ended_at < now() - INTERVAL '30 days';
