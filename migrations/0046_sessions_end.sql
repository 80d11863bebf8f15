-- Sign-ins are forgotten a month after their end, by whoever signs in next: each left a row for ever.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

GRANT DELETE ON public.sessions TO crm_app;
