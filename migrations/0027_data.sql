-- People's data as a whole: contacts from a file, a person erased, and what is old forgotten.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE public.contact_imports (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id()
    REFERENCES public.tenants (id) ON DELETE RESTRICT,
    id uuid NOT NULL DEFAULT uuidv7(),
    by_user uuid,
    filename text,
    status text NOT NULL DEFAULT 'RUNNING',
    -- What each column of the file is: name, phone, email, tags, @ and an attribute's key, or nothing.
    columns text[] NOT NULL,
    headings text[] NOT NULL,
    lines integer NOT NULL DEFAULT 0,
    created integer NOT NULL DEFAULT 0,
    updated integer NOT NULL DEFAULT 0,
    unchanged integer NOT NULL DEFAULT 0,
    failed integer NOT NULL DEFAULT 0,
    attempts integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT now(),
    told_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    CONSTRAINT contact_imports_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT contact_imports_by_fkey FOREIGN KEY (tenant_id, by_user)
    REFERENCES public.users (tenant_id, id) ON DELETE RESTRICT,
    CONSTRAINT contact_imports_status_check CHECK (status IN ('RUNNING', 'DONE', 'FAILED'))
);
COMMENT ON TABLE public.contact_imports IS
'Files of contacts, and how far each is worked. Who works a batch locks its row; a killed one holds none.';
CREATE INDEX contact_imports_created_ix ON public.contact_imports (tenant_id, created_at DESC, id DESC);
CREATE INDEX contact_imports_running_ix ON public.contact_imports (tenant_id, id) WHERE status = 'RUNNING';

CREATE TABLE public.contact_import_lines (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id(),
    import_id uuid NOT NULL,
    line integer NOT NULL,
    cells jsonb NOT NULL,
    CONSTRAINT contact_import_lines_pkey PRIMARY KEY (tenant_id, import_id, line),
    CONSTRAINT contact_import_lines_import_fkey FOREIGN KEY (tenant_id, import_id)
    REFERENCES public.contact_imports (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE public.contact_import_lines IS
'Lines of a file that are not worked yet. A batch takes them by deleting, in the transaction that writes contacts.';

CREATE TABLE public.contact_import_errors (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id(),
    import_id uuid NOT NULL,
    line integer NOT NULL,
    place integer NOT NULL,
    heading text NOT NULL,
    pt text NOT NULL,
    en text NOT NULL,
    CONSTRAINT contact_import_errors_pkey PRIMARY KEY (tenant_id, import_id, line, place),
    CONSTRAINT contact_import_errors_import_fkey FOREIGN KEY (tenant_id, import_id)
    REFERENCES public.contact_imports (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE public.contact_import_errors IS
'What was wrong in a file, by line and column, in both languages; never the value itself.';

ALTER TABLE public.contact_imports ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.contact_imports FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.contact_imports TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.contact_imports AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
-- The sweep finds what nobody works on; it sees ids and times.
CREATE POLICY running ON public.contact_imports FOR SELECT TO crm_system USING (status = 'RUNNING');
GRANT SELECT, INSERT, UPDATE (
    status, lines, created, updated, unchanged, failed, attempts, due_at, told_at, finished_at
) ON public.contact_imports TO crm_app;
GRANT SELECT (tenant_id, id, status, due_at) ON public.contact_imports TO crm_system;

ALTER TABLE public.contact_import_lines ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.contact_import_lines FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.contact_import_lines TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.contact_import_lines AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
GRANT SELECT, INSERT, DELETE ON public.contact_import_lines TO crm_app;

ALTER TABLE public.contact_import_errors ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.contact_import_errors FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.contact_import_errors TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.contact_import_errors AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
GRANT SELECT, INSERT ON public.contact_import_errors TO crm_app;

ALTER TABLE public.contacts ADD COLUMN erased_at timestamptz;
ALTER TABLE public.contacts ADD COLUMN erasure jsonb;
COMMENT ON COLUMN public.contacts.erasure IS 'The receipt of the person''s erasure: what was blanked, and when.';
ALTER TABLE public.messages ADD COLUMN erased_at timestamptz;
COMMENT ON COLUMN public.messages.erased_at IS
'When what the message said was blanked: its person was erased, or the hotel keeps messages no longer.';
GRANT UPDATE (erased_at, erasure) ON public.contacts TO crm_app;
GRANT UPDATE (erased_at, target_wamid) ON public.messages TO crm_app;
GRANT DELETE ON public.contact_aliases TO crm_app;
GRANT UPDATE (moved) ON public.contact_merges TO crm_app;
GRANT DELETE ON public.dead_letters TO crm_app;
GRANT UPDATE (content, data) ON public.conversation_entries TO crm_app;
-- What sockets were told of an erased person is blanked in the feed; a row never goes.
GRANT UPDATE (event, data) ON public.feed_events TO crm_app;

CREATE TABLE public.contact_erasures (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id(),
    id uuid NOT NULL DEFAULT uuidv7(),
    contact_id uuid NOT NULL,
    needles text[] NOT NULL,
    lanes text[] NOT NULL,
    spans tstzmultirange NOT NULL,
    due_at timestamptz NOT NULL DEFAULT now(),
    done_at timestamptz,
    CONSTRAINT contact_erasures_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT contact_erasures_contact_fkey FOREIGN KEY (tenant_id, contact_id)
    REFERENCES public.contacts (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT contact_erasures_done_check CHECK (done_at IS NULL OR needles = '{}')
);
COMMENT ON TABLE public.contact_erasures IS
'Erased persons whose raw webhooks are looked through: for which words, in which times. Done, it names nobody.';
CREATE INDEX contact_erasures_contact_ix ON public.contact_erasures (tenant_id, contact_id);
CREATE INDEX contact_erasures_waiting_ix ON public.contact_erasures (tenant_id, id) WHERE done_at IS NULL;

ALTER TABLE public.contact_erasures ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.contact_erasures FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.contact_erasures TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.contact_erasures AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
-- The sweep finds what waits; it sees ids and times, never a word.
CREATE POLICY waiting ON public.contact_erasures FOR SELECT TO crm_system USING (done_at IS NULL);
GRANT SELECT, INSERT, UPDATE (needles, spans, due_at, done_at) ON public.contact_erasures TO crm_app;
GRANT SELECT (tenant_id, id, due_at, done_at) ON public.contact_erasures TO crm_system;
GRANT UPDATE (body) ON public.webhook_events TO crm_system;
