-- What operators ask. Called by crm/operations.py and crm/__main__.py.

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
