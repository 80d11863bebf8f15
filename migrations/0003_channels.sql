-- A tenant's WhatsApp numbers. phone_number_id names one tenant in the whole installation: it routes.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE public.channels (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id()
    REFERENCES public.tenants (id) ON DELETE RESTRICT,
    id uuid NOT NULL DEFAULT uuidv7(),
    name text NOT NULL,
    phone_number_id text NOT NULL,
    waba_id text NOT NULL,
    display_phone_number text,
    -- Sealed by crm/core/crypto.py (AES-GCM, tenant and column as associated data); the hint is its last four.
    access_token bytea,
    access_token_hint text,
    app_secret bytea,
    app_secret_hint text,
    verify_token text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    CONSTRAINT channels_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT channels_name_check CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT channels_phone_number_id_check CHECK (phone_number_id ~ '^[0-9A-Za-z_-]{1,64}$'),
    CONSTRAINT channels_waba_id_check CHECK (waba_id ~ '^[0-9A-Za-z_-]{1,64}$')
);
COMMENT ON TABLE public.channels IS
'WhatsApp numbers. A deleted one keeps its row, for its history, and frees its phone_number_id.';
CREATE INDEX channels_created_ix ON public.channels (tenant_id, created_at, id) WHERE deleted_at IS NULL;
-- The three indexes without a leading tenant serve the look-ups made before a tenant is known.
CREATE UNIQUE INDEX channels_phone_number_key ON public.channels (phone_number_id) WHERE deleted_at IS NULL;
CREATE INDEX channels_waba_ix ON public.channels (waba_id) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX channels_verify_token_key ON public.channels (verify_token);

ALTER TABLE public.channels ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.channels FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.channels TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.channels AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY routing ON public.channels FOR SELECT TO crm_system USING (TRUE);
CREATE POLICY reseal ON public.channels FOR UPDATE TO crm_system USING (TRUE) WITH CHECK (TRUE);
GRANT SELECT, INSERT, UPDATE (
    name, phone_number_id, waba_id, display_phone_number, access_token, access_token_hint, app_secret,
    app_secret_hint, updated_at, deleted_at
) ON public.channels TO crm_app;
GRANT SELECT, UPDATE (access_token, app_secret) ON public.channels TO crm_system;
