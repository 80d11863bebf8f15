-- A message on its way out: its lane, the ends of a try, what people decide, and what is sent later.
-- Called by crm/messages/ in a tenant's transaction; what the sweep asks crosses tenants as crm_system.

-- name: claim(conversation uuid, lease float8, file float8) -> maybe ClaimedRow
-- Takes the head of a conversation's lane, unless its channel rests. Two workers meet on the head's row lock: the
-- second one reads it again, finds it SENDING and gets nothing, so the order is kept and nothing is sent twice.
-- The lease (seconds) is longer by `file` where a file may have to be uploaded first.
-- Index: messages_lane_ix
WITH head AS (
    SELECT id
    FROM messages
    WHERE conversation_id = :conversation AND status IN ('QUEUED', 'SENDING')
    ORDER BY created_at, id
    LIMIT 1
    FOR NO KEY UPDATE
)

UPDATE messages AS m
SET
    status = 'SENDING',
    attempts = m.attempts + 1,
    lease_until = now()
    + (:lease + CASE WHEN m.media_id IS NULL THEN 0 ELSE :file::float8 END) * INTERVAL '1 second'
FROM head, conversations AS c, channels AS ch, contacts AS p
WHERE
    m.id = head.id
    AND m.status = 'QUEUED'
    AND crm.is_due(m.next_attempt_at)
    AND c.tenant_id = m.tenant_id
    AND c.id = m.conversation_id
    AND ch.tenant_id = c.tenant_id
    AND ch.id = c.channel_id
    AND p.tenant_id = c.tenant_id
    AND p.id = c.contact_id
    AND crm.is_due(coalesce(ch.paused_until, '-infinity'))
RETURNING
    m.id,
    m.conversation_id,
    c.channel_id,
    c.contact_id,
    m.type,
    m.content,
    m.payload,
    m.media_id,
    m.media,
    (SELECT quoted.wamid FROM messages AS quoted WHERE quoted.id = m.reply_to) AS reply_to_wamid,
    m.attempts,
    p.blocked;

-- name: settle(conversation uuid, id uuid, status text, error jsonb, wait float8, spent int) -> many AdvancedRow
-- Ends an attempt without success, unless a status of Meta's has already raised the message. `spent` is 0 when the
-- try does not count: the channel was at fault, not the message. What was erased meanwhile has no next try.
-- Index: messages_lane_ix
WITH settled AS (
    UPDATE messages AS m
    SET
        status = CASE WHEN :status = 'QUEUED' AND m.erased_at IS NOT NULL THEN 'CANCELED' ELSE :status END,
        error = :error,
        lease_until = NULL,
        attempts = m.attempts - 1 + :spent,
        next_attempt_at = now() + :wait * INTERVAL '1 second',
        failed_at = CASE WHEN :status = 'FAILED' THEN now() END
    WHERE m.conversation_id = :conversation AND m.id = :id AND m.status = 'SENDING'
    RETURNING coalesce(m.wamid, '') AS wamid, m.id, m.conversation_id, m.status, now() AS at, m.error
),

listed AS (
    UPDATE conversations AS c
    SET last_message_status = settled.status
    FROM settled
    WHERE c.id = settled.conversation_id AND c.last_message_id = settled.id
)

SELECT
    wamid,
    id,
    conversation_id,
    status,
    at,
    error
FROM settled;

-- name: recipients(conversations uuid[]) -> many AddresseeRow
-- Whom conversations are with; looked up one by one, as contacts are.
-- Index: conversations_pkey
SELECT
    wanted.id AS conversation_id,
    c.contact_id
FROM unnest(:conversations::uuid[]) AS wanted (id)
CROSS JOIN
    LATERAL ( -- noqa: ST05
        SELECT contact_id
        FROM conversations
        WHERE id = wanted.id
        ORDER BY id
        LIMIT 1
    ) AS c;

-- name: put_back(conversation uuid, id uuid, wait float8) -> many AdvancedRow
-- Takes a claim back before the message was tried: a rate of Meta's is used up for now. Only what was erased meanwhile,
-- and so does not go, is to be told.
-- Index: messages_lane_ix
WITH back AS (
    UPDATE messages AS m
    SET
        status = CASE WHEN m.erased_at IS NULL THEN 'QUEUED' ELSE 'CANCELED' END,
        lease_until = NULL,
        attempts = m.attempts - 1,
        next_attempt_at = now() + :wait * INTERVAL '1 second'
    WHERE m.conversation_id = :conversation AND m.id = :id AND m.status = 'SENDING'
    RETURNING coalesce(m.wamid, '') AS wamid, m.id, m.conversation_id, m.status, now() AS at, m.error
),

listed AS (
    UPDATE conversations AS c
    SET last_message_status = back.status
    FROM back
    WHERE c.id = back.conversation_id AND c.last_message_id = back.id AND back.status = 'CANCELED'
)

SELECT
    wamid,
    id,
    conversation_id,
    status,
    at,
    error
FROM back
WHERE status = 'CANCELED';

-- name: expire(conversation uuid, error jsonb, wait float8) -> many AdvancedRow
-- Leases that ran out: their worker died, and Meta may or may not have read the message.
-- Index: messages_lane_ix
WITH expired AS (
    UPDATE messages AS m
    SET
        status = 'UNCERTAIN',
        error = :error,
        lease_until = NULL,
        next_attempt_at = now() + :wait * INTERVAL '1 second'
    WHERE m.conversation_id = :conversation AND m.status = 'SENDING' AND crm.is_due(m.lease_until)
    RETURNING coalesce(m.wamid, '') AS wamid, m.id, m.conversation_id, m.status, now() AS at, m.error
),

listed AS (
    UPDATE conversations AS c
    SET last_message_status = expired.status
    FROM expired
    WHERE c.id = expired.conversation_id AND c.last_message_id = expired.id
)

SELECT
    wamid,
    id,
    conversation_id,
    status,
    at,
    error
FROM expired;

-- name: offer(error jsonb) -> many AdvancedRow
-- Sends whose end Meta has not told in a quarter of an hour: from now on a person may decide.
-- Index: messages_uncertain_ix
UPDATE messages AS m
SET error = :error, next_attempt_at = NULL
WHERE m.status = 'UNCERTAIN' AND crm.is_due(m.next_attempt_at)
RETURNING coalesce(m.wamid, '') AS wamid, m.id, m.conversation_id, m.status, now() AS at, m.error;

-- name: retry(id uuid) -> maybe MessageRow
-- Queues a failed message again, or one that was offered, where the window is open, or its template may be sent to this
-- customer still. The wamid of the old try is retired: a status of it that comes late is not one of the new try. The
-- times and the price of the old try go; its timeline stays, by which an erasure finds the raw webhooks.
-- A reaction is put on anew, after those made meanwhile.
-- Index: messages_pkey, templates_name_key
WITH sendable AS (
    SELECT failed.id
    FROM messages AS failed
    INNER JOIN conversations AS c ON failed.conversation_id = c.id
    INNER JOIN contacts AS p ON c.contact_id = p.id
    INNER JOIN channels AS ch ON c.channel_id = ch.id
    LEFT JOIN templates AS t
        ON
            ch.waba_id = t.waba_id
            AND t.name = failed.payload #>> '{template,name}'
            AND t.language = failed.payload #>> '{template,language,code}'
    WHERE
        failed.id = :id
        AND failed.direction = 'OUTBOUND'
        AND failed.erased_at IS NULL
        AND (failed.status = 'FAILED' OR (failed.status = 'UNCERTAIN' AND failed.next_attempt_at IS NULL))
        AND NOT p.blocked
        AND CASE
            WHEN failed.type <> 'template' THEN c.window_expires_at > now()
            ELSE t.status = 'APPROVED' AND NOT (t.category = 'MARKETING' AND p.marketing_opt_out)
        END
    FOR NO KEY UPDATE OF failed
)

UPDATE messages AS m
SET
    status = 'QUEUED',
    error = NULL,
    attempts = 0,
    next_attempt_at = now(),
    created_at = CASE WHEN m.type = 'reaction' THEN clock_timestamp() ELSE m.created_at END,
    lease_until = NULL,
    retired_wamids = array_remove(m.retired_wamids || m.wamid, NULL),
    wamid = NULL,
    sent_at = NULL,
    delivered_at = NULL,
    read_at = NULL,
    failed_at = NULL,
    pricing = NULL
FROM sendable
WHERE m.id = sendable.id
RETURNING
    m.id, m.conversation_id, m.direction, m.type, m.status, m.content, m.media, m.payload, m.wamid, m.reply_to,
    m.sent_by, m.error, m.created_at, m.sent_at, m.delivered_at, m.read_at, m.failed_at, m.send_at,
    m.origin, m.reactions, m.edited_at, m.revoked_at;

-- name: arrived(id uuid) -> maybe MessageRow
-- A person knows that an offered message reached the customer.
-- Index: messages_pkey
UPDATE messages AS m
SET status = 'SENT', error = NULL, sent_at = coalesce(m.sent_at, now())
WHERE m.id = :id AND m.status = 'UNCERTAIN' AND m.next_attempt_at IS NULL
RETURNING
    m.id, m.conversation_id, m.direction, m.type, m.status, m.content, m.media, m.payload, m.wamid, m.reply_to,
    m.sent_by, m.error, m.created_at, m.sent_at, m.delivered_at, m.read_at, m.failed_at, m.send_at,
    m.origin, m.reactions, m.edited_at, m.revoked_at;

-- name: cancel(id uuid) -> maybe MessageRow
-- A scheduled message is not to be sent. Its place in the history is now, as of one that is: the term for which a
-- hotel keeps messages may have passed it by while it waited.
-- Index: messages_pkey
UPDATE messages AS m
SET status = 'CANCELED', created_at = clock_timestamp()
WHERE m.id = :id AND m.status = 'SCHEDULED'
RETURNING
    m.id, m.conversation_id, m.direction, m.type, m.status, m.content, m.media, m.payload, m.wamid, m.reply_to,
    m.sent_by, m.error, m.created_at, m.sent_at, m.delivered_at, m.read_at, m.failed_at, m.send_at,
    m.origin, m.reactions, m.edited_at, m.revoked_at;

-- name: move(id uuid, at timestamptz) -> maybe MessageRow
-- A scheduled message goes at another time.
-- Index: messages_pkey
UPDATE messages AS m
SET send_at = :at
WHERE m.id = :id AND m.status = 'SCHEDULED'
RETURNING
    m.id, m.conversation_id, m.direction, m.type, m.status, m.content, m.media, m.payload, m.wamid, m.reply_to,
    m.sent_by, m.error, m.created_at, m.sent_at, m.delivered_at, m.read_at, m.failed_at, m.send_at,
    m.origin, m.reactions, m.edited_at, m.revoked_at;

-- name: standing(id uuid) -> maybe StandingRow
-- Where a message stands, for who could not change it. A send is decided by people once it waits for nothing.
-- Index: messages_pkey
SELECT
    direction,
    type,
    status,
    status = 'UNCERTAIN' AND next_attempt_at IS NULL AS offered,
    coalesce((
        SELECT p.blocked
        FROM conversations AS c
        INNER JOIN contacts AS p ON c.contact_id = p.id
        WHERE c.id = messages.conversation_id
    ), FALSE) AS blocked,
    erased_at IS NOT NULL AS erased
FROM messages
WHERE id = :id;

-- name: scheduled(since timestamptz, until timestamptz, after timestamptz, after_id uuid, skip bigint, max bigint) -> many MessageRow
-- What is to be sent in a stretch of time, the next first.
-- Index: messages_schedule_ix
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
WHERE status = 'SCHEDULED' AND send_at >= :since AND send_at < :until AND (send_at, id) > (:after, :after_id)
ORDER BY send_at, id
LIMIT :max OFFSET :skip;

-- name: scheduled_total(since timestamptz, until timestamptz) -> value bigint
-- How much is to be sent in that time: rows that wait, whatever the history.
-- Index: messages_schedule_ix
SELECT count(*)
FROM messages
WHERE status = 'SCHEDULED' AND send_at >= :since AND send_at < :until;

-- name: reschedule(id uuid, send_at timestamptz, content text) -> maybe MessageRow
-- Another time, another text or both for what still waits: in time for the window, or a template, whose offer ends
-- later; a text's words alone.
-- Index: messages_pkey, conversations_pkey
UPDATE messages AS m
SET send_at = coalesce(:send_at, m.send_at), content = coalesce(:content, m.content)
FROM conversations AS c
WHERE
    m.id = :id
    AND m.status = 'SCHEDULED'
    AND c.tenant_id = m.tenant_id
    AND c.id = m.conversation_id
    AND (:send_at::timestamptz IS NULL OR m.type = 'template' OR c.window_expires_at > :send_at)
    AND NOT coalesce(jsonb_path_exists(
        m.payload,
        '$.template.components[*].parameters[*].limited_time_offer.expiration_time_ms ? (@ <= $at)',
        jsonb_build_object('at', extract(EPOCH FROM :send_at) * 1000)
    ), FALSE)
    AND (:content::text IS NULL OR m.type = 'text')
RETURNING
    m.id, m.conversation_id, m.direction, m.type, m.status, m.content, m.media, m.payload, m.wamid, m.reply_to,
    m.sent_by, m.error, m.created_at, m.sent_at, m.delivered_at, m.read_at, m.failed_at, m.send_at,
    m.origin, m.reactions, m.edited_at, m.revoked_at;

-- name: fall_due(reasons jsonb, max bigint) -> many MessageRow
-- Queues scheduled messages whose time has come, at this moment's place in the history, in the order of their times
-- whatever the plan reads first. What may no longer go fails, for one of these reasons: the hotel is suspended or
-- canceled; its contact is blocked; the window has closed; of a template, that it is not approved any more, or is
-- marketing and its customer wants none.
-- One worker at a time: of two batches at once the later one could be placed first, and be sent first.
-- Index: messages_schedule_ix, templates_name_key, tenants_pkey
WITH turn AS MATERIALIZED (
    SELECT clock_timestamp() AS at
    WHERE pg_try_advisory_xact_lock(hashtextextended('due ' || crm.current_tenant_id(), 0))
),

due AS (
    SELECT
        waiting.id,
        waiting.send_at,
        CASE
            WHEN hotel.status NOT IN ('TRIAL', 'ACTIVE') THEN :reasons::jsonb -> 'SUSPENDED'
            WHEN p.blocked THEN :reasons -> 'BLOCKED'
            WHEN waiting.type <> 'template'
                THEN CASE WHEN c.window_expires_at > now() THEN NULL ELSE :reasons -> 'CLOSED' END
            WHEN coalesce(t.status <> 'APPROVED', TRUE)
                THEN coalesce(:reasons -> t.status, :reasons -> 'UNAPPROVED')
            WHEN t.category = 'MARKETING' AND p.marketing_opt_out THEN :reasons -> 'OPTED_OUT'
        END AS reason
    FROM messages AS waiting
    INNER JOIN tenants AS hotel ON waiting.tenant_id = hotel.id
    INNER JOIN conversations AS c ON waiting.conversation_id = c.id
    INNER JOIN contacts AS p ON c.contact_id = p.id
    INNER JOIN channels AS ch ON c.channel_id = ch.id
    LEFT JOIN templates AS t
        ON
            ch.waba_id = t.waba_id
            AND t.name = waiting.payload #>> '{template,name}'
            AND t.language = waiting.payload #>> '{template,language,code}'
    WHERE waiting.status = 'SCHEDULED' AND waiting.send_at <= now() AND EXISTS (SELECT FROM turn)
    ORDER BY waiting.send_at, waiting.id
    LIMIT :max
    FOR NO KEY UPDATE OF waiting SKIP LOCKED
),

placed AS (
    SELECT
        id,
        reason,
        row_number() OVER (ORDER BY send_at, id) AS place
    FROM due
)

UPDATE messages AS m
SET
    status = CASE WHEN placed.reason IS NULL THEN 'QUEUED' ELSE 'FAILED' END,
    error = placed.reason,
    failed_at = CASE WHEN placed.reason IS NOT NULL THEN now() END,
    created_at = turn.at + placed.place * INTERVAL '1 microsecond',
    next_attempt_at = now()
FROM placed, turn
WHERE m.id = placed.id
RETURNING
    m.id, m.conversation_id, m.direction, m.type, m.status, m.content, m.media, m.payload, m.wamid, m.reply_to,
    m.sent_by, m.error, m.created_at, m.sent_at, m.delivered_at, m.read_at, m.failed_at, m.send_at,
    m.origin, m.reactions, m.edited_at, m.revoked_at;

-- name: due_tenants() -> many DueRow
-- Tenants that have a scheduled message whose time has come, or a send to offer to people. Ids only.
-- Index: messages_schedule_ix, messages_uncertain_ix
-- as: system
SELECT
    tenant_id,
    TRUE AS scheduled
FROM messages
WHERE status = 'SCHEDULED' AND send_at <= now()
GROUP BY tenant_id
UNION ALL
SELECT
    tenant_id,
    FALSE AS scheduled
FROM messages
WHERE status = 'UNCERTAIN' AND crm.is_due(next_attempt_at)
GROUP BY tenant_id;

-- name: lanes() -> many LaneRow
-- Lanes whose waking was lost, or whose worker died: due for a second and still waiting. Ids only; of every tenant
-- the oldest lanes first, so that no tenant's flood hides another's lane.
-- The head of a lane decides: what waits behind a head that must wait is not due either.
-- Index: messages_lane_ix
-- as: system
WITH heads AS (
    SELECT DISTINCT ON (tenant_id, conversation_id)
        tenant_id,
        conversation_id,
        channel_id,
        status,
        next_attempt_at,
        lease_until,
        created_at
    FROM messages
    WHERE status IN ('QUEUED', 'SENDING')
    ORDER BY tenant_id, conversation_id, created_at
)

SELECT
    heads.tenant_id,
    heads.conversation_id
FROM heads
LEFT JOIN channels AS ch ON heads.tenant_id = ch.tenant_id AND heads.channel_id = ch.id
WHERE
    (
        heads.status = 'QUEUED'
        AND crm.is_due(heads.next_attempt_at + INTERVAL '1 second')
        AND crm.is_due(coalesce(ch.paused_until, '-infinity'))
    )
    OR (heads.status = 'SENDING' AND crm.is_due(heads.lease_until))
ORDER BY
    row_number() OVER (PARTITION BY heads.tenant_id ORDER BY heads.created_at),
    heads.tenant_id
LIMIT 200;

-- name: waiting() -> many WaitingSendsRow
-- How much each tenant has to send, in how many lanes, how much of it is being sent, and since when (seconds).
-- Index: messages_lane_ix
-- as: system
SELECT
    m.tenant_id,
    t.slug,
    count(*) AS rows,
    count(DISTINCT m.conversation_id) AS lanes,
    count(*) FILTER (WHERE m.status = 'SENDING') AS sending,
    extract(EPOCH FROM now() - min(m.created_at))::float8 AS oldest
FROM messages AS m
INNER JOIN tenants AS t ON m.tenant_id = t.id
WHERE m.status IN ('QUEUED', 'SENDING')
GROUP BY m.tenant_id, t.slug
ORDER BY oldest DESC, t.slug ASC;
