DROP TABLE public.feed_events;
DROP TABLE public.feed_heads;
