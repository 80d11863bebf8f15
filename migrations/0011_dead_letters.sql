-- Dead letters become a thing of the tenant's: one row for each thing that could not be worked, however often it
-- was tried, with what became of it. What belongs to no tenant belongs to the platform.
-- Nothing is released yet: what ran before must be stopped while this runs.
-- squawk-ignore-file ban-drop-table
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

CREATE TEMPORARY TABLE old_dead_letters ON COMMIT DROP AS TABLE public.dead_letters;
DROP TABLE public.dead_letters;

CREATE TABLE public.dead_letters (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id()
    REFERENCES public.tenants (id) ON DELETE RESTRICT,
    id uuid NOT NULL DEFAULT uuidv7(),
    kind text NOT NULL,
    about text NOT NULL,
    item jsonb NOT NULL,
    error text NOT NULL,
    attempts integer NOT NULL DEFAULT 1,
    status text NOT NULL DEFAULT 'WAITING',
    created_at timestamptz NOT NULL DEFAULT now(),
    last_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    ended_by uuid,
    CONSTRAINT dead_letters_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT dead_letters_about_key UNIQUE (tenant_id, kind, about),
    CONSTRAINT dead_letters_status_check CHECK (
        status IN ('WAITING', 'RETRIED', 'DISCARDED') AND (status = 'WAITING') = (ended_at IS NULL)
    )
);
COMMENT ON TABLE public.dead_letters IS
'What could not be worked, kept whole: what (kind, about, item), why, how often, since when, and how it ended.';
CREATE INDEX dead_letters_status_ix ON public.dead_letters (tenant_id, status, created_at DESC, id DESC);
ALTER TABLE public.dead_letters ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.dead_letters FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.dead_letters TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.dead_letters AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY platform ON public.dead_letters TO crm_system USING (TRUE) WITH CHECK (TRUE);
GRANT SELECT, INSERT, UPDATE (item, error, attempts, status, last_at, ended_at, ended_by)
ON public.dead_letters TO crm_app, crm_system;
GRANT DELETE ON public.dead_letters TO crm_system;

INSERT INTO public.dead_letters (tenant_id, kind, about, item, error, created_at)
SELECT
    coalesce(tenant_id, '00000000-0000-0000-0000-000000000000'),
    kind,
    id::text,
    item,
    error,
    created_at
FROM pg_temp.old_dead_letters;
