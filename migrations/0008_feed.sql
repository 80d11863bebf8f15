-- Each tenant's feed: every event in the order it became visible, appended in the transaction that caused it.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE public.feed_heads (
    tenant_id uuid PRIMARY KEY DEFAULT crm.current_tenant_id()
    REFERENCES public.tenants (id) ON DELETE RESTRICT,
    seq bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
COMMENT ON TABLE public.feed_heads IS
'The newest seq of each tenant. Taking the next one locks the row until commit: order is visibility order.';

CREATE TABLE public.feed_events (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id()
    REFERENCES public.tenants (id) ON DELETE RESTRICT,
    seq bigint NOT NULL,
    event text NOT NULL,
    conversation_id uuid,
    data text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT feed_events_pkey PRIMARY KEY (tenant_id, seq)
);
COMMENT ON TABLE public.feed_events IS
'Events as sockets receive them (data is the JSON text), without gaps, kept 48 hours for resume.';
CREATE INDEX feed_events_created_ix ON public.feed_events (tenant_id, created_at);

ALTER TABLE public.feed_heads ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.feed_heads FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.feed_heads TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.feed_heads AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY watching ON public.feed_heads FOR SELECT TO crm_system USING (TRUE);
GRANT SELECT, INSERT, UPDATE (seq) ON public.feed_heads TO crm_app;
GRANT SELECT ON public.feed_heads TO crm_system;

ALTER TABLE public.feed_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.feed_events FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.feed_events TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.feed_events AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tidying ON public.feed_events TO crm_system USING (TRUE);
GRANT SELECT, INSERT ON public.feed_events TO crm_app;
GRANT SELECT (tenant_id, created_at), DELETE ON public.feed_events TO crm_system;
