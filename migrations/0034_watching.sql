-- What the watching stands on: when each number usually hears from customers, how the disk fills, and which open
-- notices the operator's pages count.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE public.channel_hours (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id(),
    channel_id uuid NOT NULL,
    hour timestamptz NOT NULL,
    n integer NOT NULL DEFAULT 1,
    CONSTRAINT channel_hours_pkey PRIMARY KEY (tenant_id, channel_id, hour),
    CONSTRAINT channel_hours_channel_fkey FOREIGN KEY (tenant_id, channel_id)
    REFERENCES public.channels (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT channel_hours_n_check CHECK (n > 0)
) WITH (fillfactor = 70);
COMMENT ON TABLE public.channel_hours IS
'How often a number heard from customers in each hour (at most once in 5 seconds is counted), for five weeks.';
ALTER TABLE public.channel_hours ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.channel_hours FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.channel_hours TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.channel_hours AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
GRANT SELECT, INSERT, UPDATE (n), DELETE ON public.channel_hours TO crm_app;

CREATE TABLE public.disk_days (
    day date NOT NULL,
    free_bytes bigint NOT NULL,
    size_bytes bigint NOT NULL,
    CONSTRAINT disk_days_pkey PRIMARY KEY (day)
);
COMMENT ON TABLE public.disk_days IS
'What was free at the least, each day, on the disk of the media folder as the workers see it: how fast it fills.';
ALTER TABLE public.disk_days ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.disk_days FORCE ROW LEVEL SECURITY;
CREATE POLICY platform ON public.disk_days TO crm_system USING (TRUE) WITH CHECK (TRUE);
GRANT SELECT, INSERT, UPDATE (free_bytes, size_bytes), DELETE ON public.disk_days TO crm_system;

-- What kind of notice is open on which number; not what it says.
CREATE POLICY platform ON public.channel_notices FOR SELECT TO crm_system USING (TRUE);
GRANT SELECT (tenant_id, channel_id, kind, severity, dismissed_at) ON public.channel_notices TO crm_system;
