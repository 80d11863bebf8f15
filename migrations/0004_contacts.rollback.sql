DROP TABLE public.contact_identities;
DROP TABLE public.contacts;
