-- In a tenant the system's role sees that tenant's keys and no other's; without one, all, to tidy them.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

ALTER POLICY seeing ON public.idempotency_keys
USING (
    tenant_id = (SELECT crm.current_tenant_id())
    OR (SELECT crm.current_tenant_id()) IS NULL
);
