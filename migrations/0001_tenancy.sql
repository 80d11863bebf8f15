-- What every other table stands on: the tenant of a transaction, the tenants, and the rules each later
-- table repeats (tenant first in every key, row security forced, policies before grants).
-- The roles themselves need a superuser and passwords: ops/postgres/roles.sql makes them.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

CREATE SCHEMA crm;
GRANT USAGE ON SCHEMA crm TO crm_app, crm_system;
GRANT USAGE ON SCHEMA public TO crm_app, crm_system;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

CREATE FUNCTION crm.current_tenant_id() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
-- Once SET LOCAL has ended the setting reads '', not NULL: hence nullif.
RETURN nullif(current_setting('app.tenant_id', TRUE), '')::uuid;
COMMENT ON FUNCTION crm.current_tenant_id() IS 'The tenant of this transaction, NULL when none is set.';
GRANT EXECUTE ON FUNCTION crm.current_tenant_id() TO crm_app, crm_system;

CREATE TABLE public.tenants (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    slug text NOT NULL,
    name text NOT NULL,
    email text NOT NULL,
    status text NOT NULL DEFAULT 'TRIAL',
    plan text NOT NULL DEFAULT 'trial',
    locale text NOT NULL DEFAULT 'pt-BR',
    timezone text NOT NULL DEFAULT 'America/Sao_Paulo',
    settings jsonb NOT NULL DEFAULT '{}',
    trial_ends_at timestamptz NOT NULL DEFAULT now() + INTERVAL '14 days',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT tenants_slug_key UNIQUE (slug),
    CONSTRAINT tenants_slug_check CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    CONSTRAINT tenants_name_check CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT tenants_status_check CHECK (status IN ('TRIAL', 'ACTIVE', 'SUSPENDED', 'CANCELED'))
);
COMMENT ON TABLE public.tenants IS
'One row per hotel, and one for the platform itself: the nil id, home of the super admins.';
CREATE INDEX tenants_created_ix ON public.tenants (created_at DESC, id DESC);

ALTER TABLE public.tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.tenants FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.tenants TO crm_app
USING (id = (SELECT crm.current_tenant_id()))
WITH CHECK (id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.tenants AS RESTRICTIVE TO crm_app
USING (id = (SELECT crm.current_tenant_id()));
CREATE POLICY platform ON public.tenants TO crm_system USING (TRUE) WITH CHECK (TRUE);
GRANT SELECT, UPDATE (name, locale, timezone, settings, updated_at) ON public.tenants TO crm_app;
GRANT SELECT, INSERT, UPDATE ON public.tenants TO crm_system;

INSERT INTO public.tenants (id, slug, name, email, status, plan)
VALUES ('00000000-0000-0000-0000-000000000000', 'platform', 'Platform', 'platform@localhost', 'ACTIVE', 'none');

-- Readiness compares the newest migration applied with the newest that the running version knows.
GRANT SELECT ON public._yoyo_migration TO crm_system;
