-- Callers enter in a round trip of their own again.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

DROP FUNCTION crm.entered(uuid, uuid, uuid, uuid, text);
