DROP TABLE public.parked_statuses;
DROP TABLE public.messages;
DROP FUNCTION crm.status_rank(text);
