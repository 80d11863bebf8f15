-- Media: what messages bring, what people upload, and Meta's ids of what went out. The bytes lie in the store.
-- Called by crm/media/ in a tenant's transaction; what the sweep asks crosses tenants as crm_system.

-- name: arrive(channels uuid[], graph_ids text[], graph_urls text[], mime_types text[], filenames text[], digests bytea[], voices boolean[], animateds boolean[]) -> many ArrivedRow
-- A row for each of Meta's ids that has none yet; sha256 is what the bytes must prove to be. A replay brings a
-- fresher URL, except of a deleted file.
-- Index: media_graph_key
INSERT INTO media (direction, channel_id, graph_id, graph_url, mime_type, filename, sha256, voice, animated)
SELECT
    'INBOUND',
    given.channel_id,
    given.graph_id,
    given.graph_url,
    given.mime_type,
    given.filename,
    given.sha256,
    given.voice,
    given.animated
FROM
    unnest(
        :channels::uuid[], :graph_ids::text[], :graph_urls::text[], :mime_types::text[], :filenames::text[],
        :digests::bytea[], :voices::boolean[], :animateds::boolean[]
    ) AS given (channel_id, graph_id, graph_url, mime_type, filename, sha256, voice, animated)
ORDER BY given.channel_id, given.graph_id
ON CONFLICT (tenant_id, channel_id, graph_id) WHERE graph_id IS NOT NULL
DO UPDATE SET graph_url = CASE WHEN media.state <> 'DELETED' THEN excluded.graph_url END
RETURNING channel_id, graph_id, id, crm.media_shown(media) AS shown;

-- name: pending(share bigint) -> many PendingRow
-- Media to fetch now, of each tenant at most a share: who imports a history holds up no other.
-- Index: media_pending_ix
-- as: system
WITH RECURSIVE owners AS (
    (SELECT tenant_id FROM media WHERE state = 'PENDING' ORDER BY tenant_id LIMIT 1)
    UNION ALL
    SELECT
        (
            SELECT m.tenant_id
            FROM media AS m
            WHERE m.state = 'PENDING' AND m.tenant_id > owners.tenant_id
            ORDER BY m.tenant_id
            LIMIT 1
        )
    FROM owners
    WHERE owners.tenant_id IS NOT NULL
)

SELECT
    due.tenant_id,
    due.id
FROM owners
CROSS JOIN LATERAL (
    SELECT
        tenant_id,
        id
    FROM media
    WHERE
        tenant_id = owners.tenant_id
        AND state = 'PENDING'
        AND crm.is_due(next_attempt_at)
        AND (lease_until IS NULL OR crm.is_due(lease_until))
    ORDER BY next_attempt_at, id
    LIMIT :share
) AS due;

-- name: claim(id uuid, lease float8) -> maybe FetchRow
-- Takes media for fetching. Two workers meet on the row's lock, and the second finds it leased.
-- Meta forgets what a webhook named after seven days.
-- Index: media_pkey
UPDATE media
SET
    attempts = attempts + 1,
    claim = uuidv7(),
    lease_until = now() + :lease * INTERVAL '1 second'
WHERE
    id = :id
    AND state = 'PENDING'
    AND crm.is_due(next_attempt_at)
    AND (lease_until IS NULL OR crm.is_due(lease_until))
RETURNING
    id,
    channel_id,
    graph_id,
    graph_url,
    mime_type,
    sha256,
    attempts,
    claim,
    created_at < now() - INTERVAL '7 days' AS expired,
    old.lease_until IS NOT NULL AS died;

-- name: renew(id uuid, claim uuid, lease float8) -> count
-- Whoever fetches still lives.
-- Index: media_pkey
UPDATE media SET lease_until = now() + :lease * INTERVAL '1 second'
WHERE id = :id AND state = 'PENDING' AND claim = :claim;

-- name: ready(id uuid, claim uuid, mime_type text, size bigint, sha256 bytea, animated boolean, width int, height int, duration float4, has_thumbnail boolean) -> count
-- The bytes are in the store. Only who claimed it last may say so.
-- Index: media_pkey
UPDATE media
SET
    state = 'READY',
    mime_type = :mime_type,
    size = :size,
    sha256 = :sha256,
    animated = animated OR :animated,
    width = :width,
    height = :height,
    duration = :duration,
    has_thumbnail = :has_thumbnail,
    error = NULL,
    claim = NULL,
    lease_until = NULL
WHERE id = :id AND state = 'PENDING' AND claim = :claim;

-- name: settle(id uuid, claim uuid, state text, error text, wait float8) -> count
-- A try that brought nothing: FAILED, or PENDING for another in `wait` seconds.
-- Index: media_pkey
UPDATE media
SET
    state = :state,
    error = :error,
    claim = NULL,
    lease_until = NULL,
    next_attempt_at = now() + :wait * INTERVAL '1 second'
WHERE id = :id AND state = 'PENDING' AND claim = :claim;

-- name: again(id uuid) -> value jsonb
-- A person asks for failed media once more.
-- Index: media_pkey
UPDATE media
SET state = 'PENDING', error = NULL, attempts = 0, lease_until = NULL, next_attempt_at = now()
WHERE id = :id AND state = 'FAILED'
RETURNING crm.media_shown(media) AS shown;

-- name: show(id uuid) -> many MessageRow
-- Writes what media is now on the messages that carry it.
-- Index: messages_media_ix
UPDATE messages AS m
SET media = crm.media_shown(a)
FROM media AS a
WHERE a.id = :id AND m.tenant_id = a.tenant_id AND m.media_id = a.id
RETURNING
    m.id, m.conversation_id, m.direction, m.type, m.status, m.content, m.media, m.payload, m.wamid, m.reply_to,
    m.sent_by, m.error, m.created_at, m.sent_at, m.delivered_at, m.read_at, m.failed_at, m.send_at,
    m.origin, m.reactions, m.edited_at, m.revoked_at;

-- name: get(id uuid) -> maybe MediaRow
-- One piece of media.
-- Index: media_pkey
SELECT
    id,
    state,
    mime_type,
    filename,
    size,
    sha256,
    has_thumbnail
FROM media
WHERE id = :id;

-- name: keep(mime_type text, filename text, size bigint, sha256 bytea, animated boolean, width int, height int, duration float4, has_thumbnail boolean) -> value uuid
-- A file that somebody uploaded; its bytes are in the store already.
INSERT INTO media (
    direction, state, mime_type, filename, size, sha256, animated, width, height, duration, has_thumbnail
)
VALUES (
    'OUTBOUND', 'READY', :mime_type, :filename, :size, :sha256, :animated, :width, :height, :duration,
    :has_thumbnail
)
RETURNING id;

-- name: uploadable(id uuid, channel uuid) -> maybe UploadRow
-- A file to send, with Meta's id of it where this channel has uploaded the same bytes lately. Meta keeps them for
-- 30 days; one day is left for what waits to be sent.
-- Index: media_pkey, media_uploads_pkey
SELECT
    m.mime_type,
    m.size,
    m.sha256,
    u.graph_id
FROM media AS m
LEFT JOIN media_uploads AS u
    ON
        m.tenant_id = u.tenant_id
        AND u.channel_id = :channel
        AND m.sha256 = u.sha256
        AND m.mime_type = u.mime_type
        AND u.created_at > now() - INTERVAL '29 days'
WHERE m.id = :id AND m.state = 'READY';

-- name: uploaded(channel uuid, number text, sha256 bytea, mime_type text, graph_id text) -> none
-- Meta's id of some bytes over a channel, in place of an older one; nothing when the channel has another number by now.
-- Index: channels_pkey, media_uploads_pkey
INSERT INTO media_uploads (channel_id, sha256, mime_type, graph_id)
SELECT
    id,
    :sha256,
    :mime_type,
    :graph_id
FROM channels
WHERE id = :channel AND phone_number_id = :number
FOR SHARE
ON CONFLICT (tenant_id, channel_id, sha256, mime_type)
DO UPDATE SET graph_id = excluded.graph_id, created_at = now();

-- name: upload_again(id uuid, channel uuid) -> count
-- Forgets Meta's id of a file that Meta does not know. A file that was uploaded in the last minute is not sent again
-- for that: it is refused for what it is.
-- Index: media_pkey, media_uploads_pkey
DELETE FROM media_uploads AS u
USING media AS m
WHERE
    m.id = :id
    AND u.tenant_id = m.tenant_id
    AND u.channel_id = :channel
    AND u.sha256 = m.sha256
    AND u.mime_type = m.mime_type
    AND u.created_at < now() - INTERVAL '1 minute';

-- name: leave(sha256 bytea, put uuid, seconds float8) -> none
-- These bytes are about to be put into the store; what nobody has named by then goes. Waits while they just go.
-- Index: media_leftovers_pkey
INSERT INTO media_leftovers (sha256, due_at, putting)
VALUES (:sha256, now() + :seconds * INTERVAL '1 second', ARRAY[:put::uuid])
ON CONFLICT (tenant_id, sha256)
DO UPDATE SET due_at = excluded.due_at, putting = media_leftovers.putting || excluded.putting;

-- name: unwanted(sha256 bytea, put uuid) -> none
-- Who put these bytes names them in no row after all: they are due, unless somebody else is putting them.
-- Index: media_leftovers_pkey
UPDATE media_leftovers
SET
    putting = array_remove(putting, :put),
    due_at = CASE WHEN putting <@ ARRAY[:put::uuid] THEN now() ELSE due_at END
WHERE sha256 = :sha256 AND :put = ANY(putting);

-- name: named(sha256 bytea, put uuid) -> none
-- A row names these bytes now. Who else is just putting them goes on being known: until his row is there they stay,
-- whatever becomes of this one.
-- Index: media_leftovers_pkey
WITH held AS MATERIALIZED (
    SELECT putting <@ ARRAY[:put::uuid] AS alone
    FROM media_leftovers
    WHERE sha256 = :sha256
    FOR UPDATE
),

gone AS (
    DELETE FROM media_leftovers AS l
    USING held
    WHERE l.sha256 = :sha256 AND held.alone
)

UPDATE media_leftovers AS l
SET putting = array_remove(l.putting, :put)
FROM held
WHERE l.sha256 = :sha256 AND NOT held.alone;

-- name: settled(sha256 bytea) -> none
-- These bytes, whose row is locked, went or have a file: nothing is left to be seen to.
-- Index: media_leftovers_pkey
DELETE FROM media_leftovers WHERE sha256 = :sha256;

-- name: forget(ids uuid[], within uuid[]) -> many ForgottenRow
-- Files deleted for good: what remains says that there was one. With `within`, only those that no message outside
-- these conversations carries. Bytes that somebody is just putting there again are left to him.
-- Index: media_pkey, messages_media_ix, message_files_media_ix
WITH gone AS (
    UPDATE media
    SET
        state = 'DELETED',
        filename = NULL,
        sha256 = NULL,
        graph_url = NULL,
        has_thumbnail = FALSE,
        error = NULL,
        claim = NULL,
        lease_until = NULL
    WHERE
        id = ANY(:ids::uuid[])
        AND state <> 'DELETED'
        AND (
            :within::uuid[] IS NULL
            OR NOT EXISTS (
                SELECT FROM messages AS m WHERE m.media_id = media.id AND m.conversation_id <> ALL(:within::uuid[])
                UNION ALL
                SELECT FROM message_files AS c
                INNER JOIN messages AS m ON c.message_id = m.id
                WHERE c.media_id = media.id AND m.conversation_id <> ALL(:within::uuid[])
            )
        )
    RETURNING id, old.state AS was, old.sha256 AS sha256
),

freed AS (
    INSERT INTO media_leftovers (sha256, due_at)
    SELECT DISTINCT
        sha256,
        now()
    FROM gone
    WHERE was = 'READY'
    ON CONFLICT (tenant_id, sha256) DO NOTHING
)

SELECT id FROM gone;

-- name: blank(ids uuid[], max bigint) -> many MessageRow
-- Takes deleted files off the next messages that carry them: their names, hashes and addresses too.
-- Index: messages_media_ix
WITH loud AS MATERIALIZED (
    SELECT m.id
    FROM messages AS m
    WHERE m.media_id = ANY(:ids::uuid[]) AND m.media ->> 'state' IS DISTINCT FROM 'DELETED'
    ORDER BY m.id
    LIMIT :max
    FOR NO KEY UPDATE
)

UPDATE messages AS m
SET
    media = crm.media_shown(a),
    content = coalesce(btrim(replace(m.content, m.payload -> m.type ->> 'filename', '')), m.content),
    payload = CASE
        WHEN jsonb_typeof(m.payload -> m.type) = 'object'
            THEN m.payload || jsonb_build_object(m.type, (m.payload -> m.type) - '{filename,sha256,url}'::text[])
        ELSE m.payload
    END
FROM loud, media AS a
WHERE m.id = loud.id AND m.tenant_id = a.tenant_id AND m.media_id = a.id
RETURNING
    m.id, m.conversation_id, m.direction, m.type, m.status, m.content, m.media, m.payload, m.wamid, m.reply_to,
    m.sent_by, m.error, m.created_at, m.sent_at, m.delivered_at, m.read_at, m.failed_at, m.send_at,
    m.origin, m.reactions, m.edited_at, m.revoked_at;

-- name: leavers() -> many LeaverRow
-- Tenants with bytes that are due to go.
-- Index: media_leftovers_due_ix
-- as: system
WITH RECURSIVE owners AS (
    (SELECT tenant_id FROM media_leftovers ORDER BY tenant_id LIMIT 1)
    UNION ALL
    SELECT
        (
            SELECT l.tenant_id
            FROM media_leftovers AS l
            WHERE l.tenant_id > owners.tenant_id
            ORDER BY l.tenant_id
            LIMIT 1
        )
    FROM owners
    WHERE owners.tenant_id IS NOT NULL
)

SELECT owners.tenant_id
FROM owners
INNER JOIN LATERAL (
    SELECT l.due_at FROM media_leftovers AS l WHERE l.tenant_id = owners.tenant_id ORDER BY l.due_at LIMIT 1
) AS first_due ON first_due.due_at <= now();

-- name: leftover() -> maybe LeftoverRow
-- The bytes that are due first, locked; `named`: a file still has them.
-- Index: media_leftovers_due_ix, media_sha256_ix
SELECT
    sha256,
    EXISTS(SELECT FROM media WHERE media.sha256 = l.sha256 AND media.state = 'READY') AS named
FROM media_leftovers AS l
WHERE due_at <= now()
ORDER BY due_at, sha256
LIMIT 1
FOR UPDATE SKIP LOCKED;

-- name: postpone(seconds float8) -> none
-- The store is away: what is due waits.
-- Index: media_leftovers_due_ix
UPDATE media_leftovers SET due_at = now() + :seconds * INTERVAL '1 second' WHERE due_at <= now();

-- name: unknown(sha256 bytea) -> none
-- Meta's ids of these bytes are of no more use.
-- Index: media_uploads_sha256_ix
DELETE FROM media_uploads WHERE sha256 = :sha256;
