DO $$
BEGIN
    DELETE FROM public.idempotency_keys;
    REVOKE SELECT (user_id, key, request_hash, status, answer), INSERT, UPDATE (status, answer)
    ON public.idempotency_keys FROM crm_system;
    DROP POLICY tidying ON public.idempotency_keys;
    DROP POLICY seeing ON public.idempotency_keys;
    DROP POLICY keeping ON public.idempotency_keys;
    DROP POLICY answering ON public.idempotency_keys;
    CREATE POLICY tidying ON public.idempotency_keys TO crm_system USING (TRUE);
    COMMENT ON COLUMN public.idempotency_keys.answer IS NULL;
END
$$;
