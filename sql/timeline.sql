-- What people did with a conversation, and their notes. Called by crm/conversations/timeline.py and entries.py in a
-- tenant's transaction.

-- name: add(conversations uuid[], type text, by_user uuid, content text, mentions uuid[], data jsonb) -> many NotedRow
-- Notes the same in each of these.
-- Index: conversation_entries_pkey
WITH added AS (
    INSERT INTO conversation_entries (conversation_id, type, by_user, content, mentions, data)
    SELECT
        given.id,
        :type,
        :by_user,
        :content,
        :mentions::uuid[],
        :data
    FROM unnest(:conversations::uuid[]) AS given (id)
    RETURNING *
)

SELECT
    added.id,
    added.type,
    added.by_user,
    u.name AS by_name,
    added.content,
    added.mentions,
    added.data,
    added.created_at,
    added.conversation_id
FROM added
LEFT JOIN users AS u ON added.tenant_id = u.tenant_id AND added.by_user = u.id
ORDER BY added.id;

-- name: page(conversation uuid, before uuid, skip bigint, max bigint) -> many EntryRow
-- The timeline, newest first: ids grow with time.
-- Index: conversation_entries_pkey
SELECT
    e.id,
    e.type,
    e.by_user,
    u.name AS by_name,
    e.content,
    e.mentions,
    e.data,
    e.created_at
FROM conversation_entries AS e
LEFT JOIN users AS u ON e.tenant_id = u.tenant_id AND e.by_user = u.id
WHERE e.conversation_id = :conversation AND e.id < :before
ORDER BY e.id DESC
LIMIT :max OFFSET :skip;

-- name: total(conversation uuid, most bigint) -> value bigint
-- How many entries a timeline has, counted up to `most`: what is beyond is not read.
-- Index: conversation_entries_pkey
SELECT count(*)
FROM (
    SELECT FROM conversation_entries
    WHERE conversation_id = :conversation
    ORDER BY id DESC
    LIMIT :most
) AS counted;

-- name: active(people uuid[]) -> value bigint
-- How many of these are active people of the tenant.
-- Index: users_pkey
SELECT count(*)
FROM users
WHERE id = ANY(:people::uuid[]) AND active;
