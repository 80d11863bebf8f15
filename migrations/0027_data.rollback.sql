DROP TABLE public.contact_import_errors;
DROP TABLE public.contact_import_lines;
DROP TABLE public.contact_imports;
