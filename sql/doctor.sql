-- What `python -m crm doctor` asks beyond what the metrics ask. Called by crm/doctor/rows.py.

-- name: pulse() -> one PulseRow
-- The database's clock, the workers seen lately, the oldest raw webhook kept, and how much of its room is taken.
-- Index: webhook_events_pkey
-- as: system
SELECT
    clock_timestamp() AS now,
    (SELECT count(*) FROM workers WHERE seen_at > now() - INTERVAL '1 minute') AS workers,
    (SELECT min(received_at) FROM webhook_events) AS oldest_raw,
    (SELECT sum(numbackends) FROM pg_stat_database)::int AS connections,
    current_setting('max_connections')::int AS room;

-- name: disk_days() -> many DiskDayRow
-- What was free on each day of the last two weeks, oldest first.
-- Index: disk_days_pkey
-- as: system
SELECT
    day,
    free_bytes
FROM disk_days
WHERE day >= (now() AT TIME ZONE 'UTC')::date - 14
ORDER BY day;
