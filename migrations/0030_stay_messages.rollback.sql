-- Rules and what was planned by them are lost; messages they had scheduled stay.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

REVOKE UPDATE (send_at) ON public.messages FROM crm_app;
DROP TABLE public.stay_sends;
DROP TABLE public.stay_messages;
DROP POLICY due ON public.stays;
ALTER TABLE public.stays DROP COLUMN due_at;
