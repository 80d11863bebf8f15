DROP TABLE public.channels;
