ALTER POLICY seeing ON public.idempotency_keys USING (TRUE);
