-- Meta's raw webhooks: stored before they are acknowledged, claimed by the drain. Called by crm/intake.py and
-- crm/drain.py.
-- All of it runs as crm_system: no tenant is known yet, and no message is readable to this role.

-- name: store(bodies bytea[], signers uuid[], lanes text[]) -> none
-- Stores a batch of raw bodies, each with the tenant whose own secret signed it (NULL: the platform's), and lets
-- them wait in their lanes.
-- Index: webhook_events_pkey
-- as: system
WITH given AS MATERIALIZED (
    SELECT
        uuidv7() AS id,
        body,
        signed_by,
        lane
    FROM unnest(:bodies::bytea[], :signers::uuid[], :lanes::text[]) AS given (body, signed_by, lane)
),

kept AS (
    INSERT INTO webhook_events (id, body, signed_by, lane)
    SELECT
        id,
        body,
        signed_by,
        lane
    FROM given
)

INSERT INTO webhook_waiting (lane, received_at, id, bytes)
SELECT
    lane,
    now(),
    id,
    octet_length(body)
FROM given;

-- name: claim(max bigint, bytes bigint, one text, but text[]) -> many WebhookRow
-- Takes the oldest events of every lane nobody works on (of `one` lane, or of all `but` some), an equal share of each: a
-- flood waits behind itself.
-- It takes by deleting: the row lock is the lease, and all of it is undone with the transaction, or its worker.
-- The lane's lock keeps a second worker from overtaking; a lane's share is cut at so many bytes. `more`: its lane was
-- full to its share, so more may wait.
-- Index: webhook_waiting_pkey, webhook_events_pkey
-- as: system
WITH RECURSIVE lanes AS (
    (SELECT lane FROM webhook_waiting ORDER BY lane LIMIT 1)
    UNION ALL
    SELECT (SELECT w.lane FROM webhook_waiting AS w WHERE w.lane > lanes.lane ORDER BY w.lane LIMIT 1)
    FROM lanes
    WHERE lanes.lane IS NOT NULL
),

wanted AS MATERIALIZED (
    SELECT lane
    FROM lanes
    WHERE lane IS NOT NULL AND (:one::text IS NULL OR lane = :one) AND lane <> ALL(:but::text[])
),

mine AS MATERIALIZED (
    SELECT
        lane,
        count(*) OVER () AS many
    FROM wanted
    WHERE pg_try_advisory_xact_lock(hashtextextended(lane, 10))
),

picked AS MATERIALIZED (
    SELECT
        share.*,
        sum(share.bytes) OVER (PARTITION BY share.lane ORDER BY share.received_at, share.id) - share.bytes AS ahead,
        count(*) OVER (PARTITION BY share.lane) >= greatest(:max / mine.many, 10)
        OR sum(share.bytes) OVER (PARTITION BY share.lane) > :bytes AS more
    FROM mine
    CROSS JOIN LATERAL (
        SELECT
            lane,
            received_at,
            id,
            bytes
        FROM webhook_waiting
        WHERE lane = mine.lane
        ORDER BY received_at, id
        LIMIT greatest(:max / mine.many, 10)
        FOR UPDATE SKIP LOCKED
    ) AS share
),

taken AS (
    DELETE FROM webhook_waiting AS w
    USING picked
    WHERE w.lane = picked.lane AND w.received_at = picked.received_at AND w.id = picked.id AND picked.ahead < :bytes
    RETURNING w.received_at, w.id, picked.more
)

SELECT
    e.received_at,
    e.id,
    e.lane,
    e.body,
    e.signed_by,
    taken.more
FROM taken
INNER JOIN webhook_events AS e ON taken.received_at = e.received_at AND taken.id = e.id
ORDER BY e.received_at, e.id;

-- name: put_back(times timestamptz[], ids uuid[]) -> none
-- Lets events that this transaction has claimed wait again, in their places.
-- Index: webhook_events_pkey
-- as: system
INSERT INTO webhook_waiting (lane, received_at, id, bytes)
SELECT
    e.lane,
    e.received_at,
    e.id,
    octet_length(e.body)
FROM unnest(:times::timestamptz[], :ids::uuid[]) AS given (received_at, id)
INNER JOIN webhook_events AS e ON given.received_at = e.received_at AND given.id = e.id;

-- name: ignored(times timestamptz[], ids uuid[], counts int[]) -> none
-- Notes of events how many of their elements led to no channel.
-- Index: webhook_events_pkey
-- as: system
UPDATE webhook_events AS e
SET ignored = given.ignored
FROM unnest(:times::timestamptz[], :ids::uuid[], :counts::int[]) AS given (received_at, id, ignored)
WHERE e.received_at = given.received_at AND e.id = given.id;

-- name: waiting() -> many WaitingRow
-- How many events wait in each lane, whose it is, and for how long its oldest has waited (seconds).
-- Index: webhook_waiting_pkey
-- as: system
SELECT
    c.tenant_id,
    t.slug,
    w.lane,
    count(*) AS rows,
    extract(EPOCH FROM now() - min(w.received_at))::float8 AS oldest
FROM webhook_waiting AS w
LEFT JOIN channels AS c ON w.lane = c.phone_number_id AND c.deleted_at IS NULL
LEFT JOIN tenants AS t ON c.tenant_id = t.id
GROUP BY c.tenant_id, t.slug, w.lane
ORDER BY oldest DESC, w.lane ASC;

-- name: cut(days int) -> value int
-- Makes the parts of the next days and drops what is older; how many parts were dropped.
-- as: system
SELECT crm.cut_days('webhook_events', make_interval(days => :days));
