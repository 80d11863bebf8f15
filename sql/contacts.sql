-- Contacts and the identities they are found by. Called by crm/contacts/ in a tenant's transaction.

-- name: hold() -> none
-- Holds the tenant's door for contacts until the commit: one transaction at a time finds and makes them.
SELECT pg_advisory_xact_lock(hashtextextended('contacts ' || crm.current_tenant_id(), 0));

-- name: find(kinds text[], values text[]) -> many HolderRow
-- The contacts behind identities, with what is stored of them. An identity given up in the last seven days leads to
-- who had it, unless somebody has it now: Meta repeats what it could not deliver for so long. Whoever was merged since
-- is the survivor: of a merge only the identities move, not those given up.
-- Index: contact_identities_pkey, contact_aliases_pkey
SELECT
    i.kind,
    i.value,
    c.id AS contact_id,
    c.wa_id,
    c.bsuid,
    c.profile_name,
    c.username,
    c.blocked,
    i.former
FROM unnest(:kinds::text[], :values::text[]) AS wanted (kind, value)
-- Looked up one by one: joined, 1,000 identities read the whole tenant (45 ms against 8 ms at 60,000 rows).
CROSS JOIN
    LATERAL ( -- noqa: ST05
        (
            SELECT
                kind,
                value,
                contact_id,
                FALSE AS former,
                'infinity'::timestamptz AS until
            FROM contact_identities
            WHERE kind = wanted.kind AND value = wanted.value
        )
        UNION ALL
        (
            SELECT
                kind,
                value,
                contact_id,
                TRUE,
                superseded_at
            FROM contact_aliases
            WHERE
                kind = wanted.kind
                AND value = wanted.value
                AND superseded_at > now() - INTERVAL '7 days'
        )
        ORDER BY until DESC
        LIMIT 1
    ) AS i
CROSS JOIN
    LATERAL ( -- noqa: ST05
        WITH RECURSIVE risen AS (
            SELECT p.*
            FROM contacts AS p
            WHERE p.id = i.contact_id
            UNION ALL
            SELECT p.*
            FROM risen
            INNER JOIN contacts AS p ON risen.merged_into = p.id
        )

        SELECT *
        FROM risen
        WHERE merged_into IS NULL
    ) AS c;

-- name: insert(wa_ids text[], bsuids text[], phones text[], names text[], usernames text[], groups boolean[]) -> many MadeRow
-- Adds contacts and answers their ids in the order given.
-- Index: contacts_pkey
WITH fresh AS MATERIALIZED (
    SELECT
        uuidv7() AS id,
        given.*
    FROM
        unnest(
            :wa_ids::text[], :bsuids::text[], :phones::text[], :names::text[], :usernames::text[],
            :groups::boolean[]
        ) WITH ORDINALITY AS given (wa_id, bsuid, phone, profile_name, username, is_group, place)
),

added AS (
    INSERT INTO contacts (id, wa_id, bsuid, phone, profile_name, username, is_group)
    SELECT
        id,
        wa_id,
        bsuid,
        phone,
        profile_name,
        username,
        is_group
    FROM fresh
)

SELECT id
FROM fresh
ORDER BY place;

-- name: link(kinds text[], values text[], contacts uuid[]) -> none
-- Keeps identities of contacts; one that is known already stays where it leads.
-- Index: contact_identities_pkey
INSERT INTO contact_identities (kind, value, contact_id)
SELECT
    kind,
    value,
    contact_id
FROM unnest(:kinds::text[], :values::text[], :contacts::uuid[]) AS given (kind, value, contact_id)
ON CONFLICT (tenant_id, kind, value) DO NOTHING;

-- name: learn(ids uuid[], wa_ids text[], bsuids text[], names text[], usernames text[]) -> count
-- Writes what Meta tells of contacts over what was known; NULL leaves it. Of who was erased nothing is learnt.
-- Index: contacts_pkey
UPDATE contacts AS c
SET
    wa_id = coalesce(news.wa_id, c.wa_id),
    bsuid = coalesce(news.bsuid, c.bsuid),
    profile_name = coalesce(news.profile_name, c.profile_name),
    username = coalesce(news.username, c.username),
    updated_at = now()
FROM
    unnest(:ids::uuid[], :wa_ids::text[], :bsuids::text[], :names::text[], :usernames::text[])
        AS news (id, wa_id, bsuid, profile_name, username)
WHERE c.id = news.id AND c.erased_at IS NULL;

-- name: opt_out(ids uuid[], outs boolean[], ats timestamptz[]) -> many ContactRow
-- Keeps whether people want marketing, where nothing later is known; a time in the future counts as now. Answers
-- those who want something else than before.
-- Index: contacts_pkey
WITH kept AS (
    UPDATE contacts AS c
    SET
        marketing_opt_out = given.opted_out,
        marketing_opt_out_at = least(given.at, now()),
        updated_at = now()
    FROM unnest(:ids::uuid[], :outs::boolean[], :ats::timestamptz[]) AS given (id, opted_out, at)
    WHERE c.id = given.id AND (c.marketing_opt_out_at IS NULL OR c.marketing_opt_out_at <= given.at)
    RETURNING c.*, old.marketing_opt_out AS was
)

SELECT
    id,
    name,
    profile_name,
    username,
    phone,
    wa_id,
    bsuid,
    is_group,
    marketing_opt_out,
    merged_into,
    created_at,
    email,
    language,
    tags,
    attributes,
    blocked,
    erased_at
FROM kept
WHERE was <> marketing_opt_out
ORDER BY id;

-- name: recipient(id uuid) -> one RecipientRow
-- By what a contact can be reached.
-- Index: contacts_pkey
SELECT
    wa_id,
    phone,
    bsuid,
    (
        SELECT i.value
        FROM contact_identities AS i
        WHERE i.contact_id = contacts.id AND i.kind = 'group' AND contacts.is_group
    ) AS group_id
FROM contacts
WHERE id = :id;

-- name: get(id uuid) -> maybe ContactRow
-- One contact.
-- Index: contacts_pkey
SELECT
    id,
    name,
    profile_name,
    username,
    phone,
    wa_id,
    bsuid,
    is_group,
    marketing_opt_out,
    merged_into,
    created_at,
    email,
    language,
    tags,
    attributes,
    blocked,
    erased_at
FROM contacts
WHERE id = :id;

-- name: supersede(contact uuid, kinds text[]) -> none
-- Takes identities of these kinds from a contact, and remembers that it had them.
-- Index: contact_identities_contact_ix
WITH gone AS (
    DELETE FROM contact_identities
    WHERE contact_id = :contact AND kind = ANY(:kinds::text[])
    RETURNING kind, value, contact_id
)

INSERT INTO contact_aliases (kind, value, contact_id)
SELECT
    kind,
    value,
    contact_id
FROM gone;

-- name: lose(contacts uuid[], numbers text[]) -> none
-- A number is somebody else's now: nobody finds these by it any more, and nothing is sent to it for them.
-- Index: contact_identities_contact_ix, contacts_pkey
WITH gone AS (
    DELETE FROM contact_identities
    WHERE
        kind IN ('wa_id', 'match_key')
        AND value = ANY(:numbers::text[])
        AND contact_id = ANY(:contacts::uuid[])
)

UPDATE contacts
SET
    wa_id = CASE WHEN wa_id <> ALL(:numbers) THEN wa_id END,
    phone = CASE WHEN ltrim(phone, '+') <> ALL(:numbers) THEN phone END,
    updated_at = now()
WHERE id = ANY(:contacts);

-- name: move(id uuid, wa_id text, bsuid text) -> none
-- A person's new number, user id, or both.
-- Index: contacts_pkey
UPDATE contacts
SET
    wa_id = coalesce(:wa_id, wa_id),
    phone = coalesce('+' || :wa_id, phone),
    bsuid = coalesce(:bsuid, bsuid),
    updated_at = now()
WHERE id = :id;

-- name: now_is(id uuid) -> maybe NowRow
-- Into whom a contact was merged, NULL: nobody. It stays so until the commit.
-- Index: contacts_pkey
SELECT merged_into
FROM contacts
WHERE id = :id
FOR SHARE;

-- name: page(before uuid, skip bigint, max bigint) -> many ContactRow
-- The list as it opens, the newest contact first.
-- Index: contacts_pkey
SELECT
    id,
    name,
    profile_name,
    username,
    phone,
    wa_id,
    bsuid,
    is_group,
    marketing_opt_out,
    merged_into,
    created_at,
    email,
    language,
    tags,
    attributes,
    blocked,
    erased_at
FROM contacts
WHERE merged_into IS NULL AND id < :before
ORDER BY id DESC
LIMIT :max OFFSET :skip;

-- name: matching(words text[], before uuid, most bigint) -> many MadeRow
-- The newest contacts that hold all these words, for lists of what belongs to contacts.
-- plan: custom
SELECT found.id
FROM crm.contacts_found(:words::text[], NULL, NULL, NULL, NULL, :before, 0, :most) AS found (id);

-- name: page_filtered(words text[], tag text, blocked boolean, opted_out boolean, stay text, before uuid, skip bigint, max bigint) -> many ContactRow
-- The list under filters. The ids come from a function that the index serves (migrations/0026_guests.sql says why);
-- planned for its own values: of 200,000 contacts a rare word takes 4 ms, one that all have under 1.
-- Index: contacts_pkey
-- plan: custom
SELECT
    c.id,
    c.name,
    c.profile_name,
    c.username,
    c.phone,
    c.wa_id,
    c.bsuid,
    c.is_group,
    c.marketing_opt_out,
    c.merged_into,
    c.created_at,
    c.email,
    c.language,
    c.tags,
    c.attributes,
    c.blocked,
    c.erased_at
FROM crm.contacts_found(:words, :tag, :blocked, :opted_out, :stay, :before, :skip, :max) AS found (id)
CROSS JOIN
    LATERAL ( -- noqa: ST05
        SELECT *
        FROM contacts
        WHERE id = found.id
        ORDER BY id
        LIMIT 1
    ) AS c
ORDER BY c.id DESC;

-- name: total() -> value bigint
-- How many contacts the list has: from the kept differences, tens of rows.
-- Index: contact_counts_pkey
SELECT coalesce(sum(n), 0)::bigint
FROM contact_counts;

-- name: total_filtered(words text[], tag text, blocked boolean, opted_out boolean, stay text, before uuid, most bigint) -> value bigint
-- How many contacts the filters leave, counted up to `most`: what is beyond is not read.
-- plan: custom
SELECT count(*)
FROM crm.contacts_found(:words, :tag, :blocked, :opted_out, :stay, :before, 0, :most);

-- name: fold_contacts() -> count
-- Folds the differences of tenants that have many into one row. Run by the worker every minute.
-- as: system
WITH crowded AS (
    SELECT tenant_id
    FROM contact_counts
    GROUP BY tenant_id
    HAVING count(*) > 16
),

gone AS (
    DELETE FROM contact_counts
    WHERE tenant_id IN (SELECT tenant_id FROM crowded)
    RETURNING tenant_id, n
)

INSERT INTO contact_counts (tenant_id, n)
SELECT
    tenant_id,
    sum(n)
FROM gone
GROUP BY tenant_id;

-- name: add(phone text, name text, email text, language text, tags text[], attributes jsonb, blocked boolean, opted_out boolean, match_key text) -> maybe ContactRow
-- Adds a contact under its phone's key; no row when somebody is known by that. The key is taken first: the unique
-- index decides, and the contact is made only with it.
-- Index: contact_identities_pkey, contacts_pkey
WITH free AS (
    SELECT uuidv7() AS id
    WHERE NOT EXISTS (SELECT FROM contact_identities WHERE kind = 'match_key' AND value = :match_key)
),

made AS (
    INSERT INTO contacts (
        id, phone, name, email, language, tags, attributes, blocked, marketing_opt_out, marketing_opt_out_at
    )
    SELECT
        free.id,
        :phone,
        :name,
        :email,
        :language,
        :tags,
        :attributes,
        :blocked,
        :opted_out,
        CASE WHEN :opted_out THEN now() END
    FROM free
    RETURNING *
),

named AS (
    INSERT INTO contact_identities (kind, value, contact_id)
    SELECT
        'match_key',
        :match_key,
        made.id
    FROM made
)

SELECT
    id,
    name,
    profile_name,
    username,
    phone,
    wa_id,
    bsuid,
    is_group,
    marketing_opt_out,
    merged_into,
    created_at,
    email,
    language,
    tags,
    attributes,
    blocked,
    erased_at
FROM made;

-- name: holder(match_key text) -> value uuid
-- Who is known by a phone's key.
-- Index: contact_identities_pkey
SELECT contact_id
FROM contact_identities
WHERE kind = 'match_key' AND value = :match_key;

-- name: change(id uuid, given jsonb) -> maybe ChangedRow
-- Writes the fields given over those there are; NULL empties one. Of the attributes those named change alone, and
-- NULL takes one away.
-- Index: contacts_pkey
UPDATE contacts AS c
SET
    name = CASE WHEN :given::jsonb ? 'name' THEN :given ->> 'name' ELSE c.name END,
    email = CASE WHEN :given ? 'email' THEN :given ->> 'email' ELSE c.email END,
    language = CASE WHEN :given ? 'language' THEN :given ->> 'language' ELSE c.language END,
    tags = CASE
        WHEN :given ? 'tags' THEN ARRAY(SELECT jsonb_array_elements_text(:given -> 'tags'))
        ELSE c.tags
    END,
    attributes = jsonb_strip_nulls(c.attributes || coalesce(:given -> 'attributes', '{}')),
    blocked = coalesce((:given -> 'blocked')::boolean, c.blocked),
    marketing_opt_out = coalesce((:given -> 'marketing_opt_out')::boolean, c.marketing_opt_out),
    marketing_opt_out_at = CASE WHEN :given ? 'marketing_opt_out' THEN now() ELSE c.marketing_opt_out_at END,
    updated_at = now()
WHERE c.id = :id
RETURNING c.id, old.blocked AS was_blocked, c.blocked;

-- name: remove(id uuid) -> count
-- Deletes a contact that nobody talked with and that no other is part of.
-- Index: contacts_pkey, conversations_contact_ix, contacts_merged_ix
DELETE FROM contacts AS c
WHERE
    c.id = :id
    AND c.merged_into IS NULL
    AND NOT EXISTS (SELECT FROM conversations AS t WHERE t.contact_id = c.id)
    AND NOT EXISTS (SELECT FROM contacts AS part WHERE part.merged_into = c.id);

-- name: taken(id uuid) -> many TakenRow
-- Whom a contact took in and still holds, the last first.
-- Index: contact_merges_into_ix
SELECT
    m.from_id AS id,
    coalesce(p.name, p.profile_name) AS name,
    m.created_at AS at
FROM contact_merges AS m
INNER JOIN contacts AS p ON m.tenant_id = p.tenant_id AND m.from_id = p.id
WHERE m.into_id = :id AND m.undone_at IS NULL
ORDER BY m.id DESC
LIMIT 100;

-- name: blocked(ids uuid[]) -> many MadeRow
-- Which of these are blocked.
-- Index: contacts_blocked_ix
SELECT id
FROM contacts
WHERE id = ANY(:ids::uuid[]) AND blocked AND merged_into IS NULL;
