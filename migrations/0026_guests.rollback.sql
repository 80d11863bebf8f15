-- Tags, attributes, who is blocked and what was declared are lost.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

DROP TABLE public.contact_attributes;
DROP TRIGGER contacts_merged ON public.contacts;
DROP TRIGGER contacts_discounted ON public.contacts;
DROP TRIGGER contacts_counted ON public.contacts;
DROP FUNCTION crm.count_merged_contact();
DROP FUNCTION crm.count_contacts();
DROP TABLE public.contact_counts;
DROP FUNCTION crm.contacts_found(text[], text, boolean, boolean, uuid, bigint, bigint);
DROP INDEX public.contacts_merged_ix;
DROP INDEX public.contacts_opted_out_ix;
DROP INDEX public.contacts_blocked_ix;
DROP INDEX public.contacts_search_ix;
REVOKE DELETE ON public.contacts FROM crm_app;
ALTER TABLE public.contacts DROP COLUMN search;
ALTER TABLE public.contacts DROP COLUMN blocked;
ALTER TABLE public.contacts DROP COLUMN attributes;
ALTER TABLE public.contacts DROP COLUMN tags;
ALTER TABLE public.contacts DROP COLUMN language;
ALTER TABLE public.contacts DROP COLUMN email;
DROP FUNCTION crm.contact_search(text, text, text, text, text, text);
DROP EXTENSION btree_gin;
DROP EXTENSION pg_trgm;
