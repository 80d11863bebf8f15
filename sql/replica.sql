-- How far a streaming replica is behind: a place in the write-ahead log, in bytes from its beginning.
-- Called by crm/core/replica.py outside any tenant.

-- name: written() -> value bigint
-- What the primary has written.
SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint;

-- name: replayed() -> value bigint
-- What the replica shows of it; nothing on a primary.
SELECT pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint;
