-- Answers already given, by the key the client chose, so that a POST repeated is answered and not done again.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE public.idempotency_keys (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id()
    REFERENCES public.tenants (id) ON DELETE RESTRICT,
    user_id uuid NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    status integer,
    answer bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (tenant_id, user_id, key)
);
COMMENT ON TABLE public.idempotency_keys IS
'Written in the transaction of the effect itself: a twin waits on the unique key, then gets the same answer.';
CREATE INDEX idempotency_keys_created_ix ON public.idempotency_keys (tenant_id, created_at);

ALTER TABLE public.idempotency_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.idempotency_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.idempotency_keys TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.idempotency_keys AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tidying ON public.idempotency_keys TO crm_system USING (TRUE);
GRANT SELECT, INSERT, UPDATE (status, answer) ON public.idempotency_keys TO crm_app;
GRANT SELECT (tenant_id, created_at), DELETE ON public.idempotency_keys TO crm_system;
