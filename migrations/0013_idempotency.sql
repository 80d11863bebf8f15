-- The platform's own POSTs are safe to repeat too: the system's role keeps answers under its caller's home.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

DROP POLICY tidying ON public.idempotency_keys;
CREATE POLICY tidying ON public.idempotency_keys FOR DELETE TO crm_system USING (TRUE);
CREATE POLICY seeing ON public.idempotency_keys FOR SELECT TO crm_system USING (TRUE);
CREATE POLICY keeping ON public.idempotency_keys FOR INSERT TO crm_system
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY answering ON public.idempotency_keys FOR UPDATE TO crm_system
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
GRANT SELECT (user_id, key, request_hash, status, answer), INSERT, UPDATE (status, answer)
ON public.idempotency_keys TO crm_system;
COMMENT ON COLUMN public.idempotency_keys.answer IS
'Sealed as the secrets of channels are: an answer may show a temporary password once.';
-- Answers kept until now are not sealed.
DELETE FROM public.idempotency_keys;
