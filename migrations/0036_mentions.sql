-- Where others speak of an erased person, found by the index of words: read whole, a hotel of 225,000 messages could
-- erase nobody within the 5 seconds a statement has.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

CREATE FUNCTION crm.mentioned(asked text)
RETURNS TABLE (kind text, id uuid, conversation_id uuid, at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- As the owner, as crm.found is: under row security @@ reaches no index. So it names the tenant and what an attendant may
-- see itself, and tells nothing but ids and times. Notes and drafts are read: a hotel has some thousand of them.
AS $$
DECLARE
    tenant constant uuid := crm.current_tenant_id();
    viewer constant uuid := crm.viewer();
    wanted constant tsquery := crm.asked(ARRAY[asked]);
BEGIN
    RETURN QUERY
    SELECT p.kind, p.id, p.conversation_id, p.at
    FROM (
        SELECT 'message' AS kind, w.message_id AS id, w.conversation_id, w.at
        FROM public.message_words AS w
        WHERE w.tenant_id = tenant AND w.words @@ wanted
        UNION ALL
        SELECT 'note', e.id, e.conversation_id, e.created_at
        FROM public.conversation_entries AS e
        WHERE e.tenant_id = tenant AND e.content IS NOT NULL
            AND to_tsvector('crm.portuguese', e.content) @@ wanted
        UNION ALL
        SELECT 'draft', d.user_id, d.conversation_id, d.updated_at
        FROM public.drafts AS d
        WHERE d.tenant_id = tenant AND to_tsvector('crm.portuguese', d.content) @@ wanted
    ) AS p
    WHERE viewer IS NULL OR crm.may_see(p.conversation_id);
END
$$;
COMMENT ON FUNCTION crm.mentioned(text) IS
'Messages, notes and drafts of the hotel with these words, for websearch_to_tsquery.';
REVOKE EXECUTE ON FUNCTION crm.mentioned(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION crm.mentioned(text) TO crm_app;
