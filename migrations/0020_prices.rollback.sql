DROP TABLE public.prices;
