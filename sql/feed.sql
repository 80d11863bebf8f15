-- The feed of events of a tenant: feed_heads holds the newest seq, feed_events what happened.
-- Called by crm/core/feed.py, crm/core/hub.py and crm/worker.py.

-- name: append(events text[], conversations uuid[], texts text[]) -> value bigint
-- Adds events in the order given and answers the seq of the last. The head's row stays locked until commit.
-- Index: feed_heads_pkey
WITH head AS (
    INSERT INTO feed_heads (seq)
    VALUES (cardinality(:events::text[]))
    ON CONFLICT (tenant_id) DO UPDATE SET seq = feed_heads.seq + excluded.seq
    RETURNING seq
),

added AS (
    INSERT INTO feed_events (seq, event, conversation_id, data)
    SELECT
        head.seq - cardinality(:events) + item.place,
        item.event,
        item.conversation_id,
        item.data
    FROM head
    CROSS JOIN
        unnest(:events, :conversations::uuid[], :texts::text[])
        WITH ORDINALITY AS item (event, conversation_id, data, place)
)

SELECT head.seq FROM head;

-- name: since(seq bigint, max bigint) -> many EventRow
-- Events after a seq, oldest first.
-- Index: feed_events_pkey
SELECT
    seq,
    event,
    conversation_id,
    data
FROM feed_events
WHERE seq > :seq
ORDER BY seq
LIMIT :max;

-- name: head() -> value bigint
-- The newest seq of this tenant.
-- Index: feed_heads_pkey
SELECT seq
FROM feed_heads;

-- name: heads(tenants uuid[]) -> many HeadRow
-- The newest seq of several tenants: what a process compares with what its sockets were told.
-- Index: feed_heads_pkey
-- as: system
SELECT
    tenant_id,
    seq
FROM feed_heads
WHERE tenant_id = ANY(:tenants::uuid[]);

-- name: places(conversations uuid[]) -> many PlaceOfRow
-- Who has these conversations now: what decides which sockets are told of them.
-- Index: conversations_pkey
SELECT
    c.id,
    c.assigned_to,
    c.department_id
FROM unnest(:conversations::uuid[]) AS told (id)
INNER JOIN conversations AS c ON told.id = c.id;

-- name: cut() -> value int
-- Makes the parts of the next days and drops those older than 48 hours; how many were dropped.
-- as: system
SELECT crm.cut_days('feed_events', INTERVAL '48 hours');
