-- What operators ask. Called by crm/operations.py and crm/__main__.py.

-- name: applied_migrations() -> value text
-- All migrations applied, separated by spaces: the version that comes, or comes back, is compared with them.
-- as: system
SELECT coalesce(string_agg(migration_id, ' '), '')
FROM _yoyo_migration;

-- name: newest_migration() -> value text
-- The newest migration applied, as yoyo keeps it.
-- as: system
SELECT max(migration_id)
FROM _yoyo_migration;

-- name: add_super_admin(email text, name text, hash text) -> count
-- Adds a super admin to the platform's own tenant; one that is there keeps everything.
-- Index: users_email_key
INSERT INTO users (email, name, role, password_hash)
VALUES (:email, :name, 'SUPER_ADMIN', :hash)
ON CONFLICT (tenant_id, email) DO NOTHING;

-- name: worker_seen(id uuid, host text, pid int, lanes int) -> none
-- A worker says that it is there.
-- Index: workers_pkey
-- as: system
INSERT INTO workers (id, host, pid, lanes)
VALUES (:id, :host, :pid, :lanes)
ON CONFLICT (id) DO UPDATE SET seen_at = now(), lanes = excluded.lanes;

-- name: worker_gone(id uuid) -> none
-- A worker ends as it should.
-- Index: workers_pkey
-- as: system
DELETE FROM workers
WHERE id = :id;

-- name: tidy_workers() -> count
-- Forgets workers that ended without a word.
-- as: system
DELETE FROM workers
WHERE seen_at < now() - INTERVAL '1 hour';

-- name: disk_seen(free bigint, size bigint) -> none
-- Keeps the least that was free today on the disk of the media folder.
-- Index: disk_days_pkey
-- as: system
INSERT INTO disk_days AS d (day, free_bytes, size_bytes)
VALUES ((now() AT TIME ZONE 'UTC')::date, :free, :size)
ON CONFLICT (day) DO UPDATE
    SET free_bytes = least(d.free_bytes, excluded.free_bytes), size_bytes = excluded.size_bytes;

-- name: tidy_disk_days() -> count
-- Forgets how full the disk was two months ago.
-- as: system
DELETE FROM disk_days
WHERE day < now() - INTERVAL '60 days';
