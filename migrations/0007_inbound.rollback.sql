DROP TABLE public.dead_letters;
DROP TABLE public.webhook_events;
