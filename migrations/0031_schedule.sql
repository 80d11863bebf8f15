-- What waits to be sent later may be put to another time.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

GRANT UPDATE (send_at) ON public.messages TO crm_app;
