-- Messages: history by keyset, what comes in, and the ranked statuses.
-- Called by crm/messages/ in a tenant's transaction; the tidying crosses tenants as crm_system.
-- What a person sends is in sending.sql, what happens to it on its way out in sends.sql.

-- name: before(conversation uuid, before timestamptz, before_id uuid, max bigint) -> many MessageRow
-- Messages older than a place, newest first.
-- Index: messages_history_ix
SELECT
    id,
    conversation_id,
    direction,
    type,
    status,
    content,
    media,
    payload,
    wamid,
    reply_to,
    sent_by,
    error,
    created_at,
    sent_at,
    delivered_at,
    read_at,
    failed_at,
    send_at,
    origin,
    reactions,
    edited_at,
    revoked_at
FROM messages
WHERE conversation_id = :conversation AND (created_at, id) < (:before, :before_id)
ORDER BY created_at DESC, id DESC
LIMIT :max;

-- name: after(conversation uuid, after timestamptz, after_id uuid, max bigint) -> many MessageRow
-- Messages newer than a place, oldest first.
-- Index: messages_history_ix
SELECT
    id,
    conversation_id,
    direction,
    type,
    status,
    content,
    media,
    payload,
    wamid,
    reply_to,
    sent_by,
    error,
    created_at,
    sent_at,
    delivered_at,
    read_at,
    failed_at,
    send_at,
    origin,
    reactions,
    edited_at,
    revoked_at
FROM messages
WHERE conversation_id = :conversation AND (created_at, id) > (:after, :after_id)
ORDER BY created_at, id
LIMIT :max;

-- name: known(wamids text[]) -> many WamidRow
-- Which of these are stored already: a webhook that came twice.
-- Index: messages_wamid_key
SELECT wamid
FROM messages
WHERE wamid = ANY(:wamids::text[]);

-- name: receive(conversations uuid[], wamids text[], types text[], contents text[], payloads jsonb[], ats timestamptz[], replies text[]) -> many MessageRow
-- Stores customers' messages in the order given; the unique wamid makes a replay a no-op.
-- A time in the future is Meta's clock or a liar's: the row is placed now.
-- Index: messages_wamid_key
INSERT INTO messages (conversation_id, direction, type, status, content, payload, wamid, reply_to, created_at)
SELECT
    given.conversation_id,
    'INBOUND',
    given.type,
    'RECEIVED',
    given.content,
    given.payload,
    given.wamid,
    CASE
        WHEN given.reply IS NOT NULL
            THEN (SELECT quoted.id FROM messages AS quoted WHERE quoted.wamid = given.reply)
    END,
    least(given.at, now())
FROM
    unnest(
        :conversations::uuid[], :wamids::text[], :types::text[], :contents::text[], :payloads::jsonb[],
        :ats::timestamptz[], :replies::text[]
    ) WITH ORDINALITY AS given (conversation_id, wamid, type, content, payload, at, reply, place)
ORDER BY given.place
ON CONFLICT (tenant_id, wamid) DO NOTHING
RETURNING
    id, conversation_id, direction, type, status, content, media, payload, wamid, reply_to, sent_by, error,
    created_at, sent_at, delivered_at, read_at, failed_at, send_at, origin, reactions, edited_at, revoked_at;

-- name: advance(wamids text[], messages uuid[], statuses text[], ats timestamptz[], errors jsonb[]) -> many AdvancedRow
-- Raises statuses, found by wamid or by our own id that Meta echoes; each keeps its time. A lower rank only
-- fills its time in; FAILED stays. What matches no message is parked until its wamid is stored.
-- Index: messages_wamid_key, messages_pkey
WITH given AS MATERIALIZED (
    SELECT
        report.*,
        coalesce(m.id, echoed.id) AS id
    FROM
        unnest(
            :wamids::text[], :messages::uuid[], :statuses::text[], :ats::timestamptz[], :errors::jsonb[]
        ) AS report (wamid, message_id, status, at, error)
    LEFT JOIN messages AS m ON report.wamid = m.wamid AND m.direction = 'OUTBOUND'
    LEFT JOIN messages AS echoed
        ON
            report.message_id = echoed.id
            AND echoed.direction = 'OUTBOUND'
            -- What is said of another try of the same message is not said of this one.
            AND (echoed.wamid IS NULL OR report.wamid = echoed.wamid)
            AND NOT report.wamid = ANY(echoed.retired_wamids)
),

locked AS MATERIALIZED (
    -- Every message before any conversation, in one order: who settles a send locks the same way round.
    SELECT id
    FROM messages
    WHERE id IN (SELECT given.id FROM given)
    ORDER BY id
    FOR NO KEY UPDATE
),

parked AS (
    INSERT INTO parked_statuses (wamid, status, at, error)
    SELECT DISTINCT ON (wamid, status)
        wamid,
        status,
        at,
        error
    FROM given
    WHERE id IS NULL
    ON CONFLICT (tenant_id, wamid, status) DO NOTHING
),

summed AS (
    SELECT
        given.id,
        min(wamid) AS wamid,
        (array_agg(status ORDER BY crm.status_rank(status) DESC))[1] AS status,
        max(at) AS at,
        min(at) FILTER (WHERE status = 'SENT') AS sent_at,
        min(at) FILTER (WHERE status = 'DELIVERED') AS delivered_at,
        min(at) FILTER (WHERE status IN ('READ', 'PLAYED')) AS read_at,
        min(at) FILTER (WHERE status = 'FAILED') AS failed_at,
        (array_agg(error) FILTER (WHERE status = 'FAILED'))[1] AS error
    FROM given
    INNER JOIN locked ON given.id = locked.id
    GROUP BY given.id
),

raised AS (
    UPDATE messages AS m
    SET
        status = CASE
            WHEN m.status <> 'FAILED' AND crm.status_rank(s.status) > crm.status_rank(m.status) THEN s.status
            ELSE m.status
        END,
        wamid = coalesce(m.wamid, s.wamid),
        lease_until = NULL,
        sent_at = coalesce(m.sent_at, s.sent_at),
        delivered_at = coalesce(m.delivered_at, s.delivered_at),
        read_at = coalesce(m.read_at, s.read_at),
        failed_at = CASE
            WHEN s.status = 'FAILED' AND crm.status_rank(m.status) < crm.status_rank('FAILED') THEN s.failed_at
            ELSE m.failed_at
        END,
        error = CASE
            WHEN s.status = 'FAILED' AND crm.status_rank(m.status) < crm.status_rank('FAILED') THEN s.error
            WHEN m.status = 'FAILED' THEN m.error
        END
    FROM summed AS s
    WHERE m.id = s.id AND m.status <> 'CANCELED'
    RETURNING old.status AS was, new.status, new.id, new.wamid, new.conversation_id, new.error, s.at
),

listed AS (
    UPDATE conversations AS c
    SET last_message_status = raised.status
    FROM raised
    WHERE c.id = raised.conversation_id AND c.last_message_id = raised.id AND raised.was <> raised.status
)

SELECT
    wamid,
    id,
    conversation_id,
    status,
    at,
    error
FROM raised
WHERE was <> status
ORDER BY at, id;

-- name: unpark(wamid text) -> many ParkedRow
-- Takes the statuses that came before their message.
-- Index: parked_statuses_key
DELETE FROM parked_statuses
WHERE wamid = :wamid
RETURNING wamid, status, at, error;

-- name: tidy() -> count
-- Forgets statuses of messages that were never ours, after Meta's seven days of retries.
-- as: system
DELETE FROM parked_statuses
WHERE created_at < now() - INTERVAL '7 days';
