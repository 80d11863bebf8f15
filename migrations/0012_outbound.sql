-- The river out in full: channels that rest, messages for later, sends whose end nobody knows, and who works.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

CREATE FUNCTION crm.is_due(at timestamptz) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
-- Nothing here waits longer than an hour: what lies further ahead was written before the clock was set back.
RETURN at <= now() OR (at > now() + INTERVAL '1 hour' AND isfinite(at));
COMMENT ON FUNCTION crm.is_due(timestamptz) IS 'Whether a wait (of at most an hour) is over; infinity never is.';
GRANT EXECUTE ON FUNCTION crm.is_due(timestamptz) TO crm_app, crm_system;

ALTER TABLE public.channels ADD COLUMN paused_until timestamptz;
ALTER TABLE public.channels ADD COLUMN pause jsonb;
COMMENT ON COLUMN public.channels.paused_until IS
'Nothing is sent over the channel before; infinity: until people have done what `pause` says. Arrivals go on.';
GRANT UPDATE (paused_until, pause) ON public.channels TO crm_app;

ALTER TABLE public.messages ADD COLUMN channel_id uuid;
ALTER TABLE public.messages ADD COLUMN retired_wamids text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN public.messages.retired_wamids IS
'Wamids of tries before an explicit retry: what Meta still says of them is not said of this try.';
UPDATE public.messages AS m
SET channel_id = c.channel_id
FROM public.conversations AS c
WHERE c.tenant_id = m.tenant_id AND c.id = m.conversation_id AND m.direction = 'OUTBOUND';
-- squawk-ignore constraint-missing-not-valid, adding-foreign-key-constraint
ALTER TABLE public.messages ADD CONSTRAINT messages_channel_fkey FOREIGN KEY (tenant_id, channel_id)
REFERENCES public.channels (tenant_id, id) ON DELETE RESTRICT;
GRANT UPDATE (created_at, retired_wamids) ON public.messages TO crm_app;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX messages_schedule_ix ON public.messages (tenant_id, send_at, id) WHERE status = 'SCHEDULED';
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX messages_uncertain_ix ON public.messages (tenant_id, next_attempt_at) WHERE status = 'UNCERTAIN';
-- The sweep finds what is due; it sees ids and times, never what a message says.
ALTER POLICY lanes ON public.messages USING (status IN ('QUEUED', 'SENDING', 'SCHEDULED', 'UNCERTAIN'));
GRANT SELECT (id, channel_id, send_at) ON public.messages TO crm_system;

CREATE TABLE public.workers (
    id uuid PRIMARY KEY,
    host text NOT NULL,
    pid integer NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now(),
    lanes integer NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
COMMENT ON TABLE public.workers IS
'Workers that run: each says every few seconds that it is there, and how many lanes it is working.';
ALTER TABLE public.workers ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.workers FORCE ROW LEVEL SECURITY;
CREATE POLICY platform ON public.workers TO crm_system USING (TRUE) WITH CHECK (TRUE);
GRANT SELECT, INSERT, UPDATE (seen_at, lanes), DELETE ON public.workers TO crm_system;
