-- What comes in beyond a text: marks on other messages, Meta's timeline and price of ours, and the free entry window.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

ALTER TABLE public.messages ADD COLUMN target_wamid text;
ALTER TABLE public.messages ADD COLUMN timeline jsonb;
ALTER TABLE public.messages ADD COLUMN pricing jsonb;
COMMENT ON COLUMN public.messages.target_wamid IS
'Of a reaction, an edit or a deletion: the message it is about, which may come later or never.';
COMMENT ON COLUMN public.messages.timeline IS 'Each status Meta told: [{status, at (its time), seenAt (ours)}].';
COMMENT ON COLUMN public.messages.pricing IS 'What Meta said it charges: {type, category, model, billable}.';
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX messages_target_ix ON public.messages (tenant_id, target_wamid) WHERE target_wamid IS NOT NULL;
GRANT UPDATE (timeline, pricing) ON public.messages TO crm_app;

ALTER TABLE public.parked_statuses ADD COLUMN pricing jsonb;

ALTER TABLE public.conversations ADD COLUMN ad_clicked_at timestamptz;
ALTER TABLE public.conversations ADD COLUMN free_until timestamptz;
COMMENT ON COLUMN public.conversations.free_until IS
'Until when Meta charges nothing: 72 hours from our first answer, given within 24 hours of an ad''s click.';
GRANT UPDATE (ad_clicked_at, free_until) ON public.conversations TO crm_app;

CREATE FUNCTION crm.stamp(at timestamptz) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');
COMMENT ON FUNCTION crm.stamp(timestamptz) IS 'A time as the API writes it: RFC 3339, UTC, milliseconds.';

CREATE FUNCTION crm.told(timeline jsonb, times jsonb) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (
    SELECT jsonb_agg(entry ORDER BY crm.status_rank(entry ->> 'status'), entry ->> 'at')
    FROM (
        SELECT entry FROM jsonb_array_elements(coalesce(timeline, '[]')) AS entry
        UNION ALL
        SELECT jsonb_build_object('status', key, 'at', value, 'seenAt', crm.stamp(clock_timestamp()))
        FROM jsonb_each(times)
        WHERE NOT coalesce(timeline, '[]') @> jsonb_build_array(jsonb_build_object('status', key))
    ) AS entries
);
COMMENT ON FUNCTION crm.told(jsonb, jsonb) IS 'A timeline with statuses told now ({status: at}); each once.';

CREATE FUNCTION crm.reacted(reactions jsonb, one jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN one IS NULL THEN reactions
    WHEN EXISTS (
        SELECT FROM jsonb_array_elements(coalesce(reactions, '[]')) AS r
        WHERE (r ->> 'by' = 'contact') = (one ->> 'by' = 'contact') AND r ->> 'at' > one ->> 'at'
    ) THEN reactions
    ELSE (
        SELECT coalesce(jsonb_agg(r), '[]') || one
        FROM jsonb_array_elements(coalesce(reactions, '[]')) AS r
        WHERE (r ->> 'by' = 'contact') <> (one ->> 'by' = 'contact')
    )
END;
COMMENT ON FUNCTION crm.reacted(jsonb, jsonb) IS
'Reactions with one more {emoji, by, at}: one a side, the newest; a removed one stays as an empty emoji.';
GRANT EXECUTE ON FUNCTION crm.stamp(timestamptz), crm.told(jsonb, jsonb), crm.reacted(jsonb, jsonb) TO crm_app;
