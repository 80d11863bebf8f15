-- The people who write, and every name Meta knows each of them by (Meta: phone number quirks, BSUID).
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE public.contacts (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id()
    REFERENCES public.tenants (id) ON DELETE RESTRICT,
    id uuid NOT NULL DEFAULT uuidv7(),
    name text,
    profile_name text,
    phone text,
    wa_id text,
    bsuid text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT contacts_pkey PRIMARY KEY (tenant_id, id)
);
COMMENT ON TABLE public.contacts IS
'People. wa_id is Meta''s, verbatim; phone is E.164 as typed by us; any of phone, wa_id, bsuid may be missing.';

CREATE TABLE public.contact_identities (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id(),
    kind text NOT NULL,
    value text NOT NULL,
    contact_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT contact_identities_pkey PRIMARY KEY (tenant_id, kind, value),
    CONSTRAINT contact_identities_kind_check CHECK (kind IN ('bsuid', 'wa_id', 'match_key')),
    CONSTRAINT contact_identities_contact_fkey FOREIGN KEY (tenant_id, contact_id)
    REFERENCES public.contacts (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE public.contact_identities IS
'What a contact may be found by. match_key is the phone without the digits Meta adds or drops.';
CREATE INDEX contact_identities_contact_ix ON public.contact_identities (tenant_id, contact_id);

ALTER TABLE public.contacts ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.contacts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.contacts TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.contacts AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
GRANT SELECT, INSERT, UPDATE (name, profile_name, phone, wa_id, bsuid, updated_at)
ON public.contacts TO crm_app;

ALTER TABLE public.contact_identities ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.contact_identities FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.contact_identities TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.contact_identities AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
GRANT SELECT, INSERT ON public.contact_identities TO crm_app;
