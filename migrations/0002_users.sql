-- Who may enter: users, their sessions, the check made as each transaction begins, and the audit log.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE public.users (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id()
    REFERENCES public.tenants (id) ON DELETE RESTRICT,
    id uuid NOT NULL DEFAULT uuidv7(),
    email text NOT NULL,
    name text NOT NULL,
    role text NOT NULL,
    password_hash text NOT NULL,
    must_change_password boolean NOT NULL DEFAULT FALSE,
    active boolean NOT NULL DEFAULT TRUE,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT users_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT users_email_key UNIQUE (tenant_id, email),
    CONSTRAINT users_name_check CHECK (length(name) BETWEEN 1 AND 200),
    -- Super admins live in the platform's own row of tenants, and nobody else does.
    CONSTRAINT users_role_check CHECK (
        role IN ('SUPER_ADMIN', 'TENANT_ADMIN', 'ATTENDANT')
        AND (role = 'SUPER_ADMIN') = (tenant_id = '00000000-0000-0000-0000-000000000000')
    )
);
COMMENT ON TABLE public.users IS
'People who sign in. E-mails are stored normalised, so that the plain unique index holds.';

ALTER TABLE public.users ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.users FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.users TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.users AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
-- The platform makes the first admin of a new tenant, in the transaction that makes the tenant.
CREATE POLICY platform ON public.users TO crm_system
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
GRANT SELECT, INSERT, UPDATE (name, role, password_hash, must_change_password, active, updated_at)
ON public.users TO crm_app;
GRANT SELECT (tenant_id, id, email, name, role), INSERT ON public.users TO crm_system;

CREATE TABLE public.sessions (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id(),
    id uuid NOT NULL DEFAULT uuidv7(),
    user_id uuid NOT NULL,
    refresh_hash bytea NOT NULL,
    ip text NOT NULL,
    user_agent text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    CONSTRAINT sessions_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT sessions_user_fkey FOREIGN KEY (tenant_id, user_id)
    REFERENCES public.users (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE public.sessions IS
'One sign-in and its family of refresh tokens: only the hash of the newest is valid.';
CREATE INDEX sessions_user_ix ON public.sessions (tenant_id, user_id, created_at DESC)
WHERE revoked_at IS NULL;

ALTER TABLE public.sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.sessions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.sessions TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.sessions AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
GRANT SELECT, INSERT, UPDATE (refresh_hash, last_used_at, expires_at, revoked_at)
ON public.sessions TO crm_app;

CREATE FUNCTION crm.enter(home uuid, who uuid, session uuid, as_role text) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
-- Runs in the same round trip that opens a request's transaction, before any tenant row is read:
-- it must see the caller's home tenant, which for a super admin is not the tenant being served.
AS $$
DECLARE
    known record;
BEGIN
    SELECT u.role, t.status INTO known
    FROM public.sessions AS s
    INNER JOIN public.users AS u ON u.tenant_id = s.tenant_id AND u.id = s.user_id AND u.active
    INNER JOIN public.tenants AS t ON t.id = s.tenant_id
    WHERE s.tenant_id = home AND s.id = session AND s.user_id = who
        AND s.revoked_at IS NULL AND s.expires_at > now();
    IF NOT FOUND OR known.role <> as_role THEN
        RAISE EXCEPTION 'session ended' USING ERRCODE = 'CRM01';
    END IF;
    IF known.status NOT IN ('TRIAL', 'ACTIVE') THEN
        RAISE EXCEPTION 'tenant suspended' USING ERRCODE = 'CRM02';
    END IF;
END
$$;
COMMENT ON FUNCTION crm.enter(uuid, uuid, uuid, text) IS
'Refuses (CRM01, CRM02) a revoked session, an inactive user, a changed role, a suspended tenant.';
GRANT EXECUTE ON FUNCTION crm.enter(uuid, uuid, uuid, text) TO crm_app, crm_system;

CREATE TABLE public.audit_log (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id()
    REFERENCES public.tenants (id) ON DELETE RESTRICT,
    id uuid NOT NULL DEFAULT uuidv7(),
    actor_id uuid,
    actor_role text,
    action text NOT NULL,
    target text,
    detail jsonb NOT NULL DEFAULT '{}',
    ip text,
    request_id text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT audit_log_pkey PRIMARY KEY (tenant_id, id)
);
COMMENT ON TABLE public.audit_log IS
'Who did what. The application may add and read, never change: no key to users, they may be super admins.';
CREATE INDEX audit_log_created_ix ON public.audit_log (tenant_id, created_at DESC, id DESC);

ALTER TABLE public.audit_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.audit_log FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.audit_log TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.audit_log AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY platform ON public.audit_log FOR INSERT TO crm_system
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
GRANT SELECT, INSERT ON public.audit_log TO crm_app;
GRANT INSERT ON public.audit_log TO crm_system;
