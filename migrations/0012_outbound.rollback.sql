DO $$
BEGIN
    DROP TABLE public.workers;
    REVOKE SELECT (id, channel_id, send_at) ON public.messages FROM crm_system;
    ALTER POLICY lanes ON public.messages USING (status IN ('QUEUED', 'SENDING'));
    DROP INDEX public.messages_uncertain_ix, public.messages_schedule_ix;
    REVOKE UPDATE (created_at) ON public.messages FROM crm_app;
    ALTER TABLE public.messages DROP COLUMN retired_wamids, DROP COLUMN channel_id;
    ALTER TABLE public.channels DROP COLUMN paused_until, DROP COLUMN pause;
    DROP FUNCTION crm.is_due(timestamptz);
END
$$;
