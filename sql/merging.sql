-- Two contacts that prove to be one, and the way back. Called by crm/contacts/merging.py in a tenant's transaction,
-- which holds the tenant's door.

-- name: move_conversations(gone uuid, survivor uuid) -> many MovedRow
-- A merged contact's conversations become the survivor's, with the status and the unread each had. Of two open ones
-- over one channel the survivor's stays open: what was unread in the other is shown there, and brings it back as what
-- the customer writes does.
-- Index: conversations_contact_ix, conversations_open_key
WITH standing AS (
    SELECT
        id,
        channel_id
    FROM conversations
    WHERE contact_id = :survivor AND status <> 'CLOSED'
),

moved AS (
    UPDATE conversations AS c
    SET
        contact_id = :survivor,
        status = CASE WHEN ends.here THEN 'CLOSED' ELSE c.status END,
        closed_at = CASE WHEN ends.here THEN now() ELSE c.closed_at END,
        unread_count = CASE WHEN ends.here THEN 0 ELSE c.unread_count END,
        first_unread_id = CASE WHEN NOT ends.here THEN c.first_unread_id END,
        updated_at = now()
    FROM (
        SELECT
            g.id,
            g.status <> 'CLOSED' AND g.channel_id IN (SELECT channel_id FROM standing) AS here
        FROM conversations AS g
        WHERE g.contact_id = :gone
    ) AS ends
    WHERE c.id = ends.id
    RETURNING c.id, old.status, old.unread_count AS unread, CASE WHEN ends.here THEN c.channel_id END AS channel_id
),

handed AS (
    UPDATE conversations AS c
    SET
        unread_count = c.unread_count + moved.unread,
        first_unread_id = coalesce(c.first_unread_id, c.last_message_id),
        archived = FALSE,
        snoozed_until = NULL,
        status = CASE WHEN c.snoozed_until IS NULL THEN c.status ELSE 'OPEN' END,
        updated_at = now()
    FROM standing
    INNER JOIN moved ON standing.channel_id = moved.channel_id AND moved.unread > 0
    WHERE c.id = standing.id AND c.status <> 'CLOSED'
)

SELECT
    id,
    status,
    unread
FROM moved;

-- name: move_identities(gone uuid, survivor uuid) -> many IdentityRow
-- What a merged contact was found by leads to the survivor.
-- Index: contact_identities_contact_ix
UPDATE contact_identities
SET contact_id = :survivor
WHERE contact_id = :gone
RETURNING kind, value;

-- name: fill(gone uuid, survivor uuid) -> value jsonb
-- The survivor takes over what it lacked; the names of what that was: of a column, tags.one or attributes.one.
-- Index: contacts_pkey
UPDATE contacts AS c
SET
    name = coalesce(c.name, g.name),
    phone = coalesce(c.phone, g.phone),
    wa_id = coalesce(c.wa_id, g.wa_id),
    bsuid = coalesce(c.bsuid, g.bsuid),
    profile_name = coalesce(c.profile_name, g.profile_name),
    username = coalesce(c.username, g.username),
    marketing_opt_out = c.marketing_opt_out OR g.marketing_opt_out,
    email = coalesce(c.email, g.email),
    language = coalesce(c.language, g.language),
    tags = c.tags || ARRAY(
        SELECT tag FROM unnest(g.tags) AS tag WHERE tag <> ALL(c.tags) -- noqa: RF01
    ),
    attributes = g.attributes || c.attributes,
    blocked = c.blocked OR g.blocked,
    updated_at = now()
FROM contacts AS g
WHERE c.id = :survivor AND g.id = :gone
RETURNING
    to_jsonb(array_remove(ARRAY[
        CASE WHEN old.email IS DISTINCT FROM new.email THEN 'email' END,
        CASE WHEN old.language IS DISTINCT FROM new.language THEN 'language' END,
        CASE WHEN old.blocked <> new.blocked THEN 'blocked' END,
        CASE WHEN old.marketing_opt_out <> new.marketing_opt_out THEN 'marketing_opt_out' END,
        CASE WHEN old.name IS DISTINCT FROM new.name THEN 'name' END,
        CASE WHEN old.phone IS DISTINCT FROM new.phone THEN 'phone' END,
        CASE WHEN old.wa_id IS DISTINCT FROM new.wa_id THEN 'wa_id' END,
        CASE WHEN old.bsuid IS DISTINCT FROM new.bsuid THEN 'bsuid' END,
        CASE WHEN old.profile_name IS DISTINCT FROM new.profile_name THEN 'profile_name' END,
        CASE WHEN old.username IS DISTINCT FROM new.username THEN 'username' END
    ], NULL))
    || to_jsonb(ARRAY(
        SELECT 'tags.' || tag FROM unnest(new.tags) AS tag WHERE tag <> ALL(old.tags) -- noqa: RF01
        UNION ALL
        SELECT 'attributes.' || key
        FROM jsonb_object_keys(new.attributes) AS key -- noqa: RF01
        WHERE NOT old.attributes ? key -- noqa: RF01
    ));

-- name: still(ids uuid[]) -> none
-- Holds contacts that are to be merged or taken apart, first of all: who holds one of them as it was (`now_is`) is waited for, so that
-- what he gives it, a stay say, is seen.
-- Index: contacts_pkey
SELECT id
FROM contacts
WHERE id = ANY(:ids::uuid[])
ORDER BY id
FOR NO KEY UPDATE;

-- name: hide(gone uuid, survivor uuid) -> count
-- Takes a merged contact out of the lists; none where the two cannot be one: a person is no group, who is part of
-- another is merged no further, and nothing is known of who was erased.
-- Index: contacts_pkey
UPDATE contacts AS c
SET merged_into = s.id, updated_at = now()
FROM contacts AS s
WHERE
    c.id = :gone
    AND s.id = :survivor
    AND c.merged_into IS NULL
    AND s.merged_into IS NULL
    AND c.is_group = s.is_group
    AND c.erased_at IS NULL
    AND s.erased_at IS NULL;

-- name: merged(gone uuid, survivor uuid, why text, by_user uuid, moved jsonb) -> none
-- Records a merge.
INSERT INTO contact_merges (from_id, into_id, why, by_user, moved)
VALUES (:gone, :survivor, :why, :by_user, :moved);

-- name: undo(gone uuid) -> maybe MergeRow
-- Ends the last merge of a contact that still stands.
-- Index: contact_merges_from_ix
WITH last AS (
    SELECT id
    FROM contact_merges
    WHERE from_id = :gone AND undone_at IS NULL
    ORDER BY id DESC
    LIMIT 1
    FOR UPDATE
),

shown AS (
    UPDATE contacts
    SET merged_into = NULL, updated_at = now()
    FROM last
    WHERE contacts.id = :gone
)

UPDATE contact_merges AS m
SET undone_at = now()
FROM last
WHERE m.id = last.id
RETURNING m.id, m.from_id, m.into_id, m.why, m.moved, m.created_at, m.undone_at;

-- name: return_conversations(gone uuid, survivor uuid, ids uuid[], statuses text[], unreads int[], at timestamptz) -> none
-- Conversations go back to the contact they were of; what is not the survivor's any more stays. What the merge (`at`)
-- closed is as it was, if nobody closed it since, and no other that goes back is open; what became of the others
-- since stays so. What is put off again is looked at when its time comes: it may have come while the merge had it
-- closed. What was unread is so again here, and in the survivor's no longer.
-- Index: conversations_contact_ix, conversations_open_key, snoozes_pkey
WITH given AS (
    SELECT
        c.id,
        was.status,
        was.unread,
        was.status <> 'CLOSED'
        AND c.status = 'CLOSED'
        AND coalesce(c.closed_at, '-infinity') <= :at
        AND NOT EXISTS (
            SELECT
            FROM conversations AS other
            WHERE
                other.contact_id = :survivor
                AND other.channel_id = c.channel_id
                AND other.status <> 'CLOSED'
                AND other.id = ANY(:ids::uuid[])
        ) AS again
    FROM unnest(:ids::uuid[], :statuses::text[], :unreads::int[]) AS was (id, status, unread)
    INNER JOIN conversations AS c ON was.id = c.id
    WHERE c.contact_id = :survivor
),

back AS (
    UPDATE conversations AS c
    SET
        contact_id = :gone,
        status = CASE WHEN given.again THEN given.status ELSE c.status END,
        unread_count = CASE WHEN given.again THEN given.unread ELSE c.unread_count END,
        first_unread_id = CASE
            WHEN NOT given.again THEN c.first_unread_id
            WHEN given.unread > 0 THEN c.last_message_id
        END,
        updated_at = now()
    FROM given
    WHERE c.id = given.id AND c.contact_id = :survivor
    RETURNING
        c.id,
        c.status,
        c.snoozed_until,
        c.channel_id,
        CASE WHEN given.again THEN given.unread END AS unread
),

taken AS (
    UPDATE conversations AS c
    SET
        unread_count = greatest(c.unread_count - back.unread, 0),
        first_unread_id = CASE WHEN c.unread_count > back.unread THEN c.first_unread_id END,
        updated_at = now()
    FROM back
    WHERE
        c.contact_id = :survivor AND c.status <> 'CLOSED' AND c.channel_id = back.channel_id
        AND c.id <> back.id AND back.unread > 0
)

INSERT INTO snoozes (conversation_id, due_at)
SELECT
    id,
    snoozed_until
FROM back
WHERE status = 'PENDING' AND snoozed_until IS NOT NULL
ON CONFLICT (tenant_id, conversation_id) DO NOTHING;

-- name: return_identities(gone uuid, survivor uuid, kinds text[], values text[]) -> none
-- Identities go back to the contact they were of.
-- Index: contact_identities_contact_ix
UPDATE contact_identities AS i
SET contact_id = :gone
FROM unnest(:kinds::text[], :values::text[]) AS given (kind, value)
WHERE i.kind = given.kind AND i.value = given.value AND i.contact_id = :survivor;

-- name: empty(id uuid, gone uuid, names text[], at timestamptz) -> none
-- Takes back what a contact had taken over in a merge (`at`) that is undone, where it is still that: the other has it,
-- too, and nobody changes who is part of another.
-- Index: contacts_pkey
UPDATE contacts AS c
SET
    name = CASE WHEN 'name' <> ALL(:names::text[]) OR c.name IS DISTINCT FROM g.name THEN c.name END,
    phone = CASE WHEN 'phone' <> ALL(:names) OR c.phone IS DISTINCT FROM g.phone THEN c.phone END,
    wa_id = CASE WHEN 'wa_id' <> ALL(:names) OR c.wa_id IS DISTINCT FROM g.wa_id THEN c.wa_id END,
    bsuid = CASE WHEN 'bsuid' <> ALL(:names) OR c.bsuid IS DISTINCT FROM g.bsuid THEN c.bsuid END,
    profile_name = CASE
        WHEN 'profile_name' <> ALL(:names) OR c.profile_name IS DISTINCT FROM g.profile_name THEN c.profile_name
    END,
    username = CASE WHEN 'username' <> ALL(:names) OR c.username IS DISTINCT FROM g.username THEN c.username END,
    email = CASE WHEN 'email' <> ALL(:names) OR c.email IS DISTINCT FROM g.email THEN c.email END,
    language = CASE WHEN 'language' <> ALL(:names) OR c.language IS DISTINCT FROM g.language THEN c.language END,
    blocked = c.blocked AND 'blocked' <> ALL(:names::text[]),
    marketing_opt_out = c.marketing_opt_out AND (
        'marketing_opt_out' <> ALL(:names::text[]) OR coalesce(c.marketing_opt_out_at > :at, FALSE)
    ),
    tags = ARRAY(SELECT tag FROM unnest(c.tags) AS tag WHERE 'tags.' || tag <> ALL(:names::text[])),
    attributes = c.attributes - ARRAY(
        SELECT key
        FROM jsonb_each(g.attributes) AS had (key, value) -- noqa: RF01
        WHERE 'attributes.' || key = ANY(:names::text[]) AND c.attributes -> key = had.value
    ),
    updated_at = now()
FROM contacts AS g
WHERE c.id = :id AND g.id = :gone;

-- name: move_stays(gone uuid, survivor uuid) -> many MadeRow
-- A merged contact's stays become the survivor's, but for a reservation that both have.
-- Index: stays_code_key
UPDATE stays AS s
SET contact_id = :survivor, updated_at = now()
WHERE
    s.contact_id = :gone
    AND NOT EXISTS (SELECT FROM stays AS own WHERE own.contact_id = :survivor AND own.code = s.code)
RETURNING s.id;

-- name: look_at_stays(contact uuid) -> none
-- What a contact has of stays is planned anew: those that a merge left it are the survivor's as well.
-- Index: stays_code_key
UPDATE stays
SET due_at = now()
WHERE contact_id = :contact;

-- name: return_stays(gone uuid, survivor uuid, ids uuid[]) -> none
-- Stays go back to the contact they were of.
-- Index: stays_code_key
UPDATE stays
SET contact_id = :gone, updated_at = now()
WHERE id = ANY(:ids::uuid[]) AND contact_id = :survivor;
