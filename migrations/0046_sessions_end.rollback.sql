-- Sign-ins are kept for ever.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

REVOKE DELETE ON public.sessions FROM crm_app;
