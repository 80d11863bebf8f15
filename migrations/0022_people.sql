-- People as Meta knows them in 2026: user names, ids that change, groups; and two contacts that prove to be one.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

ALTER TABLE public.contacts ADD COLUMN username text;
ALTER TABLE public.contacts ADD COLUMN is_group boolean NOT NULL DEFAULT FALSE;
ALTER TABLE public.contacts ADD COLUMN merged_into uuid;
-- squawk-ignore constraint-missing-not-valid, adding-foreign-key-constraint
ALTER TABLE public.contacts ADD CONSTRAINT contacts_merged_fkey FOREIGN KEY (tenant_id, merged_into)
REFERENCES public.contacts (tenant_id, id) ON DELETE RESTRICT;
COMMENT ON COLUMN public.contacts.merged_into IS 'The contact this one proved to be; it is in no list while set.';
GRANT UPDATE (username, merged_into) ON public.contacts TO crm_app;
GRANT UPDATE (contact_id), DELETE ON public.contact_identities TO crm_app;
GRANT UPDATE (contact_id) ON public.conversations TO crm_app;

-- squawk-ignore ban-drop-constraint
ALTER TABLE public.contact_identities DROP CONSTRAINT contact_identities_kind_check;
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE public.contact_identities ADD CONSTRAINT contact_identities_kind_check
CHECK (kind IN ('bsuid', 'wa_id', 'match_key', 'group'));

CREATE TABLE public.contact_aliases (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id(),
    kind text NOT NULL,
    value text NOT NULL,
    contact_id uuid NOT NULL,
    superseded_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT contact_aliases_pkey PRIMARY KEY (tenant_id, kind, value, superseded_at),
    CONSTRAINT contact_aliases_contact_fkey FOREIGN KEY (tenant_id, contact_id)
    REFERENCES public.contacts (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE public.contact_aliases IS
'Identities a contact had until its number or user id changed. They lead to it for a week: Meta repeats late.';
CREATE INDEX contact_aliases_contact_ix ON public.contact_aliases (tenant_id, contact_id);

CREATE TABLE public.contact_merges (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id()
    REFERENCES public.tenants (id) ON DELETE RESTRICT,
    id uuid NOT NULL DEFAULT uuidv7(),
    from_id uuid NOT NULL,
    into_id uuid NOT NULL,
    why text NOT NULL,
    by_user uuid,
    moved jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    undone_at timestamptz,
    CONSTRAINT contact_merges_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT contact_merges_from_fkey FOREIGN KEY (tenant_id, from_id)
    REFERENCES public.contacts (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT contact_merges_into_fkey FOREIGN KEY (tenant_id, into_id)
    REFERENCES public.contacts (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE public.contact_merges IS
'Contacts that proved to be one: who, why, and what moved ({conversations, identities, filled}), to undo it.';
CREATE INDEX contact_merges_from_ix ON public.contact_merges (tenant_id, from_id, id DESC);
CREATE INDEX contact_merges_into_ix ON public.contact_merges (tenant_id, into_id);

ALTER TABLE public.contact_aliases ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.contact_aliases FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.contact_aliases TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.contact_aliases AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
GRANT SELECT, INSERT ON public.contact_aliases TO crm_app;

ALTER TABLE public.contact_merges ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.contact_merges FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.contact_merges TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.contact_merges AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
GRANT SELECT, INSERT, UPDATE (undone_at) ON public.contact_merges TO crm_app;
