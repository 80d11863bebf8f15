SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';
REVOKE UPDATE (type, media_id) ON public.messages FROM crm_app;
COMMENT ON COLUMN public.messages.target_wamid IS
'Of a reaction, an edit or a deletion: the message it is about, which may come later or never.';
