ALTER TABLE public.contacts DROP COLUMN marketing_opt_out, DROP COLUMN marketing_opt_out_at;
DROP TABLE public.template_syncs;
DROP TABLE public.templates;
