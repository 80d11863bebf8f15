-- Messages both ways, their states (docs/states.md), and statuses that arrived before their message.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

CREATE FUNCTION crm.status_rank(status text) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE status
    WHEN 'SCHEDULED' THEN 0 WHEN 'QUEUED' THEN 1 WHEN 'SENDING' THEN 2 WHEN 'UNCERTAIN' THEN 3
    WHEN 'SENT' THEN 4 WHEN 'FAILED' THEN 5 WHEN 'DELIVERED' THEN 6 WHEN 'READ' THEN 7 WHEN 'PLAYED' THEN 8
    ELSE 9
END;
COMMENT ON FUNCTION crm.status_rank(text) IS
'A status only rises by this rank; FAILED is left only by an explicit retry (Meta delivers out of order).';
GRANT EXECUTE ON FUNCTION crm.status_rank(text) TO crm_app;

CREATE TABLE public.messages (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id(),
    id uuid NOT NULL DEFAULT uuidv7(),
    conversation_id uuid NOT NULL,
    direction text NOT NULL,
    type text NOT NULL,
    status text NOT NULL,
    content text,
    payload jsonb,
    wamid text,
    reply_to uuid,
    client_message_id text,
    sent_by uuid,
    error jsonb,
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz,
    lease_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz,
    delivered_at timestamptz,
    read_at timestamptz,
    failed_at timestamptz,
    send_at timestamptz,
    CONSTRAINT messages_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT messages_conversation_fkey FOREIGN KEY (tenant_id, conversation_id)
    REFERENCES public.conversations (tenant_id, id) ON DELETE RESTRICT,
    CONSTRAINT messages_sent_by_fkey FOREIGN KEY (tenant_id, sent_by)
    REFERENCES public.users (tenant_id, id) ON DELETE RESTRICT,
    CONSTRAINT messages_direction_check CHECK (direction IN ('INBOUND', 'OUTBOUND')),
    CONSTRAINT messages_status_check CHECK (
        CASE direction
            WHEN 'INBOUND' THEN status = 'RECEIVED'
            ELSE status IN (
                'SCHEDULED', 'QUEUED', 'SENDING', 'UNCERTAIN', 'SENT', 'DELIVERED', 'READ', 'PLAYED',
                'FAILED', 'CANCELED'
            )
        END
    )
);
COMMENT ON TABLE public.messages IS
'Messages. created_at is Meta''s time for inbound ones; an outbound row is its own place in the send queue.';
-- A webhook that is delivered again finds its wamid here and changes nothing.
CREATE UNIQUE INDEX messages_wamid_key ON public.messages (tenant_id, wamid);
CREATE UNIQUE INDEX messages_client_key ON public.messages (tenant_id, conversation_id, client_message_id)
WHERE client_message_id IS NOT NULL;
CREATE INDEX messages_history_ix
ON public.messages (tenant_id, conversation_id, created_at DESC, id DESC);
-- The lanes: what waits to be sent, per conversation, oldest first. Small, whatever the history.
CREATE INDEX messages_lane_ix ON public.messages (tenant_id, conversation_id, created_at, id)
WHERE status IN ('QUEUED', 'SENDING');

ALTER TABLE public.messages ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.messages FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.messages TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.messages AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
-- The sweep finds lanes nobody works on; it sees ids and times of what waits, never what it says.
CREATE POLICY lanes ON public.messages FOR SELECT TO crm_system USING (status IN ('QUEUED', 'SENDING'));
GRANT SELECT, INSERT ON public.messages TO crm_app;
GRANT UPDATE (
    status, wamid, error, attempts, next_attempt_at, lease_until, sent_at, delivered_at, read_at, failed_at
) ON public.messages TO crm_app;
GRANT SELECT (tenant_id, conversation_id, status, next_attempt_at, lease_until, created_at)
ON public.messages TO crm_system;

CREATE TABLE public.parked_statuses (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id()
    REFERENCES public.tenants (id) ON DELETE RESTRICT,
    id uuid NOT NULL DEFAULT uuidv7(),
    wamid text NOT NULL,
    status text NOT NULL,
    at timestamptz NOT NULL,
    error jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT parked_statuses_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT parked_statuses_key UNIQUE (tenant_id, wamid, status)
);
COMMENT ON TABLE public.parked_statuses IS
'Statuses whose wamid is not known yet: Meta may report before our own send is stored. Applied when it is.';
CREATE INDEX parked_statuses_created_ix ON public.parked_statuses (tenant_id, created_at);

ALTER TABLE public.parked_statuses ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.parked_statuses FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.parked_statuses TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.parked_statuses AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tidying ON public.parked_statuses TO crm_system USING (TRUE);
GRANT SELECT, INSERT, DELETE ON public.parked_statuses TO crm_app;
GRANT SELECT (tenant_id, created_at), DELETE ON public.parked_statuses TO crm_system;
