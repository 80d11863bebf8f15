-- Contacts from files and to files: imports with their lines and errors. Called by crm/spreadsheets/ in a tenant's
-- transaction; what the sweep asks crosses tenants as crm_system.

-- name: begin_import(by_user uuid, filename text, columns text[], headings text[]) -> value uuid
-- An import whose lines are kept next, in the same transaction.
INSERT INTO contact_imports (by_user, filename, columns, headings)
VALUES (:by_user, :filename, :columns::text[], :headings::text[])
RETURNING id;

-- name: keep(id uuid, records jsonb) -> none
-- Lines to be worked: [[line, [cell, …]], …].
-- Index: contact_import_lines_pkey
INSERT INTO contact_import_lines (import_id, line, cells)
SELECT
    :id,
    (r.value ->> 0)::integer,
    r.value -> 1
FROM jsonb_array_elements(:records::jsonb) AS r;

-- name: kept(id uuid, lines int) -> none
-- How many lines the file has.
-- Index: contact_imports_pkey
UPDATE contact_imports SET lines = :lines WHERE id = :id;

-- name: running() -> many RunningRow
-- Imports that nobody works on.
-- Index: contact_imports_running_ix
-- as: system
SELECT
    tenant_id,
    id
FROM contact_imports
WHERE status = 'RUNNING' AND crm.is_due(due_at)
ORDER BY due_at, id
LIMIT 100;

-- name: begin(id uuid, tries int) -> value text
-- Counts a try of the next batch, and gives up after so many that failed; what the import is now.
-- Index: contact_imports_running_ix
UPDATE contact_imports
SET
    attempts = attempts + 1,
    due_at = now() + 10 * (attempts + 1) * INTERVAL '1 second',
    status = CASE WHEN attempts >= :tries THEN 'FAILED' ELSE status END,
    finished_at = CASE WHEN attempts >= :tries THEN now() END
WHERE id = :id AND status = 'RUNNING'
RETURNING status;

-- name: forget(id uuid) -> none
-- Of an import that is over, nothing is kept but its counts and errors.
-- Index: contact_import_lines_pkey, contact_import_people_pkey
WITH met AS (
    DELETE FROM contact_import_people WHERE import_id = :id
)

DELETE FROM contact_import_lines WHERE import_id = :id;

-- name: hold(id uuid) -> maybe ImportRow
-- The import, until the commit: its lines are worked in their order, by one at a time.
-- Index: contact_imports_running_ix
SELECT
    id,
    filename,
    status,
    columns,
    headings,
    lines,
    created,
    updated,
    unchanged,
    failed,
    created_at,
    finished_at
FROM contact_imports
WHERE id = :id AND status = 'RUNNING'
FOR NO KEY UPDATE;

-- name: take(id uuid, max bigint) -> many LineRow
-- Takes the next lines by deleting them: undone with the transaction. By their span, not one by one: joined, the plan
-- that is kept reads the whole file for each batch (450 ms against 5 ms at 10,000 lines).
-- Index: contact_import_lines_pkey
WITH next AS MATERIALIZED (
    SELECT max(first_ones.line) AS line
    FROM (SELECT line FROM contact_import_lines WHERE import_id = :id ORDER BY line LIMIT :max) AS first_ones
),

taken AS (
    DELETE FROM contact_import_lines
    WHERE import_id = :id AND line <= (SELECT next.line FROM next)
    RETURNING line, cells
)

SELECT
    line,
    cells
FROM taken
ORDER BY line;

-- name: meet(id uuid, contacts uuid[], lines int[]) -> many MetRow
-- The line that first named each of these people; what is known of that stays.
-- Index: contact_import_people_pkey
INSERT INTO contact_import_people AS known (import_id, contact_id, line)
SELECT
    :id,
    given.contact,
    min(given.line)
FROM unnest(:contacts::uuid[], :lines::int[]) AS given (contact, line)
GROUP BY given.contact
ON CONFLICT (tenant_id, import_id, contact_id) DO UPDATE SET line = known.line
RETURNING contact_id, line;

-- name: lock(ids uuid[]) -> none
-- Holds contacts until the commit, in the order in which everybody does.
-- Index: contacts_pkey
SELECT id
FROM contacts
WHERE id = ANY(:ids::uuid[])
ORDER BY id
FOR NO KEY UPDATE;

-- name: learn(ids uuid[], lines jsonb[], first boolean) -> many KeptRow
-- Writes what lines ({name, email, tags, attributes}) say over what is known of contacts, which are locked; of lines
-- that are not the `first` to name theirs only says whether it is news. NULL leaves it, tags are added, attributes are
-- merged. A name that WhatsApp's profile says already is no news: so an export that comes in again changes nothing.
-- Looked up one by one, and written by where they lie: joined, the plan that is kept compares every contact of a hotel
-- that grows with every line (470 ms against 43 at 10,000 contacts).
-- Index: contacts_pkey
WITH said AS MATERIALIZED (
    SELECT
        given.n,
        c.place,
        c.created_at = now() AS created,
        (
            c.name IS DISTINCT FROM new.name
            OR c.email IS DISTINCT FROM new.email
            OR c.tags <> new.tags
            OR c.attributes <> new.attributes
        ) AS changed,
        new.*
    FROM unnest(:ids::uuid[], :lines::jsonb[]) WITH ORDINALITY AS given (id, line, n)
    CROSS JOIN
        LATERAL ( -- noqa: ST05
            SELECT
                ctid AS place,
                p.*
            FROM contacts AS p
            WHERE p.id = given.id
            ORDER BY p.id
            LIMIT 1
        ) AS c
    CROSS JOIN
        LATERAL ( -- noqa: ST05
            SELECT
                coalesce(
                    nullif(given.line ->> 'name', CASE WHEN c.name IS NULL THEN c.profile_name END), c.name
                ) AS name,
                coalesce(given.line ->> 'email', c.email) AS email,
                c.tags || array(
                    SELECT t.value
                    FROM jsonb_array_elements_text(given.line -> 'tags') WITH ORDINALITY AS t (value, place)
                    WHERE t.value <> ALL(c.tags)
                    ORDER BY t.place
                ) AS tags,
                c.attributes || (given.line -> 'attributes') AS attributes
        ) AS new
),

written AS (
    UPDATE contacts AS c
    SET name = said.name, email = said.email, tags = said.tags, attributes = said.attributes, updated_at = now()
    FROM said
    WHERE c.ctid = said.place AND said.changed AND :first
)

SELECT
    created,
    changed
FROM said
ORDER BY n;

-- name: note(id uuid, errors jsonb) -> none
-- What was wrong in lines: [{line, place, heading, pt, en}, …].
-- Index: contact_import_errors_pkey
INSERT INTO contact_import_errors (import_id, line, place, heading, pt, en)
SELECT
    :id,
    e.line,
    e.place,
    e.heading,
    e.pt,
    e.en
FROM jsonb_to_recordset(:errors::jsonb) AS e (line integer, place integer, heading text, pt text, en text);

-- name: progress(id uuid, created int, updated int, unchanged int, failed int, more boolean) -> one ProgressRow
-- Counts a batch. Of progress is told once a second, and of the end.
-- Index: contact_imports_pkey
UPDATE contact_imports
SET
    created = created + :created,
    updated = updated + :updated,
    unchanged = unchanged + :unchanged,
    failed = failed + :failed,
    attempts = 0,
    due_at = now() + INTERVAL '10 seconds',
    status = CASE WHEN :more THEN 'RUNNING' ELSE 'DONE' END,
    finished_at = CASE WHEN NOT :more THEN now() END,
    told_at = CASE WHEN :more AND told_at > now() - INTERVAL '1 second' THEN told_at ELSE now() END
WHERE id = :id
RETURNING
    id, filename, status, columns, headings, lines, created, updated, unchanged, failed, created_at, finished_at,
    told_at = now() AS told;

-- name: get(id uuid) -> maybe ImportRow
-- One import.
-- Index: contact_imports_pkey
SELECT
    id,
    filename,
    status,
    columns,
    headings,
    lines,
    created,
    updated,
    unchanged,
    failed,
    created_at,
    finished_at
FROM contact_imports
WHERE id = :id;

-- name: page(before timestamptz, before_id uuid, skip bigint, max bigint) -> many ImportRow
-- Imports before a place, newest first.
-- Index: contact_imports_created_ix
SELECT
    id,
    filename,
    status,
    columns,
    headings,
    lines,
    created,
    updated,
    unchanged,
    failed,
    created_at,
    finished_at
FROM contact_imports
WHERE (created_at, id) < (:before, :before_id)
ORDER BY created_at DESC, id DESC
LIMIT :max OFFSET :skip;

-- name: total(most bigint) -> value bigint
-- How many imports there are, counted up to `most`: what is beyond is not read.
-- Index: contact_imports_created_ix
SELECT count(*)
FROM (
    SELECT FROM contact_imports
    ORDER BY created_at DESC, id DESC
    LIMIT :most
) AS counted;

-- name: errors(id uuid, line int, place int, max bigint) -> many ErrorRow
-- What was wrong after a place, in the order of the file.
-- Index: contact_import_errors_pkey
SELECT
    line,
    place,
    heading,
    pt,
    en
FROM contact_import_errors
WHERE import_id = :id AND (line, place) > (:line, :place)
ORDER BY line, place
LIMIT :max;

-- name: after(after uuid, max bigint) -> many SheetRow
-- Contacts after one, the oldest first; who proved to be another, or was erased, is left out.
-- Index: contacts_pkey
SELECT
    id,
    coalesce(name, profile_name) AS name,
    coalesce(phone, '+' || wa_id) AS phone,
    email,
    tags,
    attributes,
    language,
    blocked,
    marketing_opt_out
FROM contacts
WHERE id > :after AND merged_into IS NULL AND erased_at IS NULL AND NOT is_group
ORDER BY id
LIMIT :max;
