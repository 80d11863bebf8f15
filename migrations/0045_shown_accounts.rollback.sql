-- What Meta says of an account goes to everybody who names it.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

REVOKE SELECT (synced_at) ON public.template_syncs FROM crm_system;
