-- Conversations: one, and what a new message changes on them.
-- Called by crm/conversations/ in a tenant's transaction, and by the worker (fold) as crm_system.

-- name: of(ids uuid[]) -> many ConversationRow
-- These conversations, as far as the caller sees them.
-- Index: conversations_pkey
-- as: caller
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
    c.department_id,
    d.name AS department_name,
    c.snoozed_until,
    c.first_unread_id
FROM unnest(:ids::uuid[]) AS wanted (id)
INNER JOIN conversations AS c ON wanted.id = c.id
INNER JOIN contacts AS p ON c.tenant_id = p.tenant_id AND c.contact_id = p.id
LEFT JOIN users AS u ON c.tenant_id = u.tenant_id AND c.assigned_to = u.id
LEFT JOIN departments AS d ON c.tenant_id = d.tenant_id AND c.department_id = d.id;

-- name: talks(contacts uuid[], max bigint) -> many ShutRow
-- The newest conversations with these contacts.
-- Index: conversations_contact_ix
SELECT id
FROM conversations
WHERE contact_id = ANY(:contacts::uuid[])
ORDER BY id DESC
LIMIT :max;

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

-- name: open_again(contacts uuid[], channels uuid[]) -> many PlaceRow
-- Opens again what was closed within the hotel's reopenHours (24 unless it says otherwise): the newest of each pair.
-- Index: conversations_closed_ix
WITH hotel AS (
    SELECT coalesce((settings ->> 'reopenHours')::numeric, 24) AS hours
    FROM tenants
),

latest AS (
    SELECT DISTINCT closed.id
    FROM unnest(:contacts::uuid[], :channels::uuid[]) AS pair (contact_id, channel_id)
    CROSS JOIN hotel
    CROSS JOIN LATERAL (
        SELECT c.id
        FROM conversations AS c
        WHERE
            c.contact_id = pair.contact_id AND c.channel_id = pair.channel_id AND c.status = 'CLOSED'
            AND c.closed_at > now() - hotel.hours * INTERVAL '1 hour'
        ORDER BY c.closed_at DESC
        LIMIT 1
    ) AS closed
)

UPDATE conversations AS c
SET status = 'OPEN', updated_at = now()
FROM latest
WHERE c.id = latest.id AND c.status = 'CLOSED'
RETURNING c.id, c.contact_id, c.channel_id;

-- name: open_new(contacts uuid[], channels uuid[]) -> many PlaceRow
-- Opens conversations; one that somebody opened meanwhile is answered as it is. The window and the free hours are of
-- the pair, at Meta: they go on from its earlier ones, a few rows.
-- Index: conversations_open_key, conversations_contact_ix
INSERT INTO conversations (contact_id, channel_id, window_expires_at, ad_clicked_at, free_until)
SELECT
    pair.contact_id,
    pair.channel_id,
    earlier.window_expires_at,
    earlier.ad_clicked_at,
    earlier.free_until
FROM unnest(:contacts::uuid[], :channels::uuid[]) AS pair (contact_id, channel_id)
CROSS JOIN
    LATERAL ( -- noqa: ST05
        SELECT
            max(c.window_expires_at) AS window_expires_at,
            max(c.ad_clicked_at) AS ad_clicked_at,
            max(c.free_until) AS free_until
        FROM conversations AS c
        WHERE c.contact_id = pair.contact_id AND c.channel_id = pair.channel_id
    ) AS earlier
ON CONFLICT (tenant_id, contact_id, channel_id) WHERE status <> 'CLOSED'
DO UPDATE SET updated_at = now()
RETURNING id, contact_id, channel_id;

-- name: newest_of(contacts uuid[], channels uuid[]) -> many PlaceRow
-- The open conversation of each pair, or its newest one.
-- Index: conversations_contact_ix
SELECT DISTINCT
    newest.id,
    pair.contact_id,
    pair.channel_id
FROM unnest(:contacts::uuid[], :channels::uuid[]) AS pair (contact_id, channel_id)
CROSS JOIN
    LATERAL ( -- noqa: ST05
        SELECT c.id
        FROM conversations AS c
        WHERE c.contact_id = pair.contact_id AND c.channel_id = pair.channel_id
        ORDER BY c.status = 'CLOSED', c.last_message_at DESC, c.id DESC
        LIMIT 1
    ) AS newest;

-- name: put_away(contacts uuid[], channels uuid[]) -> many PlaceRow
-- Conversations that nobody is to see: closed and archived from the start.
-- Index: conversations_pkey
INSERT INTO conversations (contact_id, channel_id, status, archived)
SELECT
    contact_id,
    channel_id,
    'CLOSED',
    TRUE
FROM unnest(:contacts::uuid[], :channels::uuid[]) AS pair (contact_id, channel_id)
RETURNING id, contact_id, channel_id;

-- name: bring_back(ids uuid[]) -> many ShutRow
-- What is written in is open, unless another conversation of its pair is; those that were closed. Of several closed
-- ones of a pair the one that was spoken in last. The status is not asked for in WHERE: by its index every closed
-- conversation of the hotel would be read.
-- Index: conversations_pkey
WITH last_of AS (
    SELECT DISTINCT ON (c.contact_id, c.channel_id) c.id
    FROM unnest(:ids::uuid[]) AS given (id)
    INNER JOIN conversations AS c ON given.id = c.id
    ORDER BY
        c.contact_id ASC, c.channel_id ASC, c.status = 'CLOSED' ASC, c.last_message_at DESC NULLS LAST, c.id DESC
),

back AS (
    UPDATE conversations AS c
    SET
        status = CASE c.status WHEN 'CLOSED' THEN 'OPEN' ELSE c.status END,
        archived = c.archived AND c.status <> 'CLOSED',
        updated_at = now()
    FROM last_of
    WHERE
        c.id = last_of.id
        AND NOT EXISTS (
            SELECT
            FROM conversations AS other
            WHERE
                other.contact_id = c.contact_id AND other.channel_id = c.channel_id AND other.status <> 'CLOSED'
                AND other.id <> c.id
        )
    RETURNING c.id, old.status AS was
)

SELECT id
FROM back
WHERE was = 'CLOSED';

-- name: widen(ids uuid[], windows timestamptz[]) -> none
-- Moves windows forward.
-- Index: conversations_pkey
UPDATE conversations AS c
SET window_expires_at = greatest(c.window_expires_at, given.until), updated_at = now()
FROM unnest(:ids::uuid[], :windows::timestamptz[]) AS given (id, until)
WHERE c.id = given.id;

-- name: restate(id uuid, message uuid, status text) -> none
-- Shows a new status of the last message.
-- Index: conversations_pkey
UPDATE conversations
SET last_message_status = :status
WHERE id = :id AND last_message_id = :message;

-- name: touch(ids uuid[], messages uuid[], directions text[], types text[], previews text[], statuses text[], ats timestamptz[], unreads int[], firsts uuid[], windows timestamptz[], clicks timestamptz[]) -> many TouchedRow
-- Notes the newest message of conversations. One processed late never replaces a newer one; the 24-hour
-- window is only ever moved forward. Says of which it ended that they were archived, put off or (just now) closed.
-- Index: conversations_pkey
WITH news AS (
    SELECT *
    FROM unnest(
        :ids::uuid[], :messages::uuid[], :directions::text[], :types::text[], :previews::text[],
        :statuses::text[], :ats::timestamptz[],
        :unreads::int[], :firsts::uuid[], :windows::timestamptz[], :clicks::timestamptz[]
    )
        AS given (
            id, message_id, direction, type, preview, status, at, unread, first_unread_id, window_expires_at,
            ad_clicked_at
        )
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
        first_unread_id = CASE WHEN c.unread_count = 0 THEN news.first_unread_id ELSE c.first_unread_id END,
        -- What the customer writes brings back what was archived or put off.
        archived = c.archived AND news.unread = 0,
        snoozed_until = CASE WHEN news.unread = 0 THEN c.snoozed_until END,
        status = CASE
            WHEN news.unread > 0 AND c.snoozed_until IS NOT NULL AND c.status = 'PENDING' THEN 'OPEN'
            WHEN news.unread > 0 AND c.status = 'CLOSED' THEN 'OPEN'
            ELSE c.status
        END,
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
    RETURNING
        c.*,
        old.archived AND NOT c.archived AS unarchived,
        old.snoozed_until IS NOT NULL AND c.snoozed_until IS NULL AS unsnoozed,
        old.status = 'CLOSED' AND c.status <> 'CLOSED' AS reopened
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
    c.department_id,
    d.name AS department_name,
    c.snoozed_until,
    c.first_unread_id,
    c.unarchived,
    c.unsnoozed,
    c.reopened
FROM touched AS c
INNER JOIN contacts AS p ON c.tenant_id = p.tenant_id AND c.contact_id = p.id
LEFT JOIN users AS u ON c.tenant_id = u.tenant_id AND c.assigned_to = u.id
LEFT JOIN departments AS d ON c.tenant_id = d.tenant_id AND c.department_id = d.id;

-- name: close_windows(ids uuid[], ats timestamptz[]) -> many ShutRow
-- Closes windows that Meta called closed at these times, where nothing came in since.
-- Index: conversations_pkey
UPDATE conversations AS c
SET window_expires_at = least(c.window_expires_at, given.at), updated_at = now()
FROM unnest(:ids::uuid[], :ats::timestamptz[]) AS given (id, at)
WHERE c.id = given.id AND c.window_expires_at BETWEEN given.at AND given.at + INTERVAL '24 hours'
RETURNING c.id;

-- name: fold() -> count
-- Folds the differences of tenants that have many into one row a cell. Run by the worker every minute.
-- A list adds up all of its tenant's rows: 164 of them were 60 of its 390 microseconds.
-- as: system
WITH crowded AS (
    SELECT tenant_id
    FROM (
        SELECT
            tenant_id,
            count(*) AS differences
        FROM conversation_counts
        GROUP BY tenant_id, status, archived, unread, assigned_to, channel_id, department_id
    ) AS cells
    GROUP BY tenant_id
    HAVING sum(differences) > 16 + 2 * count(*)
),

gone AS (
    DELETE FROM conversation_counts
    WHERE tenant_id IN (SELECT tenant_id FROM crowded)
    RETURNING tenant_id, status, archived, unread, assigned_to, channel_id, department_id, n
)

INSERT INTO conversation_counts (tenant_id, status, archived, unread, assigned_to, channel_id, department_id, n)
SELECT
    tenant_id,
    status,
    archived,
    unread,
    assigned_to,
    channel_id,
    department_id,
    sum(n)
FROM gone
GROUP BY tenant_id, status, archived, unread, assigned_to, channel_id, department_id
HAVING sum(n) <> 0;
