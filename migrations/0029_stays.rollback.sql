-- Stays are lost.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

DROP FUNCTION crm.contacts_found(text[], text, boolean, boolean, text, uuid, bigint, bigint);
CREATE FUNCTION crm.contacts_found(
    words text[], tagged text, is_blocked boolean, is_out boolean, before uuid, skipped bigint, most bigint
) RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 20 SET search_path = pg_catalog, pg_temp
-- Runs as the owner and names the tenant itself: under row security LIKE and @> do not reach the index, because they
-- are not leakproof (tests/test_contacts_list.py reads the plan). It answers ids only; who asks reads the rows under
-- row security.
-- The first word is the longest: it leads into the index.
AS $$
DECLARE
    tenant uuid := crm.current_tenant_id();
BEGIN
    RETURN QUERY
    SELECT c.id
    FROM public.contacts AS c
    WHERE
        c.tenant_id = tenant
        AND c.merged_into IS NULL
        AND c.id < before
        AND (words IS NULL OR (c.search LIKE words[1] AND c.search LIKE ALL (words)))
        AND (tagged IS NULL OR c.tags @> ARRAY[tagged])
        AND (is_blocked IS NULL OR c.blocked = is_blocked)
        AND (is_out IS NULL OR c.marketing_opt_out = is_out)
    ORDER BY c.id DESC
    LIMIT most OFFSET skipped;
END
$$;
COMMENT ON FUNCTION crm.contacts_found(text[], text, boolean, boolean, uuid, bigint, bigint) IS
'Ids of the transaction''s tenant''s contacts that filters leave, the newest first.';
GRANT EXECUTE ON FUNCTION crm.contacts_found(text[], text, boolean, boolean, uuid, bigint, bigint) TO crm_app;
DROP TABLE public.stays;
