-- Messages that are sent by the dates of a stay: rules, and what was planned by each for each stay.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

ALTER TABLE public.stays ADD COLUMN due_at timestamptz;
COMMENT ON COLUMN public.stays.due_at IS 'When the worker is to look at the messages of the stay again.';
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX stays_due_ix ON public.stays (tenant_id, due_at) WHERE due_at IS NOT NULL;
-- The sweep finds whose stays are due; it sees tenants and times, never a guest, a code or a room.
CREATE POLICY due ON public.stays FOR SELECT TO crm_system USING (due_at IS NOT NULL);
GRANT UPDATE (due_at) ON public.stays TO crm_app;
GRANT SELECT (tenant_id, due_at) ON public.stays TO crm_system;

CREATE TABLE public.stay_messages (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id()
    REFERENCES public.tenants (id) ON DELETE RESTRICT,
    id uuid NOT NULL DEFAULT uuidv7(),
    name text NOT NULL,
    anchor text NOT NULL,
    offset_days integer NOT NULL,
    at time NOT NULL,
    content text,
    template jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    CONSTRAINT stay_messages_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT stay_messages_anchor_check CHECK (anchor IN ('check_in', 'check_out')),
    CONSTRAINT stay_messages_offset_check CHECK (offset_days BETWEEN -60 AND 60),
    CONSTRAINT stay_messages_body_check CHECK ((content IS NULL) <> (template IS NULL))
);
COMMENT ON TABLE public.stay_messages IS
'Rules: what each guest is sent so many days from arrival or departure, at that time of the hotel''s day.';

CREATE TABLE public.stay_sends (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id(),
    stay_id uuid NOT NULL,
    rule_id uuid NOT NULL,
    message_id uuid,
    send_at timestamptz NOT NULL,
    CONSTRAINT stay_sends_pkey PRIMARY KEY (tenant_id, stay_id, rule_id),
    CONSTRAINT stay_sends_stay_fkey FOREIGN KEY (tenant_id, stay_id)
    REFERENCES public.stays (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT stay_sends_rule_fkey FOREIGN KEY (tenant_id, rule_id)
    REFERENCES public.stay_messages (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT stay_sends_message_fkey FOREIGN KEY (tenant_id, message_id)
    REFERENCES public.messages (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE public.stay_sends IS 'The message of a stay by a rule: once, however often the worker looks.';
CREATE INDEX stay_sends_rule_ix ON public.stay_sends (tenant_id, rule_id);
CREATE INDEX stay_sends_message_ix ON public.stay_sends (tenant_id, message_id);

ALTER TABLE public.stay_messages ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.stay_messages FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.stay_messages TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.stay_messages AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
GRANT SELECT, INSERT, UPDATE (deleted_at) ON public.stay_messages TO crm_app;

ALTER TABLE public.stay_sends ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.stay_sends FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.stay_sends TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.stay_sends AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
GRANT SELECT, INSERT, DELETE, UPDATE (message_id, send_at) ON public.stay_sends TO crm_app;

GRANT UPDATE (send_at) ON public.messages TO crm_app;
