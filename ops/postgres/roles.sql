-- The four roles and the database, made by a superuser; running it again changes nothing but the passwords.
-- Used by ops/up on its first start and once by hand in production:
--   CRM_OWNER_PASSWORD=… CRM_APP_PASSWORD=… CRM_SYSTEM_PASSWORD=… CRM_BACKUP_PASSWORD=… \
--     psql -v ON_ERROR_STOP=1 -f ops/postgres/roles.sql postgresql://postgres@host/postgres
-- Passwords come from the environment, because a command line can be read by every user of the machine; and no log
-- shows them, neither as a slow statement nor as one that failed. The server keeps only what SCRAM-SHA-256 makes of them.
SET log_min_duration_statement = -1;
SET log_min_error_statement = panic;
SET log_statement = none;
SET password_encryption = 'scram-sha-256';
\getenv owner_password CRM_OWNER_PASSWORD
\getenv app_password CRM_APP_PASSWORD
\getenv system_password CRM_SYSTEM_PASSWORD
\getenv backup_password CRM_BACKUP_PASSWORD

SELECT 'CREATE ROLE ' || name
FROM unnest(ARRAY['crm_owner', 'crm_app', 'crm_system', 'crm_backup']) AS name
WHERE name NOT IN (SELECT rolname FROM pg_roles)
\gexec

-- Migrations. BYPASSRLS because forced row security binds the owner of a table too.
ALTER ROLE crm_owner LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB BYPASSRLS PASSWORD :'owner_password';
-- Requests and jobs inside one tenant.
ALTER ROLE crm_app LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOBYPASSRLS PASSWORD :'app_password';
-- Routing, raw events and platform tables; it has no right to read a message.
ALTER ROLE crm_system LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOBYPASSRLS PASSWORD :'system_password';
-- Dumps. It sees every row and can write none: a dump by the owner is not needed, one by crm_app would be empty.
ALTER ROLE crm_backup LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB BYPASSRLS PASSWORD :'backup_password';
ALTER ROLE crm_backup SET default_transaction_read_only = on;
GRANT pg_read_all_data TO crm_backup;
-- What our processes ask for at the start of a connection stands here too: PgBouncer cannot pass it on.
ALTER ROLE crm_app SET statement_timeout = '30s';
ALTER ROLE crm_app SET lock_timeout = '5s';
ALTER ROLE crm_app SET idle_in_transaction_session_timeout = '20s';
ALTER ROLE crm_app SET plan_cache_mode = force_generic_plan;
ALTER ROLE crm_system SET statement_timeout = '30s';
ALTER ROLE crm_system SET lock_timeout = '5s';
ALTER ROLE crm_system SET idle_in_transaction_session_timeout = '20s';
ALTER ROLE crm_system SET plan_cache_mode = force_generic_plan;

-- The built-in locale sorts the same on every machine, so an upgrade of the system's libc cannot corrupt an index.
SELECT 'CREATE DATABASE crm OWNER crm_owner TEMPLATE template0 ENCODING ''UTF8'' '
    || 'LOCALE_PROVIDER builtin BUILTIN_LOCALE ''C.UTF-8'' LOCALE ''C'''
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'crm')
\gexec

REVOKE ALL ON DATABASE crm FROM PUBLIC;
GRANT CONNECT ON DATABASE crm TO crm_app, crm_system, crm_backup;

\connect crm
-- Query figures by name; only a superuser may install it.
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO crm_app, crm_system, crm_backup;
