-- Of two lines on one person the later is right again.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

DROP TABLE public.contact_import_people;
