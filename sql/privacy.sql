-- A person's data: told, erased, and forgotten when it is old. Called by crm/privacy/ in a tenant's transaction.

-- name: family(id uuid) -> many FamilyRow
-- A contact, whom it proved to be, and all that proved to be the same, with the receipts of those erased. What people
-- have written on an erased one since is to be erased, too.
-- Index: contacts_pkey, contact_merges_into_ix
WITH RECURSIVE risen AS (
    SELECT
        id,
        merged_into
    FROM contacts
    WHERE id = :id
    UNION
    SELECT
        c.id,
        c.merged_into
    FROM risen
    INNER JOIN contacts AS c ON risen.merged_into = c.id
),

family AS (
    SELECT id FROM risen
    UNION
    SELECT m.from_id
    FROM family
    INNER JOIN contact_merges AS m ON family.id = m.into_id
    WHERE m.undone_at IS NULL
)

SELECT
    c.id,
    CASE
        WHEN
            num_nonnulls(c.name, c.profile_name, c.username, c.phone, c.wa_id, c.bsuid, c.email, c.language) = 0
            AND c.tags = '{}' AND c.attributes = '{}'
            THEN c.erasure
    END AS erasure
FROM family
INNER JOIN contacts AS c ON family.id = c.id
ORDER BY c.erased_at, c.id;

-- name: hold_contacts(ids uuid[]) -> none
-- Holds contacts until the commit, from whoever gives them something without the door: a message waits (`queue` holds
-- its contact) and is then refused, a stay waits (`now_is`), and what was given before is seen.
-- Index: contacts_pkey
SELECT id
FROM contacts
WHERE id = ANY(:ids::uuid[])
ORDER BY id
FOR UPDATE;

-- name: talks(contacts uuid[]) -> many TalkRow
-- The conversations with contacts.
-- Index: conversations_contact_ix
SELECT id
FROM conversations
WHERE contact_id = ANY(:contacts::uuid[])
ORDER BY id;

-- name: needles(contacts uuid[]) -> many NeedleRow
-- By which words Meta names contacts, now or before.
-- Index: contacts_pkey, contact_identities_contact_ix, contact_aliases_contact_ix
SELECT value FROM contact_identities WHERE contact_id = ANY(:contacts::uuid[])
UNION
SELECT value FROM contact_aliases WHERE contact_id = ANY(:contacts)
UNION
SELECT ltrim(n.value, '+')
FROM contacts AS c
CROSS JOIN unnest(ARRAY[c.wa_id, c.bsuid, c.phone]) AS n (value)
WHERE c.id = ANY(:contacts) AND n.value IS NOT NULL;

-- name: names(contacts uuid[]) -> many NeedleRow
-- By which words people name contacts.
-- Index: contacts_pkey
SELECT DISTINCT n.value
FROM contacts AS c
CROSS JOIN unnest(ARRAY[c.name, c.profile_name, c.username, c.email]) AS n (value)
WHERE c.id = ANY(:contacts::uuid[]) AND n.value IS NOT NULL;

-- name: mentions(asked text, max bigint) -> many MentionRow
-- Where these words still stand in what is said and noted, the newest first, and how many places there are.
-- plan: custom
SELECT
    kind,
    id,
    conversation_id,
    count(*) OVER () AS total
FROM crm.mentioned(:asked)
ORDER BY at DESC, id DESC
LIMIT :max;

-- name: in_groups(needles text[]) -> many GroupMessageRow
-- What a person wrote in groups: only the message itself says who of the group wrote it.
-- Index: conversations_contact_ix, messages_history_ix
SELECT
    m.id,
    m.conversation_id
FROM contacts AS g
INNER JOIN conversations AS c ON g.tenant_id = c.tenant_id AND g.id = c.contact_id
INNER JOIN messages AS m ON c.tenant_id = m.tenant_id AND c.id = m.conversation_id
WHERE
    g.is_group AND m.erased_at IS NULL
    AND (
        m.payload #>> '{author,from}' = ANY(:needles::text[])
        OR m.payload #>> '{author,from_user_id}' = ANY(:needles)
    )
ORDER BY m.id;

-- name: blank_group_events(messages uuid[], conversations uuid[]) -> count
-- Events of groups that tell of these messages tell that somebody was erased; of the others' messages they stay.
-- Index: feed_events_pkey
UPDATE feed_events AS e
SET event = 'contact:erased', data = '{"contactIds":[],"conversationIds":[]}'
WHERE
    e.conversation_id = ANY(:conversations::uuid[])
    AND EXISTS (SELECT FROM unnest(:messages::uuid[]) AS m (id) WHERE position(m.id::text IN e.data) > 0);

-- name: files(conversations uuid[]) -> many FileRow
-- The files of these conversations' messages.
-- Index: messages_history_ix, message_files_pkey, media_pkey
SELECT
    f.id,
    f.state,
    f.mime_type,
    f.filename,
    f.size,
    f.sha256
FROM (
    SELECT media_id
    FROM messages
    WHERE conversation_id = ANY(:conversations::uuid[]) AND media_id IS NOT NULL
    UNION
    SELECT c.media_id
    FROM messages AS m
    INNER JOIN message_files AS c ON m.id = c.message_id
    WHERE m.conversation_id = ANY(:conversations::uuid[]) AND m.media_id IS NOT NULL
) AS m
INNER JOIN media AS f ON m.media_id = f.id
ORDER BY f.id;

-- name: bury(needles text[]) -> count
-- Dead letters of the tenant that name a person go: there are few.
-- Index: dead_letters_status_ix
DELETE FROM dead_letters AS d
WHERE EXISTS (SELECT FROM unnest(:needles::text[]) AS n (value) WHERE position(n.value IN d.item::text) > 0);

-- name: blank(conversations uuid[], max bigint) -> count
-- Messages say nothing any more; what waits to be sent is not. A wamid holds the customer's number: it goes too, and
-- so nothing that comes late is written on the row again.
-- Index: messages_history_ix, messages_pkey
WITH loud AS MATERIALIZED (
    SELECT id
    FROM messages
    WHERE conversation_id = ANY(:conversations::uuid[]) AND erased_at IS NULL
    ORDER BY id
    LIMIT :max
    FOR NO KEY UPDATE
)

UPDATE messages AS m
SET
    content = NULL,
    payload = NULL,
    reactions = NULL,
    wamid = NULL,
    target_wamid = NULL,
    retired_wamids = '{}',
    status = CASE WHEN m.status IN ('SCHEDULED', 'QUEUED') THEN 'CANCELED' ELSE m.status END,
    erased_at = now()
FROM loud
WHERE m.id = loud.id;

-- name: blank_conversations(ids uuid[]) -> none
-- The list shows nothing of what was said, and nothing can be sent: the window is closed. Held as strongly as a note or
-- a draft that is just being written holds them weakly: it is waited for, and seen.
-- Index: conversations_pkey
WITH held AS MATERIALIZED (
    SELECT id
    FROM conversations
    WHERE id = ANY(:ids::uuid[])
    ORDER BY id
    FOR UPDATE
)

UPDATE conversations AS c
SET
    last_message_preview = NULL,
    last_message_status = CASE
        WHEN c.last_message_status IN ('SCHEDULED', 'QUEUED') THEN 'CANCELED' ELSE c.last_message_status
    END,
    status = 'CLOSED',
    unread_count = 0,
    window_expires_at = NULL,
    free_until = NULL,
    first_unread_id = NULL,
    snoozed_until = NULL,
    closed_at = coalesce(c.closed_at, now()),
    updated_at = now()
FROM held
WHERE c.id = held.id;

-- name: blank_entries(conversations uuid[]) -> none
-- Of notes and drafts on a person nothing is left but that there were notes.
-- Index: conversation_entries_pkey, drafts_pkey
WITH unsent AS (
    DELETE FROM drafts WHERE conversation_id = ANY(:conversations::uuid[])
)

UPDATE conversation_entries
SET content = NULL, data = '{}'
WHERE conversation_id = ANY(:conversations);

-- name: forget_stays(contacts uuid[]) -> none
-- Stays go: the hotel's own system has them, no report counts them, and their code names the person there.
DELETE FROM stays WHERE contact_id = ANY(:contacts::uuid[]);

-- name: forget_identities(contacts uuid[]) -> none
-- Nobody is known by these names any more; of merges the record stays, without what moved.
-- Index: contact_identities_contact_ix, contact_aliases_contact_ix, contact_merges_into_ix, contact_merges_from_ix
WITH known AS (
    DELETE FROM contact_identities WHERE contact_id = ANY(:contacts::uuid[])
),

former AS (
    DELETE FROM contact_aliases WHERE contact_id = ANY(:contacts)
)

UPDATE contact_merges
SET moved = '{"conversations": [], "identities": [], "filled": []}'
WHERE into_id = ANY(:contacts) OR from_id = ANY(:contacts);

-- name: blank_events(contacts uuid[], conversations uuid[]) -> count
-- What sockets may still be told of a person, of the last 48 hours, tells that it was erased. A seq is never left out.
-- Index: feed_events_pkey
UPDATE feed_events AS e
SET event = 'contact:erased', data = '{"contactIds":[],"conversationIds":[]}'
WHERE
    e.conversation_id = ANY(:conversations::uuid[])
    OR (
        e.conversation_id IS NULL
        AND EXISTS (SELECT FROM unnest(:contacts::uuid[]) AS c (id) WHERE position(c.id::text IN e.data) > 0)
    );

-- name: blank_contacts(ids uuid[], erasure jsonb, at timestamptz) -> none
-- Contacts that say nothing of the person, with the receipt and its time.
-- Index: contacts_pkey
UPDATE contacts
SET
    name = NULL,
    profile_name = NULL,
    username = NULL,
    phone = NULL,
    wa_id = NULL,
    bsuid = NULL,
    email = NULL,
    language = NULL,
    tags = '{}',
    attributes = '{}',
    erased_at = :at,
    erasure = :erasure,
    updated_at = now()
WHERE id = ANY(:ids::uuid[]);

-- name: facts(contacts uuid[]) -> many FactsRow
-- Every row on a person but messages, whole: what a later migration adds is told too.
-- Index: contacts_pkey, contact_identities_contact_ix, contact_aliases_contact_ix, conversations_contact_ix, conversation_entries_pkey
SELECT
    'contact' AS kind,
    to_jsonb(c) - '{tenant_id,search}'::text[] AS facts
FROM contacts AS c
WHERE id = ANY(:contacts::uuid[])
UNION ALL
SELECT
    'identity',
    to_jsonb(i) - 'tenant_id'
FROM contact_identities AS i
WHERE contact_id = ANY(:contacts)
UNION ALL
SELECT
    'formerIdentity',
    to_jsonb(a) - 'tenant_id'
FROM contact_aliases AS a
WHERE contact_id = ANY(:contacts)
UNION ALL
SELECT
    'conversation',
    to_jsonb(t) - 'tenant_id'
FROM conversations AS t
WHERE contact_id = ANY(:contacts)
UNION ALL
SELECT
    'stay',
    to_jsonb(s) - 'tenant_id'
FROM stays AS s
WHERE contact_id = ANY(:contacts)
UNION ALL
SELECT
    'note',
    to_jsonb(e) - 'tenant_id'
FROM conversations AS t
INNER JOIN conversation_entries AS e ON t.tenant_id = e.tenant_id AND t.id = e.conversation_id
WHERE t.contact_id = ANY(:contacts);

-- name: house() -> one HouseRow
-- The hotel itself.
-- Index: tenants_pkey
SELECT
    name,
    timezone
FROM tenants
WHERE id = (SELECT crm.current_tenant_id());

-- name: look_through(contact uuid, needles text[], in_groups uuid[]) -> none
-- Lets the worker look through the raw webhooks of about when a person wrote, and of when Meta told of what we wrote:
-- their bodies have no index by person, and all of them are read by nobody.
-- Index: conversations_contact_ix, messages_history_ix, messages_pkey
INSERT INTO contact_erasures (contact_id, needles, lanes, spans)
SELECT
    :contact,
    :needles::text[],
    (SELECT coalesce(array_agg(phone_number_id), '{}') FROM channels),
    coalesce(range_agg(tstzrange(near.at - INTERVAL '5 minutes', near.at + INTERVAL '5 minutes')), '{}')
FROM (
    SELECT m.*
    FROM conversations AS c
    INNER JOIN messages AS m ON c.tenant_id = m.tenant_id AND c.id = m.conversation_id
    WHERE c.contact_id = :contact
    UNION ALL
    SELECT m.*
    FROM messages AS m
    WHERE m.id = ANY(:in_groups::uuid[])
) AS m
CROSS JOIN
    LATERAL (
        SELECT uuid_extract_timestamp(m.id) AS at
        UNION ALL
        SELECT m.created_at
        UNION ALL
        SELECT (t.value ->> 'seenAt')::timestamptz FROM jsonb_array_elements(m.timeline) AS t
    ) AS near;

-- name: waiting() -> many WaitingErasureRow
-- Erasures whose raw webhooks are still to be looked through.
-- Index: contact_erasures_waiting_ix
-- as: system
SELECT
    tenant_id,
    id
FROM contact_erasures
WHERE done_at IS NULL AND crm.is_due(due_at)
ORDER BY due_at, id
LIMIT 20;

-- name: take(id uuid) -> many SpanRow
-- The spans of an erasure with what to look for, for a minute.
-- Index: contact_erasures_waiting_ix
WITH taken AS (
    UPDATE contact_erasures
    SET due_at = now() + INTERVAL '1 minute'
    WHERE id = :id AND done_at IS NULL AND crm.is_due(due_at)
    RETURNING needles, lanes, spans
)

SELECT
    t.needles,
    t.lanes,
    lower(s.span) AS since,
    upper(s.span) AS until
FROM taken AS t
CROSS JOIN unnest(t.spans) AS s (span)
ORDER BY since;

-- name: raw(since timestamptz, until timestamptz, lanes text[], needles text[], max bigint) -> many RawRow
-- Raw webhooks of a span, over these numbers or none, that hold one of the words; what waits to be worked is left.
-- Index: webhook_events_pkey, webhook_waiting_pkey
-- as: system
SELECT
    e.received_at,
    e.id,
    e.body
FROM webhook_events AS e
WHERE
    e.received_at BETWEEN :since AND :until
    AND e.lane = ANY(array_append(:lanes::text[], ''))
    AND EXISTS (
        SELECT FROM unnest(:needles::text[]) AS n (value) WHERE position(convert_to(n.value, 'UTF8') IN e.body) > 0
    )
    AND NOT EXISTS (
        SELECT FROM webhook_waiting AS w WHERE w.lane = e.lane AND w.received_at = e.received_at AND w.id = e.id
    )
ORDER BY e.received_at, e.id
LIMIT :max;

-- name: rewrite(received_at timestamptz, id uuid, body bytea) -> none
-- A raw webhook without what it held of a person.
-- Index: webhook_events_pkey
-- as: system
UPDATE webhook_events SET body = :body WHERE received_at = :received_at AND id = :id;

-- name: looked_through(id uuid) -> none
-- Nothing more is to be looked for, and the words are forgotten.
-- Index: contact_erasures_waiting_ix
UPDATE contact_erasures
SET needles = '{}', spans = '{}', done_at = now()
WHERE id = :id AND done_at IS NULL;

-- name: keepers(hours int[]) -> many KeeperRow
-- Hotels that keep messages for a term, where it is night and tonight's work is not done; or for two days was not.
-- as: system
SELECT t.id AS tenant_id
FROM tenants AS t
LEFT JOIN retentions AS r ON t.id = r.tenant_id
WHERE
    jsonb_typeof(t.settings -> 'retentionDays') = 'number'
    AND (r.ran_at IS NULL OR r.ran_at < now() - INTERVAL '20 hours')
    AND (
        extract(HOUR FROM now() AT TIME ZONE t.timezone) = ANY(:hours::integer[])
        OR coalesce(r.ran_at, t.created_at) < now() - INTERVAL '2 days'
    )
ORDER BY t.id;

-- name: night() -> maybe NightRow
-- What tonight's work is; no row where messages are kept for ever.
-- Index: tenants_pkey, retentions_pkey
SELECT
    coalesce(r.kept_since, '-infinity') AS since,
    now() - greatest((t.settings ->> 'retentionDays')::float8, 30) * INTERVAL '1 day' AS cut,
    coalesce(r.seen_id, 'ffffffff-ffff-ffff-ffff-ffffffffffff') AS seen,
    uuidv7(-INTERVAL '10 minutes') AS mark
FROM tenants AS t
LEFT JOIN retentions AS r ON t.id = r.tenant_id
WHERE t.id = (SELECT crm.current_tenant_id()) AND jsonb_typeof(t.settings -> 'retentionDays') = 'number';

-- name: dawn(cut timestamptz, seen uuid) -> none
-- All that is older is blank, and all that came in before was looked at.
-- Index: retentions_pkey
INSERT INTO retentions (kept_since, seen_id)
VALUES (:cut, :seen)
ON CONFLICT (tenant_id) DO UPDATE SET
    kept_since = greatest(retentions.kept_since, excluded.kept_since),
    seen_id = excluded.seen_id,
    ran_at = now();

-- name: walk(since timestamptz, cut timestamptz, after uuid, max bigint) -> many WalkedRow
-- The next conversations, and whether something in them became too old: a message or a note of between. The list's
-- newest message does not tell: what a blocked guest writes, a canceled send and a note leave it as it was.
-- Each is looked up by itself: an EXISTS beside another may be answered by reading the whole tenant.
-- Index: conversations_pkey, messages_history_ix, conversation_entries_pkey
WITH next AS MATERIALIZED (
    SELECT id
    FROM conversations
    WHERE id > :after
    ORDER BY id
    LIMIT :max
)

SELECT
    next.id,
    coalesce(
        (
            SELECT TRUE
            FROM messages AS m
            WHERE
                m.conversation_id = next.id AND m.created_at >= :since AND m.created_at < :cut
                AND m.erased_at IS NULL
            ORDER BY m.created_at DESC
            LIMIT 1
        ),
        (
            SELECT TRUE
            FROM conversation_entries AS e
            WHERE
                e.conversation_id = next.id AND e.created_at >= :since AND e.created_at < :cut
                AND e.content IS NOT NULL
            ORDER BY e.id
            LIMIT 1
        ),
        FALSE
    ) AS ripe
FROM next
ORDER BY next.id;

-- name: old(conversations uuid[], since timestamptz, cut timestamptz, max bigint) -> many OldRow
-- Messages that became too old; what waits to be sent is not touched.
-- Index: messages_history_ix
SELECT id
FROM messages
WHERE
    conversation_id = ANY(:conversations::uuid[])
    AND created_at >= :since
    AND created_at < :cut
    AND erased_at IS NULL
    AND status NOT IN ('SCHEDULED', 'QUEUED', 'SENDING')
ORDER BY id
LIMIT :max;

-- name: late(seen uuid, cut timestamptz, max bigint) -> many OldRow
-- Messages that came in lately and are too old all the same.
-- Index: messages_pkey
SELECT id
FROM messages
WHERE
    id > :seen
    AND created_at < :cut
    AND erased_at IS NULL
    AND status NOT IN ('SCHEDULED', 'QUEUED', 'SENDING')
ORDER BY id
LIMIT :max;

-- name: hold_files(messages uuid[]) -> none
-- The files of these messages, held until the commit.
-- Index: messages_pkey, message_files_pkey, media_pkey
SELECT id
FROM media
WHERE
    id IN (
        SELECT media_id FROM messages WHERE id = ANY(:messages::uuid[])
        UNION ALL
        SELECT media_id FROM message_files WHERE message_id = ANY(:messages)
    )
ORDER BY id
FOR NO KEY UPDATE;

-- name: silence(ids uuid[]) -> many SilencedRow
-- Messages, and the list where it shows one of them, say nothing any more; not what waits to be sent again since.
-- Index: messages_pkey, conversations_pkey, message_files_pkey
WITH loud AS MATERIALIZED (
    SELECT id
    FROM messages
    WHERE
        id = ANY(:ids::uuid[])
        AND erased_at IS NULL
        AND status NOT IN ('SCHEDULED', 'QUEUED', 'SENDING')
    ORDER BY id
    FOR NO KEY UPDATE
),

silenced AS (
    UPDATE messages AS m
    SET
        content = NULL,
        payload = NULL,
        reactions = NULL,
        wamid = NULL,
        target_wamid = NULL,
        retired_wamids = '{}',
        erased_at = now()
    FROM loud
    WHERE m.id = loud.id
    RETURNING m.id, m.conversation_id, m.media_id
),

listed AS (
    UPDATE conversations AS c
    SET last_message_preview = NULL
    FROM silenced AS s
    WHERE c.id = s.conversation_id AND c.last_message_id = s.id
)

SELECT media_id FROM silenced
UNION ALL
SELECT c.media_id FROM silenced AS s INNER JOIN message_files AS c ON s.id = c.message_id;

-- name: forget_notes(conversations uuid[], cut timestamptz) -> none
-- Notes that are too old say nothing any more.
-- Index: conversation_entries_pkey
UPDATE conversation_entries
SET content = NULL
WHERE conversation_id = ANY(:conversations::uuid[]) AND created_at < :cut AND content IS NOT NULL;

-- name: alone(ids uuid[]) -> many FileRow
-- Those of these files that no message shows any more.
-- Index: media_pkey, messages_media_ix, message_files_media_ix
SELECT
    f.id,
    f.state,
    f.mime_type,
    f.filename,
    f.size,
    f.sha256
FROM unnest(:ids::uuid[]) AS given (id)
INNER JOIN media AS f ON given.id = f.id
WHERE
    NOT EXISTS (SELECT FROM messages AS m WHERE m.media_id = f.id AND m.erased_at IS NULL)
    AND NOT EXISTS (
        SELECT FROM message_files AS c
        INNER JOIN messages AS m ON c.message_id = m.id
        WHERE c.media_id = f.id AND m.erased_at IS NULL
    );
