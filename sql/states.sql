-- The states of a conversation, and how people move it through them: each statement's own WHERE decides, and says so by its count.
-- Called by crm/conversations/states.py and keeping.py in a tenant's transaction.

-- name: read(id uuid) -> count
-- Nothing is unread any more.
-- Index: conversations_pkey
UPDATE conversations
SET unread_count = 0, first_unread_id = NULL, updated_at = now()
WHERE id = :id;

-- name: unread(id uuid) -> count
-- At least one is unread.
-- Index: conversations_pkey
UPDATE conversations
SET
    unread_count = greatest(unread_count, 1),
    first_unread_id = coalesce(first_unread_id, last_message_id),
    updated_at = now()
WHERE id = :id;

-- name: archive(id uuid, archived boolean) -> count
-- Out of the list, or into it again; none when it is there already.
-- Index: conversations_pkey
UPDATE conversations
SET archived = :archived, updated_at = now()
WHERE id = :id AND archived <> :archived;

-- name: change(id uuid, status text, tags text[]) -> maybe MovedRow
-- Another status, other tags (all of them), or both; no row when it has them. What is closed is not put off and has
-- nothing unread. What is opened again has the window of its pair: the customer may have written in a later one.
-- Both in one: a second UPDATE of the row would ask for its contact, which an erasure holds while it waits for the row.
-- Index: conversations_pkey, conversations_contact_ix
UPDATE conversations AS c
SET
    status = coalesce(:status, c.status),
    tags = coalesce(:tags::text[], c.tags),
    closed_at = CASE WHEN c.status <> 'CLOSED' AND :status = 'CLOSED' THEN now() ELSE c.closed_at END,
    unread_count = CASE WHEN c.status <> 'CLOSED' AND :status = 'CLOSED' THEN 0 ELSE c.unread_count END,
    first_unread_id = CASE WHEN coalesce(:status, '') <> 'CLOSED' THEN c.first_unread_id END,
    snoozed_until = CASE WHEN coalesce(c.status = :status, TRUE) THEN c.snoozed_until END,
    window_expires_at = CASE
        WHEN c.status <> 'CLOSED' OR coalesce(:status, 'CLOSED') = 'CLOSED' THEN c.window_expires_at
        ELSE (
            SELECT max(o.window_expires_at)
            FROM conversations AS o
            WHERE o.contact_id = c.contact_id AND o.channel_id = c.channel_id
        )
    END,
    updated_at = now()
WHERE c.id = :id AND (c.status <> :status OR c.tags <> :tags::text[])
RETURNING old.status <> c.status AS moved, old.tags <> c.tags AS tagged;

-- name: other_open(id uuid) -> value uuid
-- The open conversation that stands in the way of opening this one again.
-- Index: conversations_open_key
SELECT o.id
FROM conversations AS c
INNER JOIN conversations AS o
    ON c.contact_id = o.contact_id AND c.channel_id = o.channel_id AND o.status <> 'CLOSED'
WHERE c.id = :id AND o.id <> c.id;

-- name: snooze(id uuid, until timestamptz) -> count
-- Puts it off; a closed one cannot be.
-- Index: conversations_pkey
WITH put_off AS (
    UPDATE conversations
    SET status = 'PENDING', snoozed_until = :until, updated_at = now()
    WHERE id = :id AND status <> 'CLOSED'
    RETURNING id
)

INSERT INTO snoozes (conversation_id, due_at)
SELECT
    id,
    :until
FROM put_off
ON CONFLICT (tenant_id, conversation_id) DO UPDATE SET due_at = excluded.due_at;

-- name: unsnooze(id uuid) -> count
-- Puts it off no longer.
-- Index: conversations_pkey
UPDATE conversations
SET status = 'OPEN', snoozed_until = NULL, updated_at = now()
WHERE id = :id AND snoozed_until IS NOT NULL AND status <> 'CLOSED';

-- name: snoozed_tenants() -> many SnoozedRow
-- Hotels with something put off whose time has come.
-- Index: snoozes_due_ix
-- as: system
SELECT DISTINCT tenant_id
FROM snoozes
WHERE due_at <= now();

-- name: wake(max bigint) -> many ShutRow
-- Brings back what was put off until now, as something unread; what was brought back before is only forgotten.
-- A conversation that somebody holds is left for the next look: who puts it off again holds it before its snooze.
-- Index: snoozes_due_ix, conversations_pkey
WITH due AS (
    DELETE FROM snoozes
    WHERE (tenant_id, conversation_id) IN (
        SELECT
            s.tenant_id,
            s.conversation_id
        FROM conversations AS c
        INNER JOIN snoozes AS s ON c.tenant_id = s.tenant_id AND c.id = s.conversation_id
        WHERE s.due_at <= now()
        ORDER BY s.due_at
        LIMIT :max
        FOR NO KEY UPDATE SKIP LOCKED
    )
    RETURNING conversation_id
)

UPDATE conversations AS c
SET
    status = 'OPEN',
    snoozed_until = NULL,
    unread_count = greatest(c.unread_count, 1),
    first_unread_id = coalesce(c.first_unread_id, c.last_message_id),
    updated_at = now()
FROM due
WHERE c.id = due.conversation_id AND c.snoozed_until <= now() AND c.status = 'PENDING'
RETURNING c.id;
