-- Stays of guests, and the messages that follow their dates. Called by crm/stays/ in a tenant's transaction; the sweep
-- asks as crm_system who has something due.

-- name: put(contact uuid, code text, check_in date, check_out date, room text, language text, status text) -> maybe StayRow
-- Adds a stay, or changes it; no row where it stands so already, or there is no such contact. One that was merged
-- leads to who it is now.
-- Index: contacts_pkey, stays_code_key
INSERT INTO stays (contact_id, code, check_in, check_out, room, language, status, due_at)
SELECT
    coalesce(merged_into, id),
    :code,
    :check_in,
    :check_out,
    :room,
    :language,
    :status,
    now()
FROM contacts
WHERE id = :contact
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
-- Index: contacts_pkey, stays_code_key
SELECT
    s.id,
    s.contact_id,
    s.code,
    s.check_in,
    s.check_out,
    s.room,
    s.language,
    s.status,
    s.created_at,
    s.updated_at
FROM contacts AS p
INNER JOIN stays AS s ON p.tenant_id = s.tenant_id AND s.contact_id = coalesce(p.merged_into, p.id)
WHERE p.id = :contact AND s.code = :code;

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
    template
FROM stay_messages
WHERE deleted_at IS NULL
ORDER BY id;

-- name: add_rule(name text, anchor text, offset_days int, at text, content text, template jsonb, most bigint) -> maybe RuleRow
-- Adds a rule, unless the hotel has `most` already.
-- Index: stay_messages_pkey
INSERT INTO stay_messages (name, anchor, offset_days, at, content, template)
SELECT
    :name,
    :anchor,
    :offset_days,
    :at::text::time,
    :content,
    :template
WHERE (SELECT count(*) FROM stay_messages WHERE deleted_at IS NULL) < :most
RETURNING id, name, anchor, offset_days, to_char(at, 'HH24:MI') AS at, content, template;

-- name: remove_rule(id uuid) -> count
-- A rule is not followed any more.
-- Index: stay_messages_pkey
UPDATE stay_messages
SET deleted_at = now()
WHERE id = :id AND deleted_at IS NULL;

-- name: look_at_all(days int) -> none
-- Rules have changed: every stay that has not ended for so many days is looked at again.
-- Index: stays_leaving_ix
UPDATE stays
SET due_at = now()
WHERE check_out >= (now() - :days::int * INTERVAL '1 day')::date;

-- name: due_hotels() -> many HotelRow
-- Hotels with stays to look at. Ids only.
-- Index: stays_due_ix
-- as: system
SELECT DISTINCT tenant_id
FROM stays
WHERE due_at <= now();

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
-- Index: stays_pkey, stay_sends_pkey
SELECT
    s.id AS stay_id,
    s.contact_id,
    r.id AS rule_id,
    r.content,
    r.template,
    s.code,
    s.check_in,
    s.check_out,
    s.room,
    coalesce(p.name, p.profile_name) AS name,
    CASE
        WHEN s.status NOT IN ('CANCELED', 'NO_SHOW') AND r.deleted_at IS NULL
            THEN (
                CASE r.anchor WHEN 'check_in' THEN s.check_in ELSE s.check_out END + r.offset_days + r.at
            ) AT TIME ZONE t.timezone
    END AS wanted_at,
    x.message_id,
    x.send_at
FROM stays AS s
CROSS JOIN stay_messages AS r
CROSS JOIN tenants AS t
INNER JOIN contacts AS p ON s.tenant_id = p.tenant_id AND s.contact_id = p.id
LEFT JOIN stay_sends AS x ON s.tenant_id = x.tenant_id AND s.id = x.stay_id AND r.id = x.rule_id
WHERE s.id = ANY(:ids::uuid[]) AND (r.deleted_at IS NULL OR x.rule_id IS NOT NULL);

-- name: take(stay uuid, rule uuid, at timestamptz) -> count
-- This stay gets its message by this rule now, and never again: the key decides.
-- Index: stay_sends_pkey
INSERT INTO stay_sends (stay_id, rule_id, send_at)
VALUES (:stay, :rule, :at)
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
