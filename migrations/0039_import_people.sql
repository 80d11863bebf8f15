-- An import knows whom it has met, and in which line: a file that names one person twice, with different words, changed
-- that person twice each time it came in.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE public.contact_import_people (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id(),
    import_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    line integer NOT NULL,
    CONSTRAINT contact_import_people_pkey PRIMARY KEY (tenant_id, import_id, contact_id),
    CONSTRAINT contact_import_people_import_fkey FOREIGN KEY (tenant_id, import_id)
    REFERENCES public.contact_imports (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE public.contact_import_people IS
'The line that first named each person of a running import. Gone at its end.';

ALTER TABLE public.contact_import_people ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.contact_import_people FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.contact_import_people TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.contact_import_people AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
GRANT SELECT, INSERT, UPDATE (line), DELETE ON public.contact_import_people TO crm_app;
