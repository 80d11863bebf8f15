-- Conversations: their list, their kept totals, what a new message changes on them.
-- Called by crm/conversations.py in a tenant's transaction, and by the worker (fold) as crm_system.

-- name: page(before timestamptz, before_id uuid, archived boolean, counted boolean, max bigint) -> many ListedRow
-- The list as it opens, newest message first. The page is cut from one index before anything is joined;
-- the total rides on each row when it is asked for.
-- Index: conversations_recent_ix
WITH page AS MATERIALIZED (
    SELECT
        id,
        last_message_at
    FROM conversations
    WHERE archived = :archived AND (last_message_at, id) < (:before, :before_id)
    ORDER BY last_message_at DESC, id DESC
    LIMIT :max
),

total AS MATERIALIZED (
    SELECT coalesce(sum(n), 0)::bigint AS n
    FROM conversation_counts
    WHERE
        :counted
        AND archived = :archived
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
    u.name AS assigned_name,
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
    total.n AS total
FROM page
CROSS JOIN total
INNER JOIN conversations AS c ON page.id = c.id
INNER JOIN contacts AS p ON c.tenant_id = p.tenant_id AND c.contact_id = p.id
LEFT JOIN users AS u ON c.tenant_id = u.tenant_id AND c.assigned_to = u.id
ORDER BY page.last_message_at DESC, page.id DESC;

-- name: page_filtered(before timestamptz, before_id uuid, archived boolean, status text, assigned_to uuid, unassigned boolean, unread boolean, channel_id uuid, counted boolean, skip bigint, max bigint) -> many ListedRow
-- The list under filters, or at a page number. Planned for its own values: a plan that is kept would sort the
-- whole tenant (20 ms against 0.8 ms measured), and at page 200 the joins inside cost 80 ms against 3 ms.
-- Index: conversations_recent_ix
-- plan: custom
WITH page AS MATERIALIZED (
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
    ORDER BY last_message_at DESC, id DESC
    LIMIT :max OFFSET :skip
),

total AS MATERIALIZED (
    SELECT coalesce(sum(n), 0)::bigint AS n
    FROM conversation_counts
    WHERE
        :counted
        AND archived = :archived
        AND (:status::text IS NULL OR status = :status)
        AND (:assigned_to::uuid IS NULL OR assigned_to = :assigned_to)
        AND (:unassigned::boolean IS NULL OR assigned_to IS NULL)
        AND (:unread::boolean IS NULL OR conversation_counts.unread)
        AND (:channel_id::uuid IS NULL OR channel_id = :channel_id)
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
    u.name AS assigned_name,
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
    total.n AS total
FROM page
CROSS JOIN total
INNER JOIN conversations AS c ON page.id = c.id
INNER JOIN contacts AS p ON c.tenant_id = p.tenant_id AND c.contact_id = p.id
LEFT JOIN users AS u ON c.tenant_id = u.tenant_id AND c.assigned_to = u.id
ORDER BY page.last_message_at DESC, page.id DESC;

-- name: total(archived boolean, status text, assigned_to uuid, unassigned boolean, unread boolean, channel_id uuid) -> value bigint
-- How many conversations the filters leave, for a page beyond the last: from the kept differences, tens of rows.
-- Index: conversation_counts_pkey
SELECT coalesce(sum(n), 0)::bigint
FROM conversation_counts
WHERE
    archived = :archived
    AND (:status::text IS NULL OR status = :status)
    AND (:assigned_to::uuid IS NULL OR assigned_to = :assigned_to)
    AND (:unassigned::boolean IS NULL OR assigned_to IS NULL)
    AND (:unread::boolean IS NULL OR conversation_counts.unread)
    AND (:channel_id::uuid IS NULL OR channel_id = :channel_id);

-- name: get(id uuid) -> maybe ConversationRow
-- One conversation.
-- Index: conversations_pkey
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
    u.name AS assigned_name,
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
    c.created_at
FROM conversations AS c
INNER JOIN contacts AS p ON c.tenant_id = p.tenant_id AND c.contact_id = p.id
LEFT JOIN users AS u ON c.tenant_id = u.tenant_id AND c.assigned_to = u.id
WHERE c.id = :id;

-- name: open_of(contacts uuid[], channels uuid[]) -> many PlaceRow
-- The conversations that are open between contacts and channels.
-- Index: conversations_open_key
SELECT
    c.id,
    c.contact_id,
    c.channel_id
FROM unnest(:contacts::uuid[], :channels::uuid[]) AS pair (contact_id, channel_id)
INNER JOIN conversations AS c
    ON pair.contact_id = c.contact_id AND pair.channel_id = c.channel_id AND c.status <> 'CLOSED';

-- name: open_new(contacts uuid[], channels uuid[]) -> many PlaceRow
-- Opens conversations; one that somebody opened meanwhile is answered as it is.
-- Index: conversations_open_key
INSERT INTO conversations (contact_id, channel_id)
SELECT
    contact_id,
    channel_id
FROM unnest(:contacts::uuid[], :channels::uuid[]) AS pair (contact_id, channel_id)
ON CONFLICT (tenant_id, contact_id, channel_id) WHERE status <> 'CLOSED'
DO UPDATE SET updated_at = now()
RETURNING id, contact_id, channel_id;

-- name: restate(id uuid, message uuid, status text) -> none
-- Shows a new status of the last message.
-- Index: conversations_pkey
UPDATE conversations
SET last_message_status = :status
WHERE id = :id AND last_message_id = :message;

-- name: touch(ids uuid[], messages uuid[], directions text[], types text[], previews text[], statuses text[], ats timestamptz[], unreads int[], windows timestamptz[], clicks timestamptz[]) -> many ConversationRow
-- Notes the newest message of conversations. One processed late never replaces a newer one; the 24-hour
-- window is only ever moved forward.
-- Index: conversations_pkey
WITH news AS (
    SELECT *
    FROM unnest(
        :ids::uuid[], :messages::uuid[], :directions::text[], :types::text[], :previews::text[],
        :statuses::text[], :ats::timestamptz[], :unreads::int[], :windows::timestamptz[], :clicks::timestamptz[]
    )
        AS given (id, message_id, direction, type, preview, status, at, unread, window_expires_at, ad_clicked_at)
),

touched AS (
    UPDATE conversations AS c
    SET
        -- Each condition reads the locked row itself: a value read beside it would be the snapshot's.
        last_message_id = CASE
            WHEN c.last_message_id IS NULL OR news.at >= c.last_message_at THEN news.message_id
            ELSE c.last_message_id
        END,
        last_message_direction = CASE
            WHEN c.last_message_id IS NULL OR news.at >= c.last_message_at THEN news.direction
            ELSE c.last_message_direction
        END,
        last_message_type = CASE
            WHEN c.last_message_id IS NULL OR news.at >= c.last_message_at THEN news.type
            ELSE c.last_message_type
        END,
        last_message_preview = CASE
            WHEN c.last_message_id IS NULL OR news.at >= c.last_message_at THEN news.preview
            ELSE c.last_message_preview
        END,
        last_message_status = CASE
            WHEN c.last_message_id IS NULL OR news.at >= c.last_message_at THEN news.status
            ELSE c.last_message_status
        END,
        last_message_at = CASE
            WHEN c.last_message_id IS NULL OR news.at >= c.last_message_at THEN news.at
            ELSE c.last_message_at
        END,
        unread_count = c.unread_count + news.unread,
        window_expires_at = greatest(c.window_expires_at, news.window_expires_at),
        ad_clicked_at = greatest(c.ad_clicked_at, news.ad_clicked_at),
        -- Meta: 72 free hours from our first answer, if it comes within 24 of the click.
        free_until = CASE
            WHEN
                news.direction = 'OUTBOUND'
                AND news.at BETWEEN c.ad_clicked_at AND c.ad_clicked_at + INTERVAL '24 hours'
                AND coalesce(c.free_until, '-infinity') < c.ad_clicked_at
                THEN news.at + INTERVAL '72 hours'
            ELSE c.free_until
        END,
        updated_at = now()
    FROM news
    WHERE c.id = news.id
    RETURNING c.*
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
    u.name AS assigned_name,
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
    c.created_at
FROM touched AS c
INNER JOIN contacts AS p ON c.tenant_id = p.tenant_id AND c.contact_id = p.id
LEFT JOIN users AS u ON c.tenant_id = u.tenant_id AND c.assigned_to = u.id;

-- name: close_windows(ids uuid[], ats timestamptz[]) -> many ShutRow
-- Closes windows that Meta called closed at these times, where nothing came in since.
-- Index: conversations_pkey
UPDATE conversations AS c
SET window_expires_at = least(c.window_expires_at, given.at), updated_at = now()
FROM unnest(:ids::uuid[], :ats::timestamptz[]) AS given (id, at)
WHERE c.id = given.id AND c.window_expires_at BETWEEN given.at AND given.at + INTERVAL '24 hours'
RETURNING c.id;

-- name: read(id uuid) -> count
-- Nothing is unread any more.
-- Index: conversations_pkey
UPDATE conversations
SET unread_count = 0, updated_at = now()
WHERE id = :id;

-- name: unread(id uuid) -> count
-- At least one is unread.
-- Index: conversations_pkey
UPDATE conversations
SET unread_count = greatest(unread_count, 1), updated_at = now()
WHERE id = :id;

-- name: assign(id uuid, assignee uuid) -> count
-- Gives the conversation to a person, or to nobody.
-- Index: conversations_pkey
UPDATE conversations
SET assigned_to = :assignee, updated_at = now()
WHERE id = :id;

-- name: is_active(assignee uuid) -> value boolean
-- Whether this person of the tenant may be given work.
-- Index: users_pkey
SELECT EXISTS(
    SELECT 1
    FROM users
    WHERE id = :assignee AND active
);

-- name: fold() -> count
-- Folds the differences of tenants that have many into one row a cell. Run by the worker every minute.
-- as: system
WITH crowded AS (
    SELECT tenant_id
    FROM conversation_counts
    GROUP BY tenant_id
    HAVING count(*) > 200
),

gone AS (
    DELETE FROM conversation_counts
    WHERE tenant_id IN (SELECT tenant_id FROM crowded)
    RETURNING tenant_id, status, archived, unread, assigned_to, channel_id, n
)

INSERT INTO conversation_counts (tenant_id, status, archived, unread, assigned_to, channel_id, n)
SELECT
    tenant_id,
    status,
    archived,
    unread,
    assigned_to,
    channel_id,
    sum(n)
FROM gone
GROUP BY tenant_id, status, archived, unread, assigned_to, channel_id
HAVING sum(n) <> 0;
