-- Meta's webhooks exactly as they came, and what could not be worked. Platform tables: no tenant is known yet.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE public.webhook_events (
    received_at timestamptz NOT NULL DEFAULT now(),
    id uuid NOT NULL DEFAULT uuidv7(),
    body bytea NOT NULL,
    signed_by uuid,
    processed_at timestamptz,
    ignored integer NOT NULL DEFAULT 0,
    -- Time first, so that the table can be cut into daily partitions without changing its key.
    CONSTRAINT webhook_events_pkey PRIMARY KEY (received_at, id)
);
COMMENT ON TABLE public.webhook_events IS
'Raw signed POSTs. signed_by: the tenant whose own secret signed it, NULL for the platform''s secret.';
CREATE INDEX webhook_events_waiting_ix ON public.webhook_events (received_at, id) WHERE processed_at IS NULL;

ALTER TABLE public.webhook_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.webhook_events FORCE ROW LEVEL SECURITY;
CREATE POLICY platform ON public.webhook_events TO crm_system USING (TRUE) WITH CHECK (TRUE);
GRANT SELECT, INSERT, UPDATE (processed_at, ignored), DELETE ON public.webhook_events TO crm_system;

CREATE TABLE public.dead_letters (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant_id uuid REFERENCES public.tenants (id) ON DELETE RESTRICT,
    kind text NOT NULL,
    item jsonb NOT NULL,
    error text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE public.dead_letters IS
'What could not be worked, kept whole with its error; tenant_id NULL when it belongs to none.';
CREATE INDEX dead_letters_tenant_ix ON public.dead_letters (tenant_id, created_at DESC, id DESC);

ALTER TABLE public.dead_letters ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.dead_letters FORCE ROW LEVEL SECURITY;
CREATE POLICY platform ON public.dead_letters TO crm_system USING (TRUE) WITH CHECK (TRUE);
GRANT SELECT, INSERT ON public.dead_letters TO crm_system;
