-- Stays of guests, and the messages that follow their dates. Called by crm/stays/ in a tenant's transaction; the sweep
-- asks as crm_system who has something due.

-- name: put(contact uuid, code text, check_in date, check_out date, room text, language text, status text) -> maybe StayRow
-- Adds a stay, or changes it; no row where it stands so already.
-- Index: stays_code_key
INSERT INTO stays (contact_id, code, check_in, check_out, room, language, status, due_at)
VALUES (:contact, :code, :check_in, :check_out, :room, :language, :status, now())
ON CONFLICT (tenant_id, contact_id, code) DO UPDATE
    SET
        check_in = excluded.check_in,
        check_out = excluded.check_out,
        room = excluded.room,
        language = excluded.language,
        status = excluded.status,
        due_at = now(),
        updated_at = now()
    WHERE
    (stays.check_in, stays.check_out, stays.room, stays.language, stays.status)
    IS DISTINCT FROM (excluded.check_in, excluded.check_out, excluded.room, excluded.language, excluded.status)
RETURNING id, contact_id, code, check_in, check_out, room, language, status, created_at, updated_at;

-- name: get(contact uuid, code text) -> maybe StayRow
-- A contact's stay by its reservation's code.
-- Index: stays_code_key
SELECT
    id,
    contact_id,
    code,
    check_in,
    check_out,
    room,
    language,
    status,
    created_at,
    updated_at
FROM stays
WHERE contact_id = :contact AND code = :code;

-- name: hold(contact uuid, code text) -> value uuid
-- A contact's stay, held until the commit. Whoever plans it is waited for, and then its messages are seen.
-- Index: stays_code_key
SELECT id
FROM stays
WHERE contact_id = :contact AND code = :code
FOR UPDATE;

-- name: of(contact uuid) -> many StayRow
-- A contact's stays, the latest arrival first.
-- Index: stays_code_key
SELECT
    id,
    contact_id,
    code,
    check_in,
    check_out,
    room,
    language,
    status,
    created_at,
    updated_at
FROM stays
WHERE contact_id = :contact
ORDER BY check_in DESC, id DESC
LIMIT 100;

-- name: remove(id uuid) -> count
-- Deletes a stay.
-- Index: stays_pkey
DELETE FROM stays
WHERE id = :id;

-- name: rules() -> many RuleRow
-- The hotel's rules, the oldest first.
-- Index: stay_messages_pkey
SELECT
    id,
    name,
    anchor,
    offset_days,
    to_char(at, 'HH24:MI') AS at,
    content,
    template,
    channel_id
FROM stay_messages
WHERE deleted_at IS NULL
ORDER BY id;

-- name: add_rule(name text, anchor text, offset_days int, at text, content text, template jsonb, channel uuid, most bigint) -> maybe RuleRow
-- Adds a rule, unless the hotel has `most` already.
-- Index: stay_messages_pkey
INSERT INTO stay_messages (name, anchor, offset_days, at, content, template, channel_id, look_from)
SELECT
    :name,
    :anchor,
    :offset_days,
    :at::text::time,
    :content,
    :template,
    :channel,
    crm.stays_since()
WHERE (SELECT count(*) FROM stay_messages WHERE deleted_at IS NULL) < :most
RETURNING id, name, anchor, offset_days, to_char(at, 'HH24:MI') AS at, content, template, channel_id;

-- name: change_rule(id uuid, name text, anchor text, offset_days int, at text, new_body boolean, content text, template jsonb, new_channel boolean, channel uuid) -> maybe RuleRow
-- Changes what is not NULL; a body and a channel where they are said to be new. A new name alone moves no message.
-- Index: stay_messages_pkey
WITH wanted AS (
    SELECT
        tenant_id,
        id,
        coalesce(:name, name) AS name,
        coalesce(:anchor, anchor) AS anchor,
        coalesce(:offset_days, offset_days) AS offset_days,
        coalesce(:at::text::time, at) AS at,
        CASE WHEN :new_body THEN :content ELSE content END AS content,
        CASE WHEN :new_body THEN :template ELSE template END AS template,
        CASE WHEN :new_channel THEN :channel ELSE channel_id END AS channel_id
    FROM stay_messages
    WHERE id = :id AND deleted_at IS NULL
    FOR NO KEY UPDATE
)

UPDATE stay_messages AS r
SET
    name = w.name,
    anchor = w.anchor,
    offset_days = w.offset_days,
    at = w.at,
    content = w.content,
    template = w.template,
    channel_id = w.channel_id,
    revision = CASE
        WHEN (r.content, r.template, r.channel_id) IS NOT DISTINCT FROM (w.content, w.template, w.channel_id)
            THEN r.revision
        ELSE r.revision + 1
    END,
    look_from = CASE
        WHEN
            (r.anchor, r.offset_days, r.at) IS NOT DISTINCT FROM (w.anchor, w.offset_days, w.at)
            AND (r.content, r.template, r.channel_id) IS NOT DISTINCT FROM (w.content, w.template, w.channel_id)
            THEN r.look_from
        ELSE crm.stays_since()
    END
FROM wanted AS w
WHERE r.tenant_id = w.tenant_id AND r.id = w.id
RETURNING
    r.id, r.name, r.anchor, r.offset_days, to_char(r.at, 'HH24:MI') AS at, r.content, r.template, r.channel_id;

-- name: remove_rule(id uuid) -> count
-- A rule is not followed any more.
-- Index: stay_messages_pkey
UPDATE stay_messages
SET deleted_at = now(), look_from = crm.stays_since()
WHERE id = :id AND deleted_at IS NULL;

-- name: changed_rule() -> maybe ChangedRuleRow
-- A rule whose change is not yet brought to all stays, held until the commit. What marks the stays is a statement of
-- its own: it must see what was committed before this lock, and so before the rule's change.
-- Index: stay_messages_look_ix
SELECT
    id,
    look_from
FROM stay_messages
WHERE look_from IS NOT NULL
ORDER BY id
LIMIT 1
FOR NO KEY UPDATE;

-- name: next_end(since date) -> value date
-- The first day, from this one on, on which a stay ends.
-- Index: stays_leaving_ix
SELECT check_out
FROM stays
WHERE check_out >= :since
ORDER BY check_out
LIMIT 1;

-- name: look_at(since date, until date) -> none
-- Stays that end from one day to another (not included) are looked at again. Also those that are due: a worker that
-- has taken one may have read the rule as it was, so this waits for it.
-- Index: stays_leaving_ix
UPDATE stays
SET due_at = now()
WHERE check_out >= :since AND check_out < :until;

-- name: looked(id uuid, since date) -> none
-- From which day on stays are still to be looked at for this rule; NULL: none.
-- Index: stay_messages_pkey
UPDATE stay_messages
SET look_from = :since
WHERE id = :id;

-- name: due_hotels() -> many HotelRow
-- Hotels with stays to look at, or with rules that changed. Ids only.
-- Index: stays_due_ix, stay_messages_look_ix
-- as: system
SELECT tenant_id
FROM stays
WHERE due_at <= now()
UNION
SELECT tenant_id
FROM stay_messages
WHERE look_from IS NOT NULL;

-- name: claim(max bigint) -> many ClaimedStayRow
-- Takes stays that are due; they are held until the commit, and no other worker waits for them.
-- Index: stays_due_ix
WITH due AS (
    SELECT id
    FROM stays
    WHERE due_at <= now()
    ORDER BY due_at
    LIMIT :max
    FOR NO KEY UPDATE SKIP LOCKED
)

UPDATE stays AS s
SET due_at = NULL
FROM due
WHERE s.id = due.id
RETURNING s.id;

-- name: plan(ids uuid[]) -> many PlanRow
-- Each stay with each rule: when its message is wanted (NULL: not), and the one there is. A time of the hotel's day.
-- A stay that a merged contact kept is one that the survivor has too: nobody is written to twice for it. A message that
-- lies with another contact (the two were one when it was planned) is made anew.
-- Index: stays_pkey, stay_sends_pkey, messages_pkey
SELECT
    s.id AS stay_id,
    s.contact_id,
    r.id AS rule_id,
    r.content,
    r.template,
    r.channel_id,
    r.revision,
    s.code,
    s.check_in,
    s.check_out,
    s.room,
    coalesce(p.name, p.profile_name) AS name,
    CASE
        WHEN
            s.status NOT IN ('CANCELED', 'NO_SHOW') AND r.deleted_at IS NULL
            AND p.erased_at IS NULL AND p.merged_into IS NULL
            THEN (
                CASE r.anchor WHEN 'check_in' THEN s.check_in ELSE s.check_out END + r.offset_days + r.at
            ) AT TIME ZONE t.timezone
    END AS wanted_at,
    x.message_id,
    x.send_at,
    coalesce(
        x.revision <> r.revision
        OR s.contact_id <> (
            SELECT c.contact_id
            FROM messages AS m
            INNER JOIN conversations AS c ON m.tenant_id = c.tenant_id AND m.conversation_id = c.id
            WHERE m.id = x.message_id
        ),
        FALSE
    ) AS revised,
    x.words
FROM stays AS s
CROSS JOIN stay_messages AS r
CROSS JOIN tenants AS t
INNER JOIN contacts AS p ON s.tenant_id = p.tenant_id AND s.contact_id = p.id
LEFT JOIN stay_sends AS x ON s.tenant_id = x.tenant_id AND s.id = x.stay_id AND r.id = x.rule_id
WHERE s.id = ANY(:ids::uuid[]) AND (r.deleted_at IS NULL OR x.rule_id IS NOT NULL);

-- name: take(stay uuid, rule uuid, revision int, words bytea, at timestamptz) -> count
-- This stay gets its message by this rule now, and never again: the key decides.
-- Index: stay_sends_pkey
INSERT INTO stay_sends (stay_id, rule_id, revision, words, send_at)
VALUES (:stay, :rule, :revision, :words, :at)
ON CONFLICT (tenant_id, stay_id, rule_id) DO NOTHING;

-- name: taken_by(stay uuid, rule uuid, message uuid, at timestamptz) -> none
-- The message that was scheduled, or when it goes now.
-- Index: stay_sends_pkey
UPDATE stay_sends
SET message_id = :message, send_at = :at
WHERE stay_id = :stay AND rule_id = :rule;

-- name: drop_send(stay uuid, rule uuid) -> none
-- What was planned was taken back; it may be planned anew.
-- Index: stay_sends_pkey
DELETE FROM stay_sends
WHERE stay_id = :stay AND rule_id = :rule;

-- name: look_again(id uuid, at timestamptz) -> none
-- The worker looks at this stay again then.
-- Index: stays_pkey
UPDATE stays
SET due_at = least(due_at, :at)
WHERE id = :id;

-- name: sends_of(id uuid) -> many PlannedRow
-- The messages planned for a stay.
-- Index: stay_sends_pkey
SELECT message_id
FROM stay_sends
WHERE stay_id = :id;
