-- Media: what messages bring, what people upload, and Meta's ids of what went out. The bytes lie in the store.
-- Called by crm/media/ in a tenant's transaction; what the sweep asks crosses tenants as crm_system.

-- name: arrive(channels uuid[], graph_ids text[], graph_urls text[], mime_types text[], filenames text[], digests bytea[], voices boolean[], animateds boolean[]) -> many ArrivedRow
-- A row for each of Meta's ids that has none yet; sha256 is what the bytes must prove to be. A replay brings a
-- fresher URL.
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
DO UPDATE SET graph_url = excluded.graph_url
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
    lease_until,
    created_at < now() - INTERVAL '7 days' AS expired,
    old.lease_until IS NOT NULL AS died;

-- name: ready(id uuid, lease timestamptz, mime_type text, size bigint, sha256 bytea, animated boolean, width int, height int, duration float4, has_thumbnail boolean) -> count
-- The bytes are in the store. Only who holds the lease may say so.
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
    lease_until = NULL
WHERE id = :id AND state = 'PENDING' AND lease_until = :lease;

-- name: settle(id uuid, lease timestamptz, state text, error text, wait float8) -> count
-- A try that brought nothing: FAILED, or PENDING for another in `wait` seconds.
-- Index: media_pkey
UPDATE media
SET
    state = :state,
    error = :error,
    lease_until = NULL,
    next_attempt_at = now() + :wait * INTERVAL '1 second'
WHERE id = :id AND state = 'PENDING' AND lease_until = :lease;

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

-- name: uploaded(channel uuid, sha256 bytea, mime_type text, graph_id text) -> none
-- Meta's id of some bytes over a channel, in place of an older one.
-- Index: media_uploads_pkey
INSERT INTO media_uploads (channel_id, sha256, mime_type, graph_id)
VALUES (:channel, :sha256, :mime_type, :graph_id)
ON CONFLICT (tenant_id, channel_id, sha256, mime_type)
DO UPDATE SET graph_id = excluded.graph_id, created_at = now();
