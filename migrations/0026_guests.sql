-- Contacts as a hotel keeps them: what people write about a guest, a list that can be searched, and who is blocked.
-- squawk-ignore-file adding-field-with-default
-- Adding the column `search` rewrites the table of contacts, which has a row a person and not one a message.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

-- Both are trusted: the owner of the database may create them. They come with PostgreSQL's own contrib package.
CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;
CREATE EXTENSION IF NOT EXISTS btree_gin WITH SCHEMA public;

CREATE FUNCTION crm.contact_search(
    name text, profile_name text, username text, email text, phone text, wa_id text
) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
-- Small letters without accents, a space before each word. A Brazilian mobile stands with its ninth digit and without it, however it was told.
RETURN ' ' || regexp_replace(
    normalize(lower(
        coalesce(name, '') || ' ' || coalesce(profile_name, '') || ' ' || coalesce(username, '') || ' '
        || coalesce(email, '')
    ), nfkd), '[\u0300-\u036f]', '', 'g'
) || ' ' || regexp_replace(coalesce(phone, ''), '\D', '', 'g') || ' ' || coalesce(wa_id, '') || ' '
|| regexp_replace(
    regexp_replace(coalesce(wa_id, phone, ''), '\D', '', 'g'), '^55(\d\d)9?([6-9]\d{7})$', '55\1\2 55\19\2'
);
COMMENT ON FUNCTION crm.contact_search(text, text, text, text, text, text) IS
'What a contact is found by in the list: names, e-mail and numbers, in small letters without accents.';
GRANT EXECUTE ON FUNCTION crm.contact_search(text, text, text, text, text, text) TO crm_app;

ALTER TABLE public.contacts ADD COLUMN email text;
ALTER TABLE public.contacts ADD COLUMN language text;
ALTER TABLE public.contacts ADD COLUMN tags text[] NOT NULL DEFAULT '{}';
ALTER TABLE public.contacts ADD COLUMN attributes jsonb NOT NULL DEFAULT '{}';
ALTER TABLE public.contacts ADD COLUMN blocked boolean NOT NULL DEFAULT FALSE;
ALTER TABLE public.contacts ADD COLUMN search text NOT NULL
GENERATED ALWAYS AS (crm.contact_search(name, profile_name, username, email, phone, wa_id)) STORED;
COMMENT ON COLUMN public.contacts.attributes IS 'What the hotel itself declared in contact_attributes, by key.';
COMMENT ON COLUMN public.contacts.blocked IS
'What a blocked contact writes is kept and shown to nobody as new; nothing is sent to it.';
GRANT UPDATE (email, language, tags, attributes, blocked), DELETE ON public.contacts TO crm_app;

-- Without fastupdate: what waits in its list is read by every search, and after an import the planner shuns the index.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX contacts_search_ix ON public.contacts USING gin (tenant_id, search public.gin_trgm_ops, tags)
WITH (fastupdate = off) WHERE merged_into IS NULL;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX contacts_blocked_ix ON public.contacts (tenant_id, id) WHERE blocked AND merged_into IS NULL;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX contacts_opted_out_ix ON public.contacts (tenant_id, id)
WHERE marketing_opt_out AND merged_into IS NULL;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX contacts_merged_ix ON public.contacts (tenant_id, merged_into) WHERE merged_into IS NOT NULL;

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

CREATE TABLE public.contact_counts (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id(),
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    n bigint NOT NULL,
    CONSTRAINT contact_counts_pkey PRIMARY KEY (tenant_id, id)
);
COMMENT ON TABLE public.contact_counts IS
'How many contacts the list has, kept as differences: appended by trigger (so nobody waits), folded by the worker.';
ALTER TABLE public.contact_counts ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.contact_counts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.contact_counts TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.contact_counts AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY folding ON public.contact_counts TO crm_system USING (TRUE) WITH CHECK (TRUE);
GRANT SELECT, INSERT ON public.contact_counts TO crm_app;
GRANT SELECT, INSERT, DELETE ON public.contact_counts TO crm_system;

CREATE FUNCTION crm.count_contacts() RETURNS trigger
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    INSERT INTO public.contact_counts (tenant_id, n)
    SELECT tenant_id, CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END * count(*)
    FROM changed
    WHERE merged_into IS NULL
    GROUP BY tenant_id;
    RETURN NULL;
END
$$;
CREATE FUNCTION crm.count_merged_contact() RETURNS trigger
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    INSERT INTO public.contact_counts (tenant_id, n)
    VALUES (NEW.tenant_id, CASE WHEN NEW.merged_into IS NULL THEN 1 ELSE -1 END);
    RETURN NULL;
END
$$;
CREATE TRIGGER contacts_counted AFTER INSERT ON public.contacts
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION crm.count_contacts();
CREATE TRIGGER contacts_discounted AFTER DELETE ON public.contacts
REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION crm.count_contacts();
CREATE TRIGGER contacts_merged AFTER UPDATE OF merged_into ON public.contacts
FOR EACH ROW WHEN ((old.merged_into IS NULL) <> (new.merged_into IS NULL))
EXECUTE FUNCTION crm.count_merged_contact();
INSERT INTO public.contact_counts (tenant_id, n)
SELECT
    tenant_id,
    count(*)
FROM public.contacts
WHERE merged_into IS NULL
GROUP BY tenant_id;

CREATE TABLE public.contact_attributes (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id()
    REFERENCES public.tenants (id) ON DELETE RESTRICT,
    key text NOT NULL,
    label text NOT NULL,
    type text NOT NULL,
    options text[] NOT NULL DEFAULT '{}',
    place integer NOT NULL,
    CONSTRAINT contact_attributes_pkey PRIMARY KEY (tenant_id, key),
    CONSTRAINT contact_attributes_type_check CHECK (type IN ('text', 'number', 'date', 'boolean', 'list'))
);
COMMENT ON TABLE public.contact_attributes IS
'Fields of contacts that a hotel has of its own, in the order of its admin. A value outside of them is refused.';
ALTER TABLE public.contact_attributes ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.contact_attributes FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.contact_attributes TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.contact_attributes AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
GRANT SELECT, INSERT, UPDATE (label, type, options, place), DELETE ON public.contact_attributes TO crm_app;
