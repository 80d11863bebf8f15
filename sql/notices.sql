-- Notices on a tenant's numbers: raised, listed, ended. Called by crm/channels/notices.py in a tenant's transaction.

-- name: post(channels uuid[], kind text, severity text, data jsonb) -> many NoticedRow
-- Raises a notice on each channel, or says anew what the open one of its kind says; answers where anything changed.
-- Index: channel_notices_open_key
INSERT INTO channel_notices AS n (channel_id, kind, severity, data)
SELECT
    given.channel_id,
    :kind,
    :severity,
    :data
FROM unnest(:channels::uuid[]) AS given (channel_id)
ORDER BY given.channel_id
ON CONFLICT (tenant_id, channel_id, kind) WHERE dismissed_at IS NULL DO UPDATE
    SET severity = excluded.severity, data = excluded.data
    WHERE (n.severity, n.data) IS DISTINCT FROM (excluded.severity, excluded.data)
RETURNING n.channel_id;

-- name: end(channels uuid[], kinds text[]) -> many NoticedRow
-- Their cause has ended: the open notices of these kinds are dismissed by nobody.
-- Index: channel_notices_open_key
UPDATE channel_notices
SET dismissed_at = now()
WHERE channel_id = ANY(:channels::uuid[]) AND kind = ANY(:kinds::text[]) AND dismissed_at IS NULL
RETURNING channel_id;

-- name: dismiss(channel uuid, id uuid, by uuid) -> maybe NoticeRow
-- A person has read it; dismissed already, it stays as it was and is answered again.
-- Index: channel_notices_pkey
UPDATE channel_notices
SET
    dismissed_at = coalesce(dismissed_at, now()),
    dismissed_by = CASE WHEN dismissed_at IS NULL THEN :by ELSE dismissed_by END
WHERE id = :id AND channel_id = :channel
RETURNING id, channel_id, kind, severity, data, created_at, dismissed_at, dismissed_by;

-- name: open(channel uuid) -> many NoticeRow
-- The open notices of the tenant's numbers, or of one: of each kind one at most.
-- Index: channel_notices_open_key
SELECT
    id,
    channel_id,
    kind,
    severity,
    data,
    created_at,
    dismissed_at,
    dismissed_by
FROM channel_notices
WHERE dismissed_at IS NULL AND (:channel::uuid IS NULL OR channel_id = :channel)
ORDER BY channel_id, created_at, id;
