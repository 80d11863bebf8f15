-- Rules of stay messages may be changed, may name their number, and are spread over the stays by the worker.
-- squawk-ignore-file adding-field-with-default
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

ALTER TABLE public.stay_messages ADD COLUMN channel_id uuid;
ALTER TABLE public.stay_messages ADD COLUMN revision integer NOT NULL DEFAULT 1;
ALTER TABLE public.stay_messages ADD COLUMN look_from date;
COMMENT ON COLUMN public.stay_messages.channel_id IS 'The number it is sent from; NULL: the oldest in use.';
COMMENT ON COLUMN public.stay_messages.revision IS 'Rises when what is sent, or from which number, changes.';
COMMENT ON COLUMN public.stay_messages.look_from IS
'The rule changed: stays that end on this day or later are still to be looked at. NULL: all were.';
-- Fifty rows a hotel at most: checked and indexed in no time.
-- squawk-ignore constraint-missing-not-valid, adding-foreign-key-constraint
ALTER TABLE public.stay_messages ADD CONSTRAINT stay_messages_channel_fkey FOREIGN KEY (tenant_id, channel_id)
REFERENCES public.channels (tenant_id, id) ON DELETE RESTRICT;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX stay_messages_channel_ix ON public.stay_messages (tenant_id, channel_id) WHERE channel_id IS NOT NULL;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX stay_messages_look_ix ON public.stay_messages (tenant_id, id) WHERE look_from IS NOT NULL;
GRANT UPDATE (
    name, anchor, offset_days, at, content, template, channel_id, revision, look_from
) ON public.stay_messages TO crm_app;

-- The sweep finds which hotels' rules changed; it sees no words of them.
CREATE POLICY due ON public.stay_messages FOR SELECT TO crm_system USING (look_from IS NOT NULL);
GRANT SELECT (tenant_id, look_from) ON public.stay_messages TO crm_system;

ALTER TABLE public.stay_sends ADD COLUMN revision integer NOT NULL DEFAULT 1;
COMMENT ON COLUMN public.stay_sends.revision IS 'The revision of the rule that its message was made by.';
