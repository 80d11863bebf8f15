DROP TABLE public.contact_merges;
DROP TABLE public.contact_aliases;
DELETE FROM public.contact_identities WHERE kind = 'group';
ALTER TABLE public.contact_identities DROP CONSTRAINT contact_identities_kind_check;
ALTER TABLE public.contact_identities ADD CONSTRAINT contact_identities_kind_check
CHECK (kind IN ('bsuid', 'wa_id', 'match_key'));
REVOKE UPDATE (contact_id) ON public.conversations FROM crm_app;
REVOKE UPDATE (contact_id), DELETE ON public.contact_identities FROM crm_app;
ALTER TABLE public.contacts DROP COLUMN username, DROP COLUMN is_group, DROP COLUMN merged_into;
