-- The attendant's desk: departments, who sees which conversation (enforced here, whatever the query), tags as a
-- list's index, what people did with a conversation (notes too), drafts, and conversations put off until a time.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE public.departments (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id()
    REFERENCES public.tenants (id) ON DELETE RESTRICT,
    id uuid NOT NULL DEFAULT uuidv7(),
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT departments_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT departments_name_check CHECK (length(name) BETWEEN 1 AND 200)
);
COMMENT ON TABLE public.departments IS 'Teams of a hotel, such as the front desk: conversations are given to them.';
CREATE UNIQUE INDEX departments_name_key ON public.departments (tenant_id, lower(name));

CREATE TABLE public.department_members (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id(),
    department_id uuid NOT NULL,
    user_id uuid NOT NULL,
    CONSTRAINT department_members_pkey PRIMARY KEY (tenant_id, user_id, department_id),
    CONSTRAINT department_members_department_fkey FOREIGN KEY (tenant_id, department_id)
    REFERENCES public.departments (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT department_members_user_fkey FOREIGN KEY (tenant_id, user_id)
    REFERENCES public.users (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE public.department_members IS 'Who works in which department.';
CREATE INDEX department_members_department_ix ON public.department_members (tenant_id, department_id);

ALTER TABLE public.conversations ADD COLUMN department_id uuid;
ALTER TABLE public.conversations ADD COLUMN snoozed_until timestamptz;
ALTER TABLE public.conversations ADD COLUMN closed_at timestamptz;
ALTER TABLE public.conversations ADD COLUMN first_unread_id uuid;
COMMENT ON COLUMN public.conversations.snoozed_until IS
'Put off: PENDING until then, or until the customer writes.';
COMMENT ON COLUMN public.conversations.closed_at IS
'When it was closed last: a message within the hotel''s reopenHours of it opens it again.';
COMMENT ON COLUMN public.conversations.first_unread_id IS
'The first message nobody has read, while some are unread.';
-- squawk-ignore constraint-missing-not-valid, adding-foreign-key-constraint
ALTER TABLE public.conversations ADD CONSTRAINT conversations_department_fkey FOREIGN KEY (tenant_id, department_id)
REFERENCES public.departments (tenant_id, id) ON DELETE RESTRICT;
GRANT UPDATE (department_id, snoozed_until, closed_at, first_unread_id) ON public.conversations TO crm_app;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX conversations_department_ix
ON public.conversations (tenant_id, department_id, archived, last_message_at DESC, id DESC)
WHERE department_id IS NOT NULL;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX conversations_closed_ix ON public.conversations (tenant_id, contact_id, channel_id, closed_at DESC)
WHERE status = 'CLOSED';

CREATE TABLE public.snoozes (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id(),
    conversation_id uuid NOT NULL,
    due_at timestamptz NOT NULL,
    CONSTRAINT snoozes_pkey PRIMARY KEY (tenant_id, conversation_id),
    CONSTRAINT snoozes_conversation_fkey FOREIGN KEY (tenant_id, conversation_id)
    REFERENCES public.conversations (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE public.snoozes IS
'When the worker is to look at what was put off; conversations.snoozed_until decides what it finds.';
CREATE INDEX snoozes_due_ix ON public.snoozes (tenant_id, due_at);

CREATE FUNCTION crm.viewer() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('app.viewer', TRUE), '')::uuid;
COMMENT ON FUNCTION crm.viewer() IS
'The attendant whose sight the hotel restricts, set by crm.enter; NULL: all of the tenant is seen.';
CREATE FUNCTION crm.viewer_departments() RETURNS uuid[]
LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce(nullif(current_setting('app.viewer_departments', TRUE), ''), '{}')::uuid[];
COMMENT ON FUNCTION crm.viewer_departments() IS 'The departments whose conversations that attendant sees.';
GRANT EXECUTE ON FUNCTION crm.viewer(), crm.viewer_departments() TO crm_app, crm_system;

-- Restrictive and for reading only: whoever may see a row may hand it on to where he sees it no more.
CREATE POLICY sight ON public.conversations AS RESTRICTIVE FOR SELECT TO crm_app
USING (
    (SELECT crm.viewer()) IS NULL
    OR assigned_to IS NULL
    OR assigned_to = (SELECT crm.viewer())
    OR department_id = ANY((SELECT crm.viewer_departments())::uuid[])
);

CREATE FUNCTION crm.sees(conversation uuid) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
-- As its caller: row security of conversations answers.
AS $$
BEGIN
    RETURN EXISTS (SELECT FROM public.conversations WHERE id = conversation);
END
$$;
COMMENT ON FUNCTION crm.sees(uuid) IS 'Whether the caller sees this conversation.';
CREATE FUNCTION crm.sees_file(file uuid) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN EXISTS (SELECT FROM public.messages WHERE media_id = file);
END
$$;
COMMENT ON FUNCTION crm.sees_file(uuid) IS 'Whether the caller sees a message with this file.';
GRANT EXECUTE ON FUNCTION crm.sees(uuid), crm.sees_file(uuid) TO crm_app;
CREATE POLICY sight ON public.messages AS RESTRICTIVE FOR SELECT TO crm_app
USING ((SELECT crm.viewer()) IS NULL OR crm.sees(conversation_id));
CREATE POLICY sight ON public.media AS RESTRICTIVE FOR SELECT TO crm_app
USING ((SELECT crm.viewer()) IS NULL OR direction = 'OUTBOUND' OR crm.sees_file(id));

CREATE OR REPLACE FUNCTION crm.enter(home uuid, who uuid, session uuid, as_role text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
-- Runs in the same round trip that opens a request's transaction, before any tenant row is read:
-- it must see the caller's home tenant, which for a super admin is not the tenant being served.
AS $$
DECLARE
    known record;
BEGIN
    SELECT u.role, t.status, t.settings ->> 'visibility' AS visibility INTO known
    FROM public.sessions AS s
    INNER JOIN public.users AS u ON u.tenant_id = s.tenant_id AND u.id = s.user_id AND u.active
    INNER JOIN public.tenants AS t ON t.id = s.tenant_id
    WHERE s.tenant_id = home AND s.id = session AND s.user_id = who
        AND s.revoked_at IS NULL AND s.expires_at > now();
    IF NOT FOUND OR known.role <> as_role THEN
        RAISE EXCEPTION 'session ended' USING ERRCODE = 'CRM01';
    END IF;
    IF known.status NOT IN ('TRIAL', 'ACTIVE') THEN
        RAISE EXCEPTION 'tenant suspended' USING ERRCODE = 'CRM02';
    END IF;
    IF as_role = 'ATTENDANT' AND known.visibility <> 'all' THEN
        PERFORM set_config('app.viewer', who::text, TRUE);
        PERFORM set_config('app.viewer_departments', (
            SELECT coalesce(array_agg(department_id), '{}')::text
            FROM public.department_members
            WHERE tenant_id = home AND user_id = who AND known.visibility = 'own_unassigned_and_department'
        ), TRUE);
    END IF;
END
$$;
COMMENT ON FUNCTION crm.enter(uuid, uuid, uuid, text) IS
'Refuses (CRM01, CRM02) a revoked session, an inactive user, a changed role, a suspended tenant; sets the sight.';

CREATE TABLE public.conversation_tags (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id(),
    conversation_id uuid NOT NULL,
    tag text NOT NULL,
    archived boolean NOT NULL,
    last_message_at timestamptz NOT NULL,
    CONSTRAINT conversation_tags_pkey PRIMARY KEY (tenant_id, conversation_id, tag),
    CONSTRAINT conversation_tags_conversation_fkey FOREIGN KEY (tenant_id, conversation_id)
    REFERENCES public.conversations (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE public.conversation_tags IS
'conversations.tags again, in the list''s order, kept by trigger: a GIN index is not used under row security.';
CREATE INDEX conversation_tags_recent_ix
ON public.conversation_tags (tenant_id, tag, archived, last_message_at DESC, conversation_id DESC);

ALTER TABLE public.conversation_counts ADD COLUMN department_id uuid;
CREATE POLICY sight ON public.conversation_counts AS RESTRICTIVE FOR SELECT TO crm_app
USING (
    (SELECT crm.viewer()) IS NULL
    OR assigned_to IS NULL
    OR assigned_to = (SELECT crm.viewer())
    OR department_id = ANY((SELECT crm.viewer_departments())::uuid[])
);

CREATE OR REPLACE FUNCTION crm.count_new_conversations() RETURNS trigger
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    INSERT INTO public.conversation_counts
        (tenant_id, status, archived, unread, assigned_to, channel_id, department_id, n)
    SELECT tenant_id, status, archived, unread_count > 0, assigned_to, channel_id, department_id, count(*)
    FROM fresh
    GROUP BY tenant_id, status, archived, unread_count > 0, assigned_to, channel_id, department_id;
    INSERT INTO public.conversation_tags (tenant_id, conversation_id, tag, archived, last_message_at)
    SELECT DISTINCT f.tenant_id, f.id, given.tag, f.archived, f.last_message_at
    FROM fresh AS f
    CROSS JOIN unnest(f.tags) AS given (tag);
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION crm.count_moved_conversations() RETURNS trigger
LANGUAGE plpgsql VOLATILE
-- Appends only what left one cell and entered another: a message in an unread conversation appends nothing.
AS $$
BEGIN
    INSERT INTO public.conversation_counts
        (tenant_id, status, archived, unread, assigned_to, channel_id, department_id, n)
    SELECT tenant_id, status, archived, unread, assigned_to, channel_id, department_id, sum(n)
    FROM (
        SELECT
            tenant_id, status, archived, unread_count > 0 AS unread, assigned_to, channel_id, department_id, -1 AS n
        FROM stale
        UNION ALL
        SELECT tenant_id, status, archived, unread_count > 0, assigned_to, channel_id, department_id, 1
        FROM fresh
    ) AS moved
    GROUP BY tenant_id, status, archived, unread, assigned_to, channel_id, department_id
    HAVING sum(n) <> 0;
    IF EXISTS (SELECT FROM stale WHERE tags <> '{}') OR EXISTS (SELECT FROM fresh WHERE tags <> '{}') THEN
        DELETE FROM public.conversation_tags AS t
        USING fresh AS f
        WHERE t.tenant_id = f.tenant_id AND t.conversation_id = f.id AND t.tag <> ALL(f.tags);
        INSERT INTO public.conversation_tags (tenant_id, conversation_id, tag, archived, last_message_at)
        SELECT DISTINCT f.tenant_id, f.id, given.tag, f.archived, f.last_message_at
        FROM fresh AS f
        CROSS JOIN unnest(f.tags) AS given (tag)
        ON CONFLICT (tenant_id, conversation_id, tag)
        DO UPDATE SET archived = excluded.archived, last_message_at = excluded.last_message_at;
    END IF;
    RETURN NULL;
END
$$;

CREATE TABLE public.conversation_entries (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id(),
    conversation_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT uuidv7(),
    type text NOT NULL,
    by_user uuid,
    content text,
    mentions uuid[] NOT NULL DEFAULT '{}',
    data jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT conversation_entries_pkey PRIMARY KEY (tenant_id, conversation_id, id),
    CONSTRAINT conversation_entries_conversation_fkey FOREIGN KEY (tenant_id, conversation_id)
    REFERENCES public.conversations (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT conversation_entries_type_check CHECK (type IN (
        'note', 'assigned', 'claimed', 'transferred', 'closed', 'reopened', 'archived', 'unarchived', 'snoozed',
        'unsnoozed', 'tagged'
    ))
);
COMMENT ON TABLE public.conversation_entries IS
'What people did with a conversation, and the notes they left: its timeline. by_user NULL: the system, or support.';

CREATE TABLE public.drafts (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id(),
    user_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    content text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT drafts_pkey PRIMARY KEY (tenant_id, conversation_id, user_id),
    CONSTRAINT drafts_user_fkey FOREIGN KEY (tenant_id, user_id)
    REFERENCES public.users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT drafts_conversation_fkey FOREIGN KEY (tenant_id, conversation_id)
    REFERENCES public.conversations (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE public.drafts IS 'What a person has begun to write in a conversation.';
CREATE INDEX drafts_user_ix ON public.drafts (tenant_id, user_id);

ALTER TABLE public.departments ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.departments FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.departments TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.departments AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
GRANT SELECT, INSERT, UPDATE (name, updated_at), DELETE ON public.departments TO crm_app;

ALTER TABLE public.department_members ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.department_members FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.department_members TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.department_members AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
GRANT SELECT, INSERT, DELETE ON public.department_members TO crm_app;

ALTER TABLE public.conversation_tags ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.conversation_tags FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.conversation_tags TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.conversation_tags AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
GRANT SELECT, INSERT, UPDATE (archived, last_message_at), DELETE ON public.conversation_tags TO crm_app;

ALTER TABLE public.conversation_entries ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.conversation_entries FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.conversation_entries TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.conversation_entries AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY sight ON public.conversation_entries AS RESTRICTIVE FOR SELECT TO crm_app
USING ((SELECT crm.viewer()) IS NULL OR crm.sees(conversation_id));
GRANT SELECT, INSERT ON public.conversation_entries TO crm_app;

ALTER TABLE public.drafts ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.drafts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.drafts TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.drafts AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
GRANT SELECT, INSERT, UPDATE (content, updated_at), DELETE ON public.drafts TO crm_app;

ALTER TABLE public.snoozes ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.snoozes FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.snoozes TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.snoozes AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY sweeping ON public.snoozes FOR SELECT TO crm_system USING (TRUE);
GRANT SELECT, INSERT, UPDATE (due_at), DELETE ON public.snoozes TO crm_app;
GRANT SELECT (tenant_id, due_at) ON public.snoozes TO crm_system;
