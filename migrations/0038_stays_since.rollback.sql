SET LOCAL lock_timeout = '5s';
DROP FUNCTION crm.stays_since();
