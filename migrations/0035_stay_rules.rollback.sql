-- Which number a rule sends from is lost; rules changed and not yet spread are followed as stays come to be looked at.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

ALTER TABLE public.stay_sends DROP COLUMN revision;
REVOKE SELECT (tenant_id, look_from) ON public.stay_messages FROM crm_system;
DROP POLICY due ON public.stay_messages;
REVOKE UPDATE (name, anchor, offset_days, at, content, template) ON public.stay_messages FROM crm_app;
ALTER TABLE public.stay_messages DROP COLUMN look_from;
ALTER TABLE public.stay_messages DROP COLUMN revision;
ALTER TABLE public.stay_messages DROP COLUMN channel_id;
