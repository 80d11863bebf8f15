DROP TABLE public.audit_log;
DROP FUNCTION crm.enter(uuid, uuid, uuid, text);
DROP TABLE public.sessions;
DROP TABLE public.users;
