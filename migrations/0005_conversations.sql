-- Conversations, with what their list shows kept on the row, and the kept totals behind the list's paging.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE public.conversations (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id(),
    id uuid NOT NULL DEFAULT uuidv7(),
    contact_id uuid NOT NULL,
    channel_id uuid NOT NULL,
    status text NOT NULL DEFAULT 'OPEN',
    archived boolean NOT NULL DEFAULT FALSE,
    assigned_to uuid,
    tags text[] NOT NULL DEFAULT '{}',
    unread_count integer NOT NULL DEFAULT 0,
    last_message_id uuid,
    last_message_direction text,
    last_message_type text,
    last_message_preview text,
    last_message_status text,
    last_message_at timestamptz NOT NULL DEFAULT now(),
    window_expires_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT conversations_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT conversations_contact_fkey FOREIGN KEY (tenant_id, contact_id)
    REFERENCES public.contacts (tenant_id, id) ON DELETE RESTRICT,
    CONSTRAINT conversations_channel_fkey FOREIGN KEY (tenant_id, channel_id)
    REFERENCES public.channels (tenant_id, id) ON DELETE RESTRICT,
    CONSTRAINT conversations_assigned_fkey FOREIGN KEY (tenant_id, assigned_to)
    REFERENCES public.users (tenant_id, id) ON DELETE RESTRICT,
    CONSTRAINT conversations_status_check CHECK (status IN ('OPEN', 'PENDING', 'CLOSED')),
    CONSTRAINT conversations_unread_check CHECK (unread_count >= 0)
);
COMMENT ON TABLE public.conversations IS
'One talk with one contact over one channel. The last_message_* columns are what the list shows.';
CREATE UNIQUE INDEX conversations_open_key ON public.conversations (tenant_id, contact_id, channel_id)
WHERE status <> 'CLOSED';
CREATE INDEX conversations_contact_ix ON public.conversations (tenant_id, contact_id);
-- One index per filter of the list, each in the list's order: a page costs the same at any depth.
CREATE INDEX conversations_recent_ix
ON public.conversations (tenant_id, archived, last_message_at DESC, id DESC);
CREATE INDEX conversations_status_ix
ON public.conversations (tenant_id, archived, status, last_message_at DESC, id DESC);
CREATE INDEX conversations_assigned_ix
ON public.conversations (tenant_id, archived, assigned_to, last_message_at DESC, id DESC);
CREATE INDEX conversations_unassigned_ix
ON public.conversations (tenant_id, archived, last_message_at DESC, id DESC) WHERE assigned_to IS NULL;
CREATE INDEX conversations_channel_ix
ON public.conversations (tenant_id, archived, channel_id, last_message_at DESC, id DESC);
CREATE INDEX conversations_unread_ix
ON public.conversations (tenant_id, archived, last_message_at DESC, id DESC) WHERE unread_count > 0;

ALTER TABLE public.conversations ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.conversations FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.conversations TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.conversations AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
GRANT SELECT, INSERT, UPDATE (
    status, archived, assigned_to, tags, unread_count, last_message_id, last_message_direction, last_message_type,
    last_message_preview, last_message_status, last_message_at, window_expires_at, updated_at
) ON public.conversations TO crm_app;

CREATE TABLE public.conversation_counts (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id(),
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    status text NOT NULL,
    archived boolean NOT NULL,
    unread boolean NOT NULL,
    assigned_to uuid,
    channel_id uuid NOT NULL,
    n bigint NOT NULL,
    CONSTRAINT conversation_counts_pkey PRIMARY KEY (tenant_id, id)
);
COMMENT ON TABLE public.conversation_counts IS
'Totals for the list, kept as differences: appended by trigger (so nobody waits), folded by the worker.';

ALTER TABLE public.conversation_counts ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.conversation_counts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.conversation_counts TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.conversation_counts AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY folding ON public.conversation_counts TO crm_system USING (TRUE) WITH CHECK (TRUE);
GRANT SELECT, INSERT ON public.conversation_counts TO crm_app;
GRANT SELECT, INSERT, DELETE ON public.conversation_counts TO crm_system;

CREATE FUNCTION crm.count_new_conversations() RETURNS trigger
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    INSERT INTO public.conversation_counts (tenant_id, status, archived, unread, assigned_to, channel_id, n)
    SELECT tenant_id, status, archived, unread_count > 0, assigned_to, channel_id, count(*)
    FROM fresh
    GROUP BY tenant_id, status, archived, unread_count > 0, assigned_to, channel_id;
    RETURN NULL;
END
$$;

CREATE FUNCTION crm.count_moved_conversations() RETURNS trigger
LANGUAGE plpgsql VOLATILE
-- Appends only what left one cell and entered another: a message in an unread conversation appends nothing.
AS $$
BEGIN
    INSERT INTO public.conversation_counts (tenant_id, status, archived, unread, assigned_to, channel_id, n)
    SELECT tenant_id, status, archived, unread, assigned_to, channel_id, sum(n)
    FROM (
        SELECT tenant_id, status, archived, unread_count > 0 AS unread, assigned_to, channel_id, -1 AS n
        FROM stale
        UNION ALL
        SELECT tenant_id, status, archived, unread_count > 0, assigned_to, channel_id, 1
        FROM fresh
    ) AS moved
    GROUP BY tenant_id, status, archived, unread, assigned_to, channel_id
    HAVING sum(n) <> 0;
    RETURN NULL;
END
$$;

CREATE TRIGGER conversations_counted AFTER INSERT ON public.conversations
REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION crm.count_new_conversations();
CREATE TRIGGER conversations_recounted AFTER UPDATE ON public.conversations
REFERENCING OLD TABLE AS stale NEW TABLE AS fresh
FOR EACH STATEMENT EXECUTE FUNCTION crm.count_moved_conversations();
