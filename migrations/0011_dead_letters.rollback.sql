DO $$
BEGIN
    CREATE TEMPORARY TABLE new_dead_letters ON COMMIT DROP AS TABLE public.dead_letters;
    DROP TABLE public.dead_letters;
    CREATE TABLE public.dead_letters (
        id uuid PRIMARY KEY DEFAULT uuidv7(),
        tenant_id uuid REFERENCES public.tenants (id) ON DELETE RESTRICT,
        kind text NOT NULL,
        item jsonb NOT NULL,
        error text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    );
    INSERT INTO public.dead_letters (id, tenant_id, kind, item, error, created_at)
    SELECT id, nullif(tenant_id, '00000000-0000-0000-0000-000000000000'), kind, item, error, created_at
    FROM pg_temp.new_dead_letters;
    CREATE INDEX dead_letters_tenant_ix ON public.dead_letters (tenant_id, created_at DESC, id DESC);
    ALTER TABLE public.dead_letters ENABLE ROW LEVEL SECURITY;
    ALTER TABLE public.dead_letters FORCE ROW LEVEL SECURITY;
    CREATE POLICY platform ON public.dead_letters TO crm_system USING (TRUE) WITH CHECK (TRUE);
    GRANT SELECT, INSERT ON public.dead_letters TO crm_system;
END
$$;
