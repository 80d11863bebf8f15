-- Message templates, as Meta has them, of each WhatsApp account a hotel uses.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE public.templates (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id()
    REFERENCES public.tenants (id) ON DELETE RESTRICT,
    id uuid NOT NULL DEFAULT uuidv7(),
    waba_id text NOT NULL,
    graph_id text,
    name text NOT NULL,
    language text NOT NULL,
    category text NOT NULL,
    status text NOT NULL,
    parameter_format text NOT NULL DEFAULT 'POSITIONAL',
    components jsonb NOT NULL,
    quality text,
    reason text,
    advice text,
    previous_category text,
    next_category text,
    category_changes_at timestamptz,
    -- Meta's time of the newest status it told: webhooks come in any order.
    status_at timestamptz,
    -- When a refused send had it looked up last.
    checked_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    synced_at timestamptz,
    CONSTRAINT templates_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT templates_name_key UNIQUE (tenant_id, waba_id, name, language),
    CONSTRAINT templates_format_check CHECK (parameter_format IN ('POSITIONAL', 'NAMED'))
);
COMMENT ON TABLE public.templates IS
'Meta''s templates. status and category are Meta''s words in capitals; only APPROVED is sent. reason: why not.';
CREATE INDEX templates_graph_ix ON public.templates (tenant_id, graph_id);
CREATE INDEX templates_created_ix ON public.templates (tenant_id, created_at DESC, id DESC);

ALTER TABLE public.templates ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.templates FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.templates TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.templates AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
GRANT SELECT, INSERT, UPDATE (
    graph_id, category, status, parameter_format, components, quality, reason, advice, previous_category,
    next_category, category_changes_at, status_at, checked_at, updated_at, synced_at
), DELETE ON public.templates TO crm_app;

CREATE TABLE public.template_syncs (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id()
    REFERENCES public.tenants (id) ON DELETE RESTRICT,
    waba_id text NOT NULL,
    due_at timestamptz NOT NULL,
    wanted_at timestamptz,
    synced_at timestamptz,
    CONSTRAINT template_syncs_pkey PRIMARY KEY (tenant_id, waba_id)
);
COMMENT ON TABLE public.template_syncs IS
'When an account''s templates are read from Meta: daily, or sooner when a webhook named an unknown one (wanted).';
ALTER TABLE public.template_syncs ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.template_syncs FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.template_syncs TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.template_syncs AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
-- The worker finds what is due; it sees ids and times.
CREATE POLICY due ON public.template_syncs FOR SELECT TO crm_system USING (TRUE);
GRANT SELECT, INSERT, UPDATE (due_at, wanted_at, synced_at) ON public.template_syncs TO crm_app;
GRANT SELECT (tenant_id, waba_id, due_at) ON public.template_syncs TO crm_system;

ALTER TABLE public.contacts ADD COLUMN marketing_opt_out boolean NOT NULL DEFAULT FALSE;
ALTER TABLE public.contacts ADD COLUMN marketing_opt_out_at timestamptz;
COMMENT ON COLUMN public.contacts.marketing_opt_out IS
'No marketing template is sent to this person: they told us, or Meta (user_preferences, 131050).';
GRANT UPDATE (marketing_opt_out, marketing_opt_out_at) ON public.contacts TO crm_app;
