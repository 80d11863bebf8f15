-- Searching messages, by their words in a table of their own, written once a message (an index on messages itself
-- would be written again with every status, ten words each); tags with colours; quick replies.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '15min';

CREATE EXTENSION IF NOT EXISTS unaccent WITH SCHEMA public;
CREATE TEXT SEARCH CONFIGURATION crm.portuguese (COPY = pg_catalog.portuguese);
ALTER TEXT SEARCH CONFIGURATION crm.portuguese
ALTER MAPPING FOR asciiword, word, asciihword, hword, hword_asciipart, hword_part
WITH public.unaccent, pg_catalog.portuguese_stem;
COMMENT ON TEXT SEARCH CONFIGURATION crm.portuguese IS 'Portuguese, blind to accents, case and inflection.';

CREATE FUNCTION crm.searchable(m public.messages) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
-- Emoji are set apart: the parser takes them for letters of the word they stand at.
RETURN regexp_replace(
    concat_ws(
        ' ', m.content, translate(m.media ->> 'filename', '_-.+', '    '),
        CASE
            WHEN m.type = 'interactive' AND m.direction = 'OUTBOUND'
                THEN (
                    SELECT string_agg(found.word #>> '{}', ' ')
                    FROM jsonb_path_query(m.payload, '$.interactive.**{1 to 7}.title') AS found (word) -- noqa: RF01
                )
        END
    ),
    '([\U00002600-\U000027BF\U0001F000-\U0001FAFF]+)', ' \1 ', 'g'
);
COMMENT ON FUNCTION crm.searchable(public.messages) IS
'What a search finds a message by: its text or caption, its file''s name, the titles of its buttons and rows.';

CREATE FUNCTION crm.words(m public.messages) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN m.type NOT IN ('reaction', 'edit', 'revoke', 'system', 'media_placeholder', 'unsupported')
        THEN to_tsvector('crm.portuguese', crm.searchable(m))
END;
COMMENT ON FUNCTION crm.words(public.messages) IS 'Its words as they are looked up; NULL: no search finds it.';
GRANT EXECUTE ON FUNCTION crm.searchable(public.messages), crm.words(public.messages) TO crm_app;

CREATE TABLE public.message_words (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id(),
    at timestamptz NOT NULL,
    message_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    direction text NOT NULL,
    words tsvector NOT NULL,
    CONSTRAINT message_words_pkey PRIMARY KEY (tenant_id, at, message_id)
);
COMMENT ON TABLE public.message_words IS
'The words of messages, kept by triggers on messages and read by crm.found; a copy, so without keys to them.';
INSERT INTO public.message_words (tenant_id, at, message_id, conversation_id, direction, words)
SELECT
    m.tenant_id,
    m.created_at,
    m.id,
    m.conversation_id,
    m.direction,
    w.words
FROM public.messages AS m
CROSS JOIN LATERAL (SELECT crm.words(m) AS words) AS w -- noqa: ST05
WHERE w.words <> '';
CREATE INDEX message_words_ix ON public.message_words USING gin (tenant_id, words);
-- Without statistics a common word took 350 ms of 1,200,000 messages, with them 10.
ANALYZE public.message_words;

CREATE FUNCTION crm.keep_words() RETURNS trigger
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    INSERT INTO public.message_words (tenant_id, at, message_id, conversation_id, direction, words)
    SELECT m.tenant_id, m.created_at, m.id, m.conversation_id, m.direction, w.words
    FROM fresh AS m
    CROSS JOIN LATERAL (SELECT crm.words(m::public.messages) AS words) AS w
    WHERE w.words <> '';
    RETURN NULL;
END
$$;

CREATE FUNCTION crm.renew_words() RETURNS trigger
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    DELETE FROM public.message_words
    WHERE tenant_id = OLD.tenant_id AND at = OLD.created_at AND message_id = OLD.id;
    IF TG_OP = 'UPDATE' THEN
        INSERT INTO public.message_words (tenant_id, at, message_id, conversation_id, direction, words)
        SELECT NEW.tenant_id, NEW.created_at, NEW.id, NEW.conversation_id, NEW.direction, w.words
        FROM (SELECT crm.words(NEW) AS words) AS w
        WHERE w.words <> '';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER words_kept AFTER INSERT ON public.messages
REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION crm.keep_words();
CREATE TRIGGER words_renewed AFTER UPDATE OF content, type, media, payload, created_at, conversation_id
ON public.messages FOR EACH ROW
WHEN (
    (old.content, old.type, old.media ->> 'filename', old.payload, old.created_at, old.conversation_id)
    IS DISTINCT FROM
    (new.content, new.type, new.media ->> 'filename', new.payload, new.created_at, new.conversation_id)
)
EXECUTE FUNCTION crm.renew_words();
CREATE TRIGGER words_gone AFTER DELETE ON public.messages FOR EACH ROW EXECUTE FUNCTION crm.renew_words();

CREATE FUNCTION crm.asked(pieces text[]) RETURNS tsquery
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
-- Each piece is a word (or its forms, joined by "or"), a "phrase" or a -word; all of them are wanted.
RETURN (
    SELECT string_agg('(' || one.query || ')', ' & ' ORDER BY one.place)::tsquery
    FROM (
        SELECT
            place,
            websearch_to_tsquery('crm.portuguese', piece)::text AS query
        FROM unnest(pieces) WITH ORDINALITY AS given (piece, place)
    ) AS one
    WHERE one.query <> ''
);
COMMENT ON FUNCTION crm.asked(text[]) IS 'What is looked for; NULL when it is made of stop words alone.';

CREATE FUNCTION crm.may_see(conversation uuid) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN EXISTS (
    SELECT
    FROM public.conversations AS c
    WHERE
        c.tenant_id = crm.current_tenant_id() AND c.id = conversation
        AND (
            crm.viewer() IS NULL OR c.assigned_to IS NULL OR c.assigned_to = crm.viewer()
            OR c.department_id = ANY(crm.viewer_departments())
        )
);
COMMENT ON FUNCTION crm.may_see(uuid) IS
'What the policy sight of conversations says, for functions of the owner, whom no policy binds.';

CREATE FUNCTION crm.found(
    pieces text[], conversation uuid, since timestamptz, side text, before timestamptz, before_id uuid
) RETURNS TABLE (at timestamptz, message_id uuid, rank real)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- As the owner, because under row security @@ is not leakproof and no index answers it (14.6 ms against 0.02 on
-- 200,000 rows): so it names the tenant and what an attendant may see itself, and tells nothing but ids and times.
-- The newest 12,000 messages are read one by one: a word that is common there never reaches the index, which must
-- gather every match there ever was. To be planned for its values (`-- plan: custom`); IS TRUE keeps the planner from
-- taking the index for that.
AS $$
DECLARE
    tenant constant uuid := crm.current_tenant_id();
    viewer constant uuid := crm.viewer();
    wanted constant tsquery := crm.asked(pieces);
    stretch constant bigint := 12000;
    most constant bigint := 100;
    cut_at timestamptz;
    cut_id uuid;
BEGIN
    IF conversation IS NULL THEN
        SELECT w.at, w.message_id INTO cut_at, cut_id FROM public.message_words AS w
        WHERE w.tenant_id = tenant AND (w.at, w.message_id) < (before, before_id) AND w.at >= since
        ORDER BY w.at DESC, w.message_id DESC OFFSET stretch - 1 LIMIT 1;
        IF cut_id IS NULL OR most <= (
            SELECT count(*) FROM (
                SELECT FROM public.message_words AS w
                WHERE w.tenant_id = tenant AND (w.at, w.message_id) < (before, before_id)
                    AND (w.at, w.message_id) >= (cut_at, cut_id) AND (w.words @@ wanted) IS TRUE
                LIMIT most
            ) AS common
        ) THEN
            RETURN QUERY
            SELECT w.at, w.message_id, ts_rank(w.words, wanted) FROM public.message_words AS w
            WHERE w.tenant_id = tenant AND (w.at, w.message_id) < (before, before_id) AND w.at >= since
                AND (cut_id IS NULL OR (w.at, w.message_id) >= (cut_at, cut_id))
                AND (w.words @@ wanted) IS TRUE
                AND (side IS NULL OR w.direction = side) AND (viewer IS NULL OR crm.may_see(w.conversation_id))
            ORDER BY w.at DESC, w.message_id DESC LIMIT most + 1;
        ELSE
            cut_id := NULL;
            RETURN QUERY
            WITH matched AS MATERIALIZED (
                SELECT w.* FROM public.message_words AS w WHERE w.tenant_id = tenant AND w.words @@ wanted
            )
            SELECT w.at, w.message_id, ts_rank(w.words, wanted) FROM matched AS w
            WHERE (w.at, w.message_id) < (before, before_id) AND w.at >= since
                AND (side IS NULL OR w.direction = side) AND (viewer IS NULL OR crm.may_see(w.conversation_id))
            ORDER BY w.at DESC, w.message_id DESC LIMIT most + 1;
        END IF;
    ELSIF crm.may_see(conversation) THEN
        SELECT m.created_at, m.id INTO cut_at, cut_id FROM public.messages AS m
        WHERE m.tenant_id = tenant AND m.conversation_id = conversation
            AND (m.created_at, m.id) < (before, before_id) AND m.created_at >= since
        ORDER BY m.created_at DESC, m.id DESC OFFSET stretch - 1 LIMIT 1;
        RETURN QUERY
        SELECT w.at, w.message_id, ts_rank(w.words, wanted)
        FROM public.messages AS m
        INNER JOIN public.message_words AS w
            ON m.tenant_id = w.tenant_id AND m.created_at = w.at AND m.id = w.message_id
        WHERE m.tenant_id = tenant AND m.conversation_id = conversation
            AND (m.created_at, m.id) < (before, before_id) AND m.created_at >= since
            AND (cut_id IS NULL OR (m.created_at, m.id) >= (cut_at, cut_id))
            AND (w.words @@ wanted) IS TRUE AND (side IS NULL OR w.direction = side)
        ORDER BY m.created_at DESC, m.id DESC LIMIT most + 1;
    END IF;
    IF cut_id IS NOT NULL THEN
        RETURN QUERY SELECT cut_at, cut_id, NULL::real;
    END IF;
END
$$;
COMMENT ON FUNCTION crm.found(text[], uuid, timestamptz, text, timestamptz, uuid) IS
'Messages with these words, the newest 101 before a place; a row without rank: it was looked as far back as that.';
REVOKE EXECUTE ON FUNCTION crm.found(text[], uuid, timestamptz, text, timestamptz, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION crm.found(text[], uuid, timestamptz, text, timestamptz, uuid) TO crm_app;
GRANT EXECUTE ON FUNCTION crm.asked(text[]) TO crm_app;

ALTER TABLE public.message_words ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.message_words FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.message_words TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.message_words AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY sight ON public.message_words AS RESTRICTIVE FOR SELECT TO crm_app
USING ((SELECT crm.viewer()) IS NULL OR crm.sees(conversation_id));
GRANT SELECT, INSERT, DELETE ON public.message_words TO crm_app;

CREATE TABLE public.tags (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id()
    REFERENCES public.tenants (id) ON DELETE RESTRICT,
    id uuid NOT NULL DEFAULT uuidv7(),
    name text NOT NULL,
    color text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT tags_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT tags_name_check CHECK (length(name) BETWEEN 1 AND 50)
);
COMMENT ON TABLE public.tags IS
'Names and colours of a hotel''s tags; conversations and contacts that bear one hold its name.';
CREATE UNIQUE INDEX tags_name_key ON public.tags (tenant_id, lower(name));

CREATE TABLE public.quick_replies (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id()
    REFERENCES public.tenants (id) ON DELETE RESTRICT,
    id uuid NOT NULL DEFAULT uuidv7(),
    shortcut text NOT NULL,
    content text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT quick_replies_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT quick_replies_shortcut_check CHECK (length(shortcut) BETWEEN 1 AND 50)
);
COMMENT ON TABLE public.quick_replies IS 'Texts that attendants keep under a shortcut, with placeholders.';
CREATE UNIQUE INDEX quick_replies_shortcut_key ON public.quick_replies (tenant_id, lower(shortcut));

ALTER TABLE public.tags ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.tags FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.tags TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.tags AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
GRANT SELECT, INSERT, UPDATE (name, color, updated_at), DELETE ON public.tags TO crm_app;

ALTER TABLE public.quick_replies ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.quick_replies FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.quick_replies TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.quick_replies AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
GRANT SELECT, INSERT, UPDATE (shortcut, content, updated_at), DELETE ON public.quick_replies TO crm_app;
