-- How far back stays are looked at when a rule or the hotel's clock changes is said in one place.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

CREATE FUNCTION crm.stays_since() RETURNS date LANGUAGE sql STABLE AS $$
SELECT (now() - INTERVAL '61 days')::date
$$;
COMMENT ON FUNCTION crm.stays_since() IS 'A stay that ended on this day or later may still be written to.';
GRANT EXECUTE ON FUNCTION crm.stays_since() TO crm_app;
