-- The list of conversations: its pages under every filter, and their totals.
-- Called by crm/conversations/lists.py in a tenant's transaction.

-- name: place(archived boolean, skip bigint) -> maybe PlacedRow
-- The last row before a page of the list without filters, skipped to in the index alone: page 200 reads none of the
-- 4,000 rows before it.
-- Index: conversations_newest_ix
-- as: caller
SELECT
    id,
    last_message_at
FROM conversations
WHERE
    (SELECT crm.viewer()) IS NULL
    AND archived = :archived
ORDER BY last_message_at DESC, id DESC
LIMIT 1 OFFSET :skip::bigint - 1;

-- name: page(before timestamptz, before_id uuid, archived boolean, counted boolean, max bigint) -> many ListedRow
-- The list without filters, newest message first. The page is cut from one index before anything is joined, and
-- the total rides on each row when it is asked for. It is empty for whom the hotel restricts: see sight.
-- A name is looked up only where there is one: 0.37 ms against 0.44 with outer joins (21 rows, client included).
-- Index: conversations_newest_ix
-- as: caller
WITH page AS MATERIALIZED (
    SELECT
        id,
        status,
        archived,
        contact_id,
        channel_id,
        assigned_to,
        tags,
        unread_count,
        last_message_id,
        last_message_direction,
        last_message_type,
        last_message_preview,
        last_message_status,
        last_message_at,
        window_expires_at,
        free_until,
        created_at,
        department_id,
        snoozed_until,
        first_unread_id
    FROM conversations
    WHERE
        (SELECT crm.viewer()) IS NULL
        AND archived = :archived
        AND (last_message_at, id) < (:before, :before_id)
    ORDER BY last_message_at DESC, id DESC
    LIMIT :max
)

SELECT
    c.id,
    c.status,
    c.archived,
    c.contact_id,
    coalesce(p.name, p.profile_name) AS contact_name,
    p.phone AS contact_phone,
    p.wa_id AS contact_wa_id,
    c.channel_id,
    c.assigned_to,
    CASE WHEN c.assigned_to IS NOT NULL THEN (SELECT name FROM users WHERE id = c.assigned_to) END AS assigned_name,
    c.tags,
    c.unread_count,
    c.last_message_id,
    c.last_message_direction,
    c.last_message_type,
    c.last_message_preview,
    c.last_message_status,
    c.last_message_at,
    c.window_expires_at,
    c.free_until,
    c.created_at,
    c.department_id,
    CASE
        WHEN c.department_id IS NOT NULL THEN (SELECT name FROM departments WHERE id = c.department_id)
    END AS department_name,
    c.snoozed_until,
    c.first_unread_id,
    (
        SELECT coalesce(sum(n), 0)::bigint
        FROM conversation_counts
        WHERE
            :counted
            AND archived = :archived
    ) AS total
FROM page AS c
INNER JOIN contacts AS p ON c.contact_id = p.id
ORDER BY c.last_message_at DESC, c.id DESC;

-- name: page_filtered(before timestamptz, before_id uuid, archived boolean, status text, assigned_to uuid, unassigned boolean, unread boolean, channel_id uuid, department_id uuid, contacts uuid[], skip bigint, max bigint) -> many PlacedRow
-- The list under filters. Planned for its own values: a plan that is kept would sort the
-- whole tenant (20 ms against 0.8 ms measured).
-- Index: conversations_newest_ix
-- plan: custom
SELECT
    id,
    last_message_at
FROM conversations
WHERE
    archived = :archived
    AND (last_message_at, id) < (:before, :before_id)
    AND (:status::text IS NULL OR status = :status)
    AND (:assigned_to::uuid IS NULL OR assigned_to = :assigned_to)
    AND (:unassigned::boolean IS NULL OR assigned_to IS NULL)
    AND (:unread::boolean IS NULL OR unread_count > 0)
    AND (:channel_id::uuid IS NULL OR channel_id = :channel_id)
    AND (:department_id::uuid IS NULL OR department_id = :department_id)
    AND (:contacts::uuid[] IS NULL OR contact_id = ANY(:contacts))
ORDER BY last_message_at DESC, id DESC
LIMIT :max OFFSET :skip;

-- name: sight() -> one SightRow
-- Whether the hotel restricts what the caller sees, and the departments whose conversations he sees nevertheless.
SELECT
    crm.viewer() IS NOT NULL AS restricted,
    crm.viewer_departments() AS departments;

-- name: page_tagged(before timestamptz, before_id uuid, tag text, archived boolean, status text, assigned_to uuid, unassigned boolean, unread boolean, channel_id uuid, department_id uuid, contacts uuid[], skip bigint, max bigint) -> many PlacedRow
-- The list of one tag: in the list's order from the index of tags, the other filters looked up beside it.
-- Index: conversation_tags_recent_ix
-- plan: custom
SELECT
    c.id,
    t.last_message_at
FROM conversation_tags AS t
INNER JOIN conversations AS c ON t.tenant_id = c.tenant_id AND t.conversation_id = c.id
WHERE
    t.tag = :tag
    AND t.archived = :archived
    AND (t.last_message_at, t.conversation_id) < (:before, :before_id)
    AND (:status::text IS NULL OR c.status = :status)
    AND (:assigned_to::uuid IS NULL OR c.assigned_to = :assigned_to)
    AND (:unassigned::boolean IS NULL OR c.assigned_to IS NULL)
    AND (:unread::boolean IS NULL OR c.unread_count > 0)
    AND (:channel_id::uuid IS NULL OR c.channel_id = :channel_id)
    AND (:department_id::uuid IS NULL OR c.department_id = :department_id)
    AND (:contacts::uuid[] IS NULL OR c.contact_id = ANY(:contacts))
ORDER BY t.last_message_at DESC, t.conversation_id DESC
LIMIT :max OFFSET :skip;

-- name: total(archived boolean, status text, assigned_to uuid, unassigned boolean, unread boolean, channel_id uuid, department_id uuid) -> value bigint
-- How many conversations the filters leave: from the kept differences, tens of rows.
-- Index: conversation_counts_pkey
SELECT coalesce(sum(n), 0)::bigint
FROM conversation_counts
WHERE
    archived = :archived
    AND (:status::text IS NULL OR status = :status)
    AND (:assigned_to::uuid IS NULL OR assigned_to = :assigned_to)
    AND (:unassigned::boolean IS NULL OR assigned_to IS NULL)
    AND (:unread::boolean IS NULL OR conversation_counts.unread)
    AND (:channel_id::uuid IS NULL OR channel_id = :channel_id)
    AND (:department_id::uuid IS NULL OR department_id = :department_id);

-- name: unread(own uuid) -> one UnreadRow
-- How many conversations have something unread: all, the own, and nobody's.
-- Index: conversation_counts_pkey
-- as: caller
SELECT
    coalesce(sum(n), 0)::bigint AS total,
    coalesce(sum(n) FILTER (WHERE assigned_to = :own), 0)::bigint AS mine,
    coalesce(sum(n) FILTER (WHERE assigned_to IS NULL), 0)::bigint AS unassigned
FROM conversation_counts
WHERE NOT archived AND conversation_counts.unread;
