-- Stays of guests, as a hotel's own system tells them, and the list of contacts by them.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE public.stays (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id(),
    id uuid NOT NULL DEFAULT uuidv7(),
    contact_id uuid NOT NULL,
    code text NOT NULL,
    check_in date NOT NULL,
    check_out date NOT NULL,
    room text,
    language text,
    status text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT stays_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT stays_code_key UNIQUE (tenant_id, contact_id, code),
    CONSTRAINT stays_contact_fkey FOREIGN KEY (tenant_id, contact_id)
    REFERENCES public.contacts (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT stays_dates_check CHECK (check_out >= check_in),
    CONSTRAINT stays_status_check CHECK (status IN ('BOOKED', 'IN_HOUSE', 'CHECKED_OUT', 'CANCELED', 'NO_SHOW'))
);
COMMENT ON TABLE public.stays IS
'Reservations, as the hotel''s own system tells them by their code. Dates are days of the hotel.';
CREATE INDEX stays_arriving_ix ON public.stays (tenant_id, check_in, contact_id);
CREATE INDEX stays_leaving_ix ON public.stays (tenant_id, check_out, contact_id);

ALTER TABLE public.stays ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.stays FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.stays TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.stays AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
GRANT SELECT, INSERT, DELETE, UPDATE (
    contact_id, check_in, check_out, room, language, status, updated_at
) ON public.stays TO crm_app;

-- squawk-ignore ban-drop-function
DROP FUNCTION crm.contacts_found(text[], text, boolean, boolean, uuid, bigint, bigint);
CREATE FUNCTION crm.contacts_found(
    words text[], tagged text, is_blocked boolean, is_out boolean, staying text,
    before uuid, skipped bigint, most bigint
) RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 20 SET search_path = pg_catalog, pg_temp
-- As migrations/0026_guests.sql says, and by stays: what is today, the hotel's own time zone decides. Who leaves today
-- is in the house until the hotel says CHECKED_OUT.
AS $$
DECLARE
    tenant uuid := crm.current_tenant_id();
    today date := (SELECT (now() AT TIME ZONE t.timezone)::date FROM public.tenants AS t WHERE t.id = tenant);
BEGIN
    RETURN QUERY
    SELECT c.id
    FROM public.contacts AS c
    WHERE
        c.tenant_id = tenant
        AND c.merged_into IS NULL
        AND c.id < before
        AND (words IS NULL OR (c.search LIKE words[1] AND c.search LIKE ALL (words)))
        AND (tagged IS NULL OR c.tags @> ARRAY[tagged])
        AND (is_blocked IS NULL OR c.blocked = is_blocked)
        AND (is_out IS NULL OR c.marketing_opt_out = is_out)
        AND (staying IS NULL OR c.id IN (
            SELECT s.contact_id
            FROM public.stays AS s
            WHERE
                s.tenant_id = tenant
                AND s.status IN ('BOOKED', 'IN_HOUSE')
                AND (
                    (staying = 'arriving_today' AND s.check_in = today)
                    OR (staying = 'in_house' AND s.check_out >= today AND s.check_in <= today)
                )
        ))
    ORDER BY c.id DESC
    LIMIT most OFFSET skipped;
END
$$;
COMMENT ON FUNCTION crm.contacts_found(text[], text, boolean, boolean, text, uuid, bigint, bigint) IS
'Ids of the transaction''s tenant''s contacts that filters leave, the newest first.';
GRANT EXECUTE ON FUNCTION crm.contacts_found(text[], text, boolean, boolean, text, uuid, bigint, bigint) TO crm_app;
