-- When each number usually hears from customers, and which are silent against that. Called by
-- crm/channels/silence.py in a tenant's transaction; whose turn it is to be judged crosses tenants as crm_system.

-- name: count(channels uuid[], ats timestamptz[]) -> none
-- Counts that a customer was heard in the hour of `at`; what is older than five weeks is forgotten on the way.
-- Index: channel_hours_pkey
WITH heard AS (
    SELECT
        given.channel_id,
        date_trunc('hour', given.at, 'UTC') AS hour
    FROM unnest(:channels::uuid[], :ats::timestamptz[]) AS given (channel_id, at)
    WHERE given.at BETWEEN now() - INTERVAL '35 days' AND now() + INTERVAL '1 hour'
),

gone AS (
    DELETE FROM channel_hours
    WHERE channel_id = ANY(:channels::uuid[]) AND hour < now() - INTERVAL '35 days'
)

INSERT INTO channel_hours AS h (channel_id, hour)
SELECT
    channel_id,
    hour
FROM heard
ORDER BY channel_id
ON CONFLICT (tenant_id, channel_id, hour) DO UPDATE SET n = h.n + 1;

-- name: next_tenants(after uuid, max bigint) -> many TurnRow
-- The next hotels at work that have a number.
-- Index: tenants_pkey
-- as: system
SELECT t.id AS tenant_id
FROM tenants AS t
WHERE
    t.id > :after
    AND t.status IN ('TRIAL', 'ACTIVE')
    AND EXISTS (SELECT FROM channels AS c WHERE c.tenant_id = t.id AND c.deleted_at IS NULL)
ORDER BY t.id
LIMIT :max;

-- name: silent(at timestamptz, weeks int[], bar bigint) -> many SilentRow
-- Numbers that in the whole hours since their last customer (24 at most) heard nothing, where all but one of the
-- earlier weeks heard `bar` times or more in the same hours of the hotel's own clock, whatever daylight saving did.
-- One week may have been a holiday, or an outage of ours. What was said of this silence already is not said again.
-- Reads 24 rows a week of each number at most, however long its history.
-- The spans are worked out first: row security lets no time zone's function into the condition of an index.
-- Index: channel_health_pkey, channel_hours_pkey
WITH quiet AS (
    SELECT
        c.id,
        t.timezone,
        h.at AS since,
        date_trunc('hour', :at::timestamptz, 'UTC') AS ends,
        date_trunc('hour', h.at, 'UTC') + INTERVAL '1 hour' AS begins
    FROM channels AS c
    INNER JOIN tenants AS t ON c.tenant_id = t.id
    INNER JOIN channel_health AS h ON c.tenant_id = h.tenant_id AND c.id = h.channel_id AND h.name = 'inbound'
    LEFT JOIN channel_health AS s ON c.tenant_id = s.tenant_id AND c.id = s.channel_id AND s.name = 'silence'
    WHERE c.deleted_at IS NULL AND h.at < :at::timestamptz - INTERVAL '1 hour' AND (s.at < h.at OR s.at IS NULL)
),

spans AS MATERIALIZED (
    SELECT
        q.id,
        q.since,
        w.week,
        (greatest(q.begins, q.ends - INTERVAL '24 hours') AT TIME ZONE q.timezone - w.week * INTERVAL '7 days')
        AT TIME ZONE q.timezone AS begins,
        (q.ends AT TIME ZONE q.timezone - w.week * INTERVAL '7 days') AT TIME ZONE q.timezone AS ends
    FROM quiet AS q
    CROSS JOIN unnest(:weeks::integer[]) AS w (week)
    WHERE q.begins < q.ends
),

weeks AS (
    SELECT
        s.id,
        s.since,
        coalesce(sum(h.n), 0) AS n,
        row_number() OVER (PARTITION BY s.id ORDER BY coalesce(sum(h.n), 0)) AS place
    FROM spans AS s
    LEFT JOIN channel_hours AS h ON s.id = h.channel_id AND s.begins <= h.hour AND s.ends > h.hour
    GROUP BY s.id, s.since, s.week
)

SELECT
    id AS channel_id,
    since,
    n AS usual
FROM weeks
WHERE place = 2 AND n >= :bar
ORDER BY id;

-- name: forget(channel uuid) -> none
-- The channel has another number now, with customers of its own.
-- Index: channel_hours_pkey
DELETE FROM channel_hours
WHERE channel_id = :channel;

-- name: noticed() -> many NoticedTenantRow
-- How many numbers in use have an open notice, by kind and hotel.
-- as: system
SELECT
    n.kind,
    t.slug,
    count(*) AS channels
FROM channel_notices AS n
INNER JOIN channels AS c ON n.tenant_id = c.tenant_id AND n.channel_id = c.id
INNER JOIN tenants AS t ON n.tenant_id = t.id
WHERE n.dismissed_at IS NULL AND n.severity <> 'INFO' AND c.deleted_at IS NULL
GROUP BY n.kind, t.slug
ORDER BY channels DESC, n.kind ASC, t.slug ASC;
