-- How each number stands with Meta: the newest of each thing heard of it, and notices that people should act on.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE public.channel_health (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id(),
    channel_id uuid NOT NULL,
    name text NOT NULL,
    value text,
    at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT channel_health_pkey PRIMARY KEY (tenant_id, channel_id, name),
    CONSTRAINT channel_health_channel_fkey FOREIGN KEY (tenant_id, channel_id)
    REFERENCES public.channels (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT channel_health_name_check CHECK (name ~ '^[a-z_]{1,40}$')
) WITH (fillfactor = 70);
COMMENT ON TABLE public.channel_health IS
'The newest word on each matter of a number (quality, limit, access, webhook …) and its time: later words win.';

CREATE TABLE public.channel_notices (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id(),
    id uuid NOT NULL DEFAULT uuidv7(),
    channel_id uuid NOT NULL,
    kind text NOT NULL,
    severity text NOT NULL,
    data jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    dismissed_at timestamptz,
    -- NULL of a dismissed one: its cause has ended by itself.
    dismissed_by uuid,
    CONSTRAINT channel_notices_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT channel_notices_channel_fkey FOREIGN KEY (tenant_id, channel_id)
    REFERENCES public.channels (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT channel_notices_kind_check CHECK (kind ~ '^[a-z_]{1,40}$'),
    CONSTRAINT channel_notices_severity_check CHECK (severity IN ('INFO', 'WARNING', 'CRITICAL')),
    CONSTRAINT channel_notices_dismissed_check CHECK (dismissed_by IS NULL OR dismissed_at IS NOT NULL)
);
COMMENT ON TABLE public.channel_notices IS
'What people should act on, said of a number; its words are made of kind and data (crm/channels/notices.py).';
CREATE UNIQUE INDEX channel_notices_open_key ON public.channel_notices (tenant_id, channel_id, kind)
WHERE dismissed_at IS NULL;

ALTER TABLE public.channel_health ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.channel_health FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.channel_health TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.channel_health AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
GRANT SELECT, INSERT, UPDATE (value, at), DELETE ON public.channel_health TO crm_app;

ALTER TABLE public.channel_notices ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.channel_notices FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.channel_notices TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.channel_notices AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
GRANT SELECT, INSERT, UPDATE (severity, data, dismissed_at, dismissed_by) ON public.channel_notices TO crm_app;
