-- Message templates as Meta has them. Run as crm_app; which accounts are due crosses tenants, as crm_system.
-- Called by crm/templates/.

-- name: page(status text, channel uuid, search text, before timestamptz, before_id uuid, skip bigint, max bigint) -> many TemplateRow
-- Templates before a place, newest first; `search` is a pattern over names and texts, `channel` chooses its account.
-- Index: templates_created_ix
SELECT
    id,
    waba_id,
    graph_id,
    name,
    language,
    category,
    status,
    parameter_format,
    components,
    quality,
    reason,
    advice,
    previous_category,
    next_category,
    category_changes_at,
    status_at,
    created_at,
    updated_at,
    synced_at
FROM templates
WHERE
    (created_at, id) < (:before, :before_id)
    AND (:status::text IS NULL OR status = :status)
    AND (:channel::uuid IS NULL OR waba_id = (SELECT c.waba_id FROM channels AS c WHERE c.id = :channel))
    AND (
        :search::text IS NULL OR lower(name) LIKE :search
        OR lower(jsonb_path_query_array(components, '$[*].text')::text) LIKE :search
    )
ORDER BY created_at DESC, id DESC
LIMIT :max OFFSET :skip;

-- name: total(status text, channel uuid, search text) -> value bigint
-- How many the filters leave: at most some thousands a hotel (Meta: limits), so they are counted.
SELECT count(*)
FROM templates
WHERE
    (:status::text IS NULL OR status = :status)
    AND (:channel::uuid IS NULL OR waba_id = (SELECT c.waba_id FROM channels AS c WHERE c.id = :channel))
    AND (
        :search::text IS NULL OR lower(name) LIKE :search
        OR lower(jsonb_path_query_array(components, '$[*].text')::text) LIKE :search
    );

-- name: get(id uuid) -> maybe TemplateRow
-- One template.
-- Index: templates_pkey
SELECT
    id,
    waba_id,
    graph_id,
    name,
    language,
    category,
    status,
    parameter_format,
    components,
    quality,
    reason,
    advice,
    previous_category,
    next_category,
    category_changes_at,
    status_at,
    created_at,
    updated_at,
    synced_at
FROM templates
WHERE id = :id;

-- name: find(account text, graph_id text, name text, language text) -> maybe TemplateRow
-- The template that a webhook means, by Meta's id first, held until the commit.
-- Index: templates_graph_ix, templates_name_key
SELECT
    id,
    waba_id,
    graph_id,
    name,
    language,
    category,
    status,
    parameter_format,
    components,
    quality,
    reason,
    advice,
    previous_category,
    next_category,
    category_changes_at,
    status_at,
    created_at,
    updated_at,
    synced_at
FROM templates
WHERE graph_id = :graph_id OR (waba_id = :account AND name = :name AND language = :language)
ORDER BY (waba_id = :account) DESC, (graph_id = :graph_id) DESC NULLS LAST, id
LIMIT 1
FOR NO KEY UPDATE;

-- name: id_of(account text, name text, language text) -> value uuid
-- The template of this name that is not deleted.
-- Index: templates_name_key
SELECT id
FROM templates
WHERE waba_id = :account AND name = :name AND language = :language AND status <> 'DELETED';

-- name: write(id uuid, graph_id text, category text, status text, parameter_format text, components jsonb, quality text, reason text, advice text, previous_category text, next_category text, category_changes_at timestamptz, status_at timestamptz, synced_at timestamptz) -> one TemplateRow
-- What a webhook or Meta's list made of a template that is held.
-- Index: templates_pkey
UPDATE templates
SET
    graph_id = :graph_id,
    category = :category,
    status = :status,
    parameter_format = :parameter_format,
    components = :components,
    quality = :quality,
    reason = :reason,
    advice = :advice,
    previous_category = :previous_category,
    next_category = :next_category,
    category_changes_at = :category_changes_at,
    status_at = :status_at,
    synced_at = :synced_at,
    updated_at = now()
WHERE id = :id
RETURNING
    id, waba_id, graph_id, name, language, category, status, parameter_format, components, quality, reason, advice,
    previous_category, next_category, category_changes_at, status_at, created_at, updated_at, synced_at;

-- name: made(account text, graph_id text, name text, language text, category text, status text, parameter_format text, components jsonb) -> one TemplateRow
-- A template that Meta has just taken; of a deleted one with the same name nothing stays.
-- Index: templates_name_key
INSERT INTO templates (waba_id, graph_id, name, language, category, status, parameter_format, components)
VALUES (:account, :graph_id, :name, :language, :category, :status, :parameter_format, :components)
ON CONFLICT (tenant_id, waba_id, name, language)
DO UPDATE
    SET
        graph_id = excluded.graph_id,
        category = excluded.category,
        status = excluded.status,
        parameter_format = excluded.parameter_format,
        components = excluded.components,
        quality = NULL,
        reason = NULL,
        advice = NULL,
        previous_category = NULL,
        next_category = NULL,
        category_changes_at = NULL,
        status_at = NULL,
        synced_at = NULL,
        updated_at = now()
RETURNING
    id, waba_id, graph_id, name, language, category, status, parameter_format, components, quality, reason, advice,
    previous_category, next_category, category_changes_at, status_at, created_at, updated_at, synced_at;

-- name: held(account text, name text) -> many TemplateRow
-- What is known of an account (or of one name in it), held until Meta's list is written down.
-- Index: templates_name_key
SELECT
    id,
    waba_id,
    graph_id,
    name,
    language,
    category,
    status,
    parameter_format,
    components,
    quality,
    reason,
    advice,
    previous_category,
    next_category,
    category_changes_at,
    status_at,
    created_at,
    updated_at,
    synced_at
FROM templates
WHERE waba_id = :account AND (:name::text IS NULL OR name = :name)
ORDER BY name, language
FOR NO KEY UPDATE;

-- name: add(account text, listed jsonb) -> many TemplateRow
-- Templates of Meta's list that are not here; one made here meanwhile stays as it is.
-- Index: templates_name_key
INSERT INTO templates (
    waba_id, graph_id, name, language, category, status, parameter_format, components, quality, reason, synced_at
)
SELECT
    :account,
    l.graph_id,
    l.name,
    l.language,
    l.category,
    l.status,
    l.parameter_format,
    l.components,
    l.quality,
    l.reason,
    now()
FROM jsonb_populate_recordset(NULL::templates, :listed) AS l
ORDER BY l.name, l.language
ON CONFLICT (tenant_id, waba_id, name, language) DO NOTHING
RETURNING
    id, waba_id, graph_id, name, language, category, status, parameter_format, components, quality, reason, advice,
    previous_category, next_category, category_changes_at, status_at, created_at, updated_at, synced_at;

-- name: drop(ids uuid[]) -> count
-- Forgets what Meta's list no longer holds.
-- Index: templates_created_ix
DELETE FROM templates
WHERE id = ANY(:ids::uuid[]);

-- name: forget(account text, name text, id uuid) -> many TemplateRow
-- Takes out what was deleted at Meta: one language, or (NULL) all of a name.
-- Index: templates_name_key
DELETE FROM templates
WHERE waba_id = :account AND name = :name AND (:id::uuid IS NULL OR id = :id)
RETURNING
    id, waba_id, graph_id, name, language, category, status, parameter_format, components, quality, reason, advice,
    previous_category, next_category, category_changes_at, status_at, created_at, updated_at, synced_at;

-- name: check_again(account text, name text) -> count
-- Whether a refused template may be looked up now: not twice in five minutes, whoever asks.
-- Index: templates_name_key
UPDATE templates
SET checked_at = now()
WHERE
    waba_id = :account AND name = :name
    AND (checked_at IS NULL OR checked_at < now() - INTERVAL '5 minutes');

-- name: account_of(channel uuid) -> value text
-- The account of the channel named, or of the oldest in use when NULL is given.
-- Index: channels_created_ix
SELECT waba_id
FROM channels
WHERE deleted_at IS NULL AND (:channel::uuid IS NULL OR id = :channel)
ORDER BY created_at, id
LIMIT 1;

-- name: accounts(account text) -> many AccountRow
-- The hotel's accounts (or one), each with the token of its oldest channel that has one, and the time by the server.
-- Index: channels_created_ix
SELECT DISTINCT ON (waba_id)
    waba_id,
    access_token,
    now() AS started
FROM channels
WHERE deleted_at IS NULL AND access_token IS NOT NULL AND (:account::text IS NULL OR waba_id = :account)
ORDER BY waba_id, created_at, id;

-- name: due(max bigint) -> many DueAccountRow
-- Accounts whose templates are to be read now; one never read is due.
-- as: system
SELECT DISTINCT
    c.tenant_id,
    c.waba_id
FROM channels AS c
INNER JOIN tenants AS t ON c.tenant_id = t.id
LEFT JOIN template_syncs AS s ON c.tenant_id = s.tenant_id AND c.waba_id = s.waba_id
WHERE
    c.deleted_at IS NULL
    AND c.access_token IS NOT NULL
    AND t.status IN ('TRIAL', 'ACTIVE')
    AND (s.due_at IS NULL OR s.due_at <= now())
ORDER BY c.tenant_id, c.waba_id
LIMIT :max;

-- name: claim(account text) -> count
-- Takes an account that is due: nobody else does for ten minutes, and then only if this one died.
-- Index: template_syncs_pkey
INSERT INTO template_syncs (waba_id, due_at)
VALUES (:account, now() + INTERVAL '10 minutes')
ON CONFLICT (
    tenant_id, waba_id) DO UPDATE SET due_at = excluded.due_at
WHERE template_syncs.due_at <= now();

-- name: ended(account text, wait float8, done boolean, started timestamptz) -> none
-- The next time is in `wait` seconds, or in a minute when a webhook wanted one since this one was begun.
-- Index: template_syncs_pkey
INSERT INTO template_syncs (waba_id, due_at, synced_at)
VALUES (:account, now() + :wait * INTERVAL '1 second', CASE WHEN :done THEN now() END)
ON CONFLICT (tenant_id, waba_id)
DO UPDATE SET
    due_at
    = CASE WHEN template_syncs.wanted_at > :started THEN now() + INTERVAL '1 minute' ELSE excluded.due_at END,
    synced_at = coalesce(excluded.synced_at, template_syncs.synced_at);

-- name: want(account text) -> none
-- A webhook named a template that is not here: read the account's soon, yet not twice in five minutes.
-- Index: template_syncs_pkey
INSERT INTO template_syncs (waba_id, due_at, wanted_at)
VALUES (:account, now(), now())
ON CONFLICT (tenant_id, waba_id)
DO UPDATE SET
    due_at = least(template_syncs.due_at, greatest(now(), template_syncs.synced_at + INTERVAL '5 minutes')),
    wanted_at = now();

-- name: samples(ids uuid[]) -> many SampleRow
-- Files of the hotel's that a new template shows Meta as examples.
-- Index: media_pkey
SELECT
    id,
    mime_type,
    size,
    sha256
FROM media
WHERE id = ANY(:ids::uuid[]) AND state = 'READY';
