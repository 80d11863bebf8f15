DROP TABLE public.channel_notices;
DROP TABLE public.channel_health;
