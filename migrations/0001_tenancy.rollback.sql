DROP TABLE public.tenants;
DROP SCHEMA crm CASCADE;
