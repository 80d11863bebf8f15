-- Messages: history by keyset, what comes in, and the ranked statuses.
-- Called by crm/messages/ in a tenant's transaction; the tidying crosses tenants as crm_system.
-- What a person sends is in sending.sql, what happens to it on its way out in sends.sql.

-- name: before(conversation uuid, before timestamptz, before_id uuid, max bigint) -> many MessageRow
-- Messages older than a place, newest first.
-- Index: messages_history_ix
-- as: caller
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
-- as: caller
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

-- name: reported(id uuid) -> maybe ReportedRow
-- One message with what Meta told of it, and what tells its recipient's country.
-- Index: messages_pkey
SELECT
    m.id,
    m.conversation_id,
    m.direction,
    m.type,
    m.status,
    m.content,
    m.media,
    m.payload,
    m.wamid,
    m.reply_to,
    m.sent_by,
    m.error,
    m.created_at,
    m.sent_at,
    m.delivered_at,
    m.read_at,
    m.failed_at,
    m.send_at,
    m.origin,
    m.reactions,
    m.edited_at,
    m.revoked_at,
    m.timeline,
    m.pricing,
    coalesce(p.phone, '+' || p.wa_id) AS phone,
    p.bsuid
FROM messages AS m
INNER JOIN conversations AS c ON m.tenant_id = c.tenant_id AND m.conversation_id = c.id
INNER JOIN contacts AS p ON c.tenant_id = p.tenant_id AND c.contact_id = p.id
WHERE m.id = :id;

-- name: known(wamids text[]) -> many WamidRow
-- Which of these are stored already (a webhook that came twice, or a history's media after its placeholder), and for
-- which of the others marks are waiting.
-- Index: messages_wamid_key, messages_target_ix
SELECT
    wamid,
    TRUE AS stored,
    type = 'media_placeholder' AS placeholder
FROM messages
WHERE wamid = ANY(:wamids::text[])
UNION ALL
SELECT DISTINCT
    target_wamid,
    FALSE,
    FALSE
FROM messages
WHERE target_wamid = ANY(:wamids::text[]);

-- name: receive(conversations uuid[], directions text[], statuses text[], wamids text[], types text[], contents text[], payloads jsonb[], ats timestamptz[], replies text[], origins text[], targets text[], medias uuid[], shown jsonb[]) -> many MessageRow
-- Stores messages in the order given; the unique wamid makes a replay a no-op.
-- A time in the future is Meta's clock or a liar's: the row is placed now. Meta tells whole seconds: what comes after
-- the talk's last message, and is of the same second, is placed behind it (of equal times the newer id is the later).
-- Index: messages_wamid_key, conversations_pkey
INSERT INTO messages (
    conversation_id, direction, type, status, content, payload, wamid, reply_to, created_at, sent_at, origin,
    target_wamid, media_id, media
)
SELECT
    given.conversation_id,
    given.direction,
    given.type,
    given.status,
    given.content,
    given.payload,
    given.wamid,
    CASE
        WHEN given.reply IS NOT NULL
            THEN (SELECT quoted.id FROM messages AS quoted WHERE quoted.wamid = given.reply)
    END,
    CASE
        WHEN
            talk.last_message_id IS NOT NULL
            AND coalesce(given.origin, '') <> 'HISTORY'
            AND talk.last_message_at >= given.at
            AND talk.last_message_at < given.at + INTERVAL '1 second'
            THEN talk.last_message_at
        ELSE least(given.at, now())
    END,
    CASE WHEN given.direction = 'OUTBOUND' THEN least(given.at, now()) END,
    given.origin,
    given.target,
    given.media_id,
    given.media
FROM
    unnest(
        :conversations::uuid[], :directions::text[], :statuses::text[], :wamids::text[], :types::text[],
        :contents::text[], :payloads::jsonb[], :ats::timestamptz[], :replies::text[], :origins::text[],
        :targets::text[], :medias::uuid[], :shown::jsonb[]
    ) WITH ORDINALITY
        AS given (
            conversation_id, direction, status, wamid, type, content, payload, at, reply, origin, target, media_id,
            media, place
        )
LEFT JOIN conversations AS talk ON given.conversation_id = talk.id
ORDER BY given.place
ON CONFLICT (tenant_id, wamid) DO NOTHING
RETURNING
    id, conversation_id, direction, type, status, content, media, payload, wamid, reply_to, sent_by, error,
    created_at, sent_at, delivered_at, read_at, failed_at, send_at, origin, reactions, edited_at, revoked_at;

-- name: fill(wamids text[], types text[], contents text[], payloads jsonb[], medias uuid[], shown jsonb[]) -> many MessageRow
-- Puts the media of an imported history in its placeholder's place, once: time, side and status stay the history's.
-- The list shows the new words, where it showed the placeholder.
-- Index: messages_wamid_key, conversations_pkey
WITH filled AS (
    UPDATE messages AS m
    SET
        type = given.type,
        content = CASE WHEN m.edited_at IS NULL THEN given.content ELSE m.content END,
        payload = given.payload,
        media_id = given.media_id,
        media = given.media
    FROM
        unnest(
            :wamids::text[], :types::text[], :contents::text[], :payloads::jsonb[], :medias::uuid[], :shown::jsonb[]
        ) AS given (wamid, type, content, payload, media_id, media)
    WHERE m.wamid = given.wamid AND m.type = 'media_placeholder'
    RETURNING m.*
),

listed AS (
    UPDATE conversations AS c
    SET last_message_type = f.type, last_message_preview = left(f.content, 120)
    FROM filled AS f
    WHERE c.id = f.conversation_id AND c.last_message_id = f.id
)

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
FROM filled
ORDER BY created_at, id;

-- name: marks(wamids text[]) -> many MarkRow
-- The marks on these messages, the oldest first.
-- Index: messages_target_ix
SELECT
    target_wamid,
    direction,
    type,
    payload,
    content,
    created_at
FROM messages
WHERE target_wamid = ANY(:wamids::text[]) AND origin IS DISTINCT FROM 'HISTORY'
ORDER BY created_at, id;

-- name: mark(wamids text[], reactions jsonb[], contents text[], edits timestamptz[], revokes timestamptz[]) -> many MessageRow
-- Puts marks on messages: customers' reactions ({who: reaction}, of a group one a member) take the place of those
-- before, an edit that of the text.
-- Index: messages_wamid_key
UPDATE messages AS m
SET
    reactions = CASE
        WHEN given.reactions IS NULL THEN m.reactions
        ELSE (
            SELECT coalesce(jsonb_agg(r.value), '[]')
            FROM jsonb_array_elements(coalesce(m.reactions, '[]')) AS r
            WHERE r.value ->> 'by' <> 'contact'
        ) || (
            SELECT coalesce(jsonb_agg(r.value ORDER BY r.value ->> 'at', r.key), '[]')
            FROM jsonb_each(given.reactions) AS r -- noqa: RF01
        )
    END,
    content = coalesce(given.content, m.content),
    edited_at = coalesce(given.edited_at, m.edited_at),
    revoked_at = coalesce(m.revoked_at, given.revoked_at)
FROM
    unnest(
        :wamids::text[], :reactions::jsonb[], :contents::text[], :edits::timestamptz[], :revokes::timestamptz[]
    ) AS given (wamid, reactions, content, edited_at, revoked_at)
WHERE m.wamid = given.wamid
RETURNING
    m.id, m.conversation_id, m.direction, m.type, m.status, m.content, m.media, m.payload, m.wamid, m.reply_to,
    m.sent_by, m.error, m.created_at, m.sent_at, m.delivered_at, m.read_at, m.failed_at, m.send_at,
    m.origin, m.reactions, m.edited_at, m.revoked_at;

-- name: targets(wamids text[], ids uuid[]) -> many TargetRow
-- What these reactions of ours are about. Held from now on: messages are locked before conversations, and who
-- looks next at what stands on them sees all that others have put there.
-- Index: messages_wamid_key, messages_pkey
SELECT t.wamid
FROM messages AS r
INNER JOIN messages AS t ON r.target_wamid = t.wamid
WHERE
    (r.wamid = ANY(:wamids::text[]) OR r.id = ANY(:ids::uuid[]))
    AND r.type = 'reaction'
    AND r.direction = 'OUTBOUND'
ORDER BY t.id
FOR NO KEY UPDATE OF t;

-- name: still(wamids text[], ids uuid[]) -> none
-- Holds what marks are about, and what is written with it, until the commit: every message before any conversation,
-- in one order.
-- Index: messages_wamid_key, messages_pkey
SELECT id
FROM messages
WHERE wamid = ANY(:wamids::text[]) OR id = ANY(:ids::uuid[])
ORDER BY id
FOR NO KEY UPDATE;

-- name: stand(wamids text[]) -> many MessageRow
-- The hotel's emoji on these messages: that of its newest reaction which has not failed, or none.
-- Index: messages_wamid_key, messages_target_ix
UPDATE messages AS m
SET
    reactions = (
        SELECT coalesce(jsonb_agg(r.value), '[]')
        FROM jsonb_array_elements(coalesce(m.reactions, '[]')) AS r
        WHERE r.value ->> 'by' = 'contact'
    ) || coalesce((
        SELECT
            jsonb_build_object(
                'emoji', coalesce(o.payload #>> '{reaction,emoji}', ''),
                'by', coalesce(o.sent_by::text, lower(o.origin), 'platform'),
                'at', crm.stamp(o.created_at)
            )
        FROM messages AS o
        WHERE
            o.target_wamid = m.wamid
            AND o.type = 'reaction'
            AND o.direction = 'OUTBOUND'
            AND o.status <> 'FAILED'
            AND o.origin IS DISTINCT FROM 'HISTORY'
        ORDER BY o.created_at DESC, o.id DESC
        LIMIT 1
    ), '[]')
WHERE m.wamid = ANY(:wamids::text[])
RETURNING
    m.id, m.conversation_id, m.direction, m.type, m.status, m.content, m.media, m.payload, m.wamid, m.reply_to,
    m.sent_by, m.error, m.created_at, m.sent_at, m.delivered_at, m.read_at, m.failed_at, m.send_at,
    m.origin, m.reactions, m.edited_at, m.revoked_at;

-- name: advance(wamids text[], messages uuid[], statuses text[], ats timestamptz[], errors jsonb[], pricings jsonb[]) -> many AdvancedRow
-- Raises statuses, found by wamid or by our own id that Meta echoes; each keeps its time. A lower rank only
-- fills its time in; FAILED stays. What matches no message is parked until its wamid is stored.
-- Index: messages_wamid_key, messages_pkey
WITH given AS MATERIALIZED (
    SELECT
        report.*,
        coalesce(m.id, echoed.id) AS id
    FROM
        unnest(
            :wamids::text[], :messages::uuid[], :statuses::text[], :ats::timestamptz[], :errors::jsonb[],
            :pricings::jsonb[]
        ) AS report (wamid, message_id, status, at, error, pricing)
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
    INSERT INTO parked_statuses (wamid, status, at, error, pricing)
    SELECT DISTINCT ON (wamid, status)
        wamid,
        status,
        at,
        error,
        pricing
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
        (array_agg(error) FILTER (WHERE status = 'FAILED'))[1] AS error,
        (array_agg(pricing) FILTER (WHERE pricing IS NOT NULL))[1] AS pricing,
        jsonb_object_agg(status, crm.stamp(at) ORDER BY at DESC) AS times
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
        -- A wamid holds the customer's number: an erased person's stays away, its statuses rise all the same.
        wamid = CASE WHEN m.erased_at IS NULL THEN coalesce(m.wamid, s.wamid) END,
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
        END,
        pricing = coalesce(s.pricing, m.pricing),
        timeline = crm.told(m.timeline, s.times)
    FROM summed AS s
    -- A retry that was committed while its row was waited for has retired this wamid: the row as it is now decides.
    WHERE m.id = s.id AND m.status <> 'CANCELED' AND NOT s.wamid = ANY(m.retired_wamids)
    RETURNING
        old.status AS was,
        new.status,
        new.id,
        coalesce(new.wamid, s.wamid) AS wamid,
        new.conversation_id,
        new.error,
        s.at
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

-- name: told(wamids text[], bsuids text[]) -> many ToldRow
-- Whom statuses' user ids belong to, where that is news: the contact written to, and who is known by the id so far.
-- Two contacts that Meta gave different user ids are not one, and of who was erased nothing is learnt.
-- Index: messages_wamid_key
SELECT DISTINCT
    c.contact_id,
    report.bsuid,
    i.contact_id AS other_id
FROM unnest(:wamids::text[], :bsuids::text[]) AS report (wamid, bsuid)
INNER JOIN messages AS m ON report.wamid = m.wamid
INNER JOIN conversations AS c ON m.tenant_id = c.tenant_id AND m.conversation_id = c.id
INNER JOIN contacts AS p ON c.tenant_id = p.tenant_id AND c.contact_id = p.id
LEFT JOIN contact_identities AS i ON i.kind = 'bsuid' AND report.bsuid = i.value
WHERE
    NOT p.is_group
    AND p.erased_at IS NULL
    AND i.contact_id IS DISTINCT FROM c.contact_id
    AND (i.contact_id IS NULL OR p.bsuid IS NULL);

-- name: unpark(wamid text) -> many ParkedRow
-- Takes the statuses that came before their message.
-- Index: parked_statuses_key
DELETE FROM parked_statuses
WHERE wamid = :wamid
RETURNING wamid, status, at, error, pricing;

-- name: tidy() -> count
-- Forgets statuses of messages that were never ours, after Meta's seven days of retries.
-- as: system
DELETE FROM parked_statuses
WHERE created_at < now() - INTERVAL '7 days';
