-- What Meta says of an account goes to who has shown that it is theirs: their token has read its templates.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

GRANT SELECT (synced_at) ON public.template_syncs TO crm_system;
