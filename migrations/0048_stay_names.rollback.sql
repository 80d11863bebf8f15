-- What is planned keeps the name its guest had.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

DROP TRIGGER stays_renamed ON public.contacts;
DROP FUNCTION crm.look_at_stays();
