-- A caller enters in the very statement that reads: one round trip where a transaction takes three.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

CREATE FUNCTION crm.entered(place uuid, home uuid, who uuid, session uuid, as_role text) RETURNS boolean
LANGUAGE plpgsql STABLE
-- STABLE although it sets: so Postgres asks it once, as a One-Time Filter, before anything below is read
-- (crm/core/sql.py makes the statement, tests/test_sql.py looks at every plan). Asked later, nothing would be visible.
AS $$
BEGIN
    PERFORM set_config('app.tenant_id', place::text, TRUE);
    PERFORM crm.enter(home, who, session, as_role);
    RETURN TRUE;
END
$$;
COMMENT ON FUNCTION crm.entered(uuid, uuid, uuid, uuid, text) IS
'TRUE once the tenant of this statement is set and crm.enter has let its caller in; both end with the statement.';
GRANT EXECUTE ON FUNCTION crm.entered(uuid, uuid, uuid, uuid, text) TO crm_app;
