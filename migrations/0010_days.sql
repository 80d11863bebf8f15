-- Raw events and the feed are cut into days: what has served its time is dropped whole, not deleted row by row.
-- What waits to be worked stands in a small table of its own, so that a raw event is written once and never updated.
-- Nothing is released yet: what ran before must be stopped while this runs.
-- squawk-ignore-file ban-drop-table
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

CREATE SCHEMA days;
COMMENT ON SCHEMA days IS
'The daily parts of webhook_events and feed_events. No role but the owner may look in: rows are reached through
their tables, whose row security rules.';

CREATE TABLE public.webhook_waiting (
    lane text NOT NULL,
    received_at timestamptz NOT NULL,
    id uuid NOT NULL,
    bytes integer NOT NULL,
    CONSTRAINT webhook_waiting_pkey PRIMARY KEY (lane, received_at, id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
COMMENT ON TABLE public.webhook_waiting IS
'Raw events not worked yet. lane: the phone_number_id a POST names first; a flood of one holds up no other.';
ALTER TABLE public.webhook_waiting ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.webhook_waiting FORCE ROW LEVEL SECURITY;
CREATE POLICY platform ON public.webhook_waiting TO crm_system USING (TRUE) WITH CHECK (TRUE);
-- UPDATE of one column is what FOR UPDATE asks for; nothing updates it.
GRANT SELECT, INSERT, UPDATE (bytes), DELETE ON public.webhook_waiting TO crm_system;

INSERT INTO public.webhook_waiting (lane, received_at, id, bytes)
SELECT
    '',
    received_at,
    id,
    octet_length(body)
FROM public.webhook_events
WHERE processed_at IS NULL;

CREATE TEMPORARY TABLE whole_webhook_events ON COMMIT DROP AS TABLE public.webhook_events;
CREATE TEMPORARY TABLE whole_feed_events ON COMMIT DROP AS TABLE public.feed_events;
DROP TABLE public.webhook_events;
DROP TABLE public.feed_events;

CREATE TABLE public.webhook_events (
    received_at timestamptz NOT NULL DEFAULT now(),
    id uuid NOT NULL DEFAULT uuidv7(),
    body bytea NOT NULL,
    signed_by uuid,
    ignored integer NOT NULL DEFAULT 0,
    lane text NOT NULL DEFAULT '',
    CONSTRAINT webhook_events_pkey PRIMARY KEY (received_at, id)
) PARTITION BY RANGE (received_at);
COMMENT ON TABLE public.webhook_events IS
'Raw signed POSTs, by day. signed_by: the tenant whose own secret signed it, NULL for the platform''s secret.';
ALTER TABLE public.webhook_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.webhook_events FORCE ROW LEVEL SECURITY;
CREATE POLICY platform ON public.webhook_events TO crm_system USING (TRUE) WITH CHECK (TRUE);
GRANT SELECT, INSERT, UPDATE (ignored) ON public.webhook_events TO crm_system;

CREATE TABLE public.feed_events (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id()
    REFERENCES public.tenants (id) ON DELETE RESTRICT,
    seq bigint NOT NULL,
    event text NOT NULL,
    conversation_id uuid,
    data text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- That a seq is there once is the word of the locked feed_heads; a part's key must hold its day.
    CONSTRAINT feed_events_pkey PRIMARY KEY (tenant_id, seq, created_at)
) PARTITION BY RANGE (created_at);
COMMENT ON TABLE public.feed_events IS
'Events as sockets receive them (data is the JSON text), without gaps, by day, kept 48 hours for resume.';
ALTER TABLE public.feed_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.feed_events FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.feed_events TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.feed_events AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
GRANT SELECT, INSERT ON public.feed_events TO crm_app;

-- Where a row of a day without a part goes: nothing is refused because nobody cut the days in time.
CREATE TABLE days.webhook_events_rest PARTITION OF public.webhook_events DEFAULT;
CREATE TABLE days.feed_events_rest PARTITION OF public.feed_events DEFAULT;

CREATE FUNCTION crm.cut_days(parent text, keep interval) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
-- Runs as the owner, because only an owner may make and drop tables. `keep` and one of two names come in, no more.
AS $$
DECLARE
    moment text := CASE parent WHEN 'webhook_events' THEN 'received_at' WHEN 'feed_events' THEN 'created_at' END;
    today date := (now() AT TIME ZONE 'UTC')::date;
    day date;
    part text;
    taken boolean;
    dropped integer := 0;
BEGIN
    IF moment IS NULL OR keep < interval '1 day' THEN
        RAISE EXCEPTION 'no table % that is cut into days and kept %', parent, keep;
    END IF;
    -- Rather an hour later than everybody waiting behind this.
    PERFORM set_config('lock_timeout', '2s', TRUE);
    FOR day IN SELECT today + ahead FROM generate_series(0, 3) AS ahead LOOP
        part := parent || to_char(day, '_YYYY_MM_DD');
        CONTINUE WHEN to_regclass(format('days.%I', part)) IS NOT NULL;
        -- A day that has begun in the rest stays there.
        EXECUTE format(
            'SELECT EXISTS (SELECT FROM days.%I WHERE %I >= %L AND %I < %L)',
            parent || '_rest', moment, day || ' 00:00+00', moment, day + 1 || ' 00:00+00'
        ) INTO taken;
        CONTINUE WHEN taken;
        EXECUTE format('CREATE TABLE days.%I (LIKE public.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part, parent);
        EXECUTE format(
            'ALTER TABLE public.%I ATTACH PARTITION days.%I FOR VALUES FROM (%L) TO (%L)',
            parent, part, day || ' 00:00+00', day + 1 || ' 00:00+00'
        );
    END LOOP;
    FOR part, day IN
        SELECT c.relname, to_date(right(c.relname, 10), 'YYYY_MM_DD')
        FROM pg_inherits AS i
        INNER JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE i.inhparent = format('public.%I', parent)::regclass AND c.relname ~ '_\d{4}_\d\d_\d\d$'
    LOOP
        CONTINUE WHEN (day + 1)::timestamp AT TIME ZONE 'UTC' > now() - keep;
        CONTINUE WHEN parent = 'webhook_events' AND EXISTS (
            SELECT FROM public.webhook_waiting WHERE received_at < (day + 1)::timestamp AT TIME ZONE 'UTC'
        );
        EXECUTE format('DROP TABLE days.%I', part);
        dropped := dropped + 1;
    END LOOP;
    IF parent <> 'webhook_events' OR NOT EXISTS (SELECT FROM public.webhook_waiting WHERE received_at < now() - keep)
    THEN
        EXECUTE format('DELETE FROM days.%I WHERE %I < now() - %L::interval', parent || '_rest', moment, keep);
    END IF;
    RETURN dropped;
END
$$;
COMMENT ON FUNCTION crm.cut_days(text, interval) IS
'Makes the parts of the next days and drops those older than `keep`; a day of which something waits stays.';
GRANT EXECUTE ON FUNCTION crm.cut_days(text, interval) TO crm_system;
DO $$
BEGIN
    PERFORM crm.cut_days('webhook_events', INTERVAL '30 days'), crm.cut_days('feed_events', INTERVAL '48 hours');
END
$$;

-- Of the days before today what is kept stands in the rest.
INSERT INTO public.webhook_events (received_at, id, body, signed_by, ignored)
SELECT
    received_at,
    id,
    body,
    signed_by,
    ignored
FROM pg_temp.whole_webhook_events;
INSERT INTO public.feed_events (tenant_id, seq, event, conversation_id, data, created_at)
SELECT
    tenant_id,
    seq,
    event,
    conversation_id,
    data,
    created_at
FROM pg_temp.whole_feed_events;
