DROP FUNCTION crm.reacted(jsonb, jsonb);
DROP FUNCTION crm.told(jsonb, jsonb);
DROP FUNCTION crm.stamp(timestamptz);
ALTER TABLE public.conversations DROP COLUMN ad_clicked_at, DROP COLUMN free_until;
ALTER TABLE public.parked_statuses DROP COLUMN pricing;
ALTER TABLE public.messages DROP COLUMN target_wamid, DROP COLUMN timeline, DROP COLUMN pricing;
