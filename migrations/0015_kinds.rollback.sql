REVOKE UPDATE (content, payload) ON public.messages FROM crm_app;
ALTER TABLE public.messages
DROP COLUMN media_id, DROP COLUMN media, DROP COLUMN origin, DROP COLUMN reactions,
DROP COLUMN edited_at, DROP COLUMN revoked_at;
