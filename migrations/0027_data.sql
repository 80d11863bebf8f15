-- People's data as a whole: contacts from a file, a person erased, and what is old forgotten.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

-- TEMPORARY until 0026 comes
ALTER TABLE public.contacts ADD COLUMN IF NOT EXISTS email text;
ALTER TABLE public.contacts ADD COLUMN IF NOT EXISTS tags text[] NOT NULL DEFAULT '{}';
ALTER TABLE public.contacts ADD COLUMN IF NOT EXISTS attributes jsonb NOT NULL DEFAULT '{}';
GRANT UPDATE (email, tags, attributes) ON public.contacts TO crm_app;

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
