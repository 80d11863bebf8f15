-- Quick replies: texts kept under a shortcut. Called by crm/quick_replies.py in a tenant's transaction.

-- name: page(search text, skip bigint, max bigint) -> many ReplyRow
-- Those whose shortcut begins so, by shortcut.
SELECT
    id,
    shortcut,
    content
FROM quick_replies
WHERE :search::text IS NULL OR starts_with(lower(shortcut), lower(:search))
ORDER BY lower(shortcut), id
LIMIT :max OFFSET :skip;

-- name: total(search text) -> value bigint
-- How many there are of these.
SELECT count(*)
FROM quick_replies
WHERE :search::text IS NULL OR starts_with(lower(shortcut), lower(:search));

-- name: insert(shortcut text, content text) -> maybe ReplyRow
-- Adds one; nothing when the shortcut is taken, in whatever case.
-- Index: quick_replies_shortcut_key
INSERT INTO quick_replies (shortcut, content)
VALUES (:shortcut, :content)
ON CONFLICT (tenant_id, lower(shortcut)) DO NOTHING
RETURNING id, shortcut, content;

-- name: id_of(shortcut text) -> value uuid
-- Which one has this shortcut.
-- Index: quick_replies_shortcut_key
SELECT id
FROM quick_replies
WHERE lower(shortcut) = lower(:shortcut);

-- name: change(id uuid, shortcut text, content text) -> maybe ReplyRow
-- Another shortcut or text, where one is given.
-- Index: quick_replies_pkey
UPDATE quick_replies AS q
SET shortcut = coalesce(:shortcut, q.shortcut), content = coalesce(:content, q.content), updated_at = now()
WHERE q.id = :id
RETURNING q.id, q.shortcut, q.content;

-- name: delete(id uuid) -> count
-- Takes it away.
-- Index: quick_replies_pkey
DELETE FROM quick_replies
WHERE id = :id;

-- name: words(id uuid, conversation uuid, who uuid) -> maybe WordsRow
-- The text, and what its placeholders stand for in a conversation.
-- Index: quick_replies_pkey, conversations_pkey, contacts_pkey
SELECT
    q.content,
    coalesce(p.name, p.profile_name, '') AS contact,
    coalesce(u.name, '') AS attendant,
    t.name AS tenant
FROM quick_replies AS q
INNER JOIN conversations AS c ON q.tenant_id = c.tenant_id AND c.id = :conversation
INNER JOIN contacts AS p ON c.tenant_id = p.tenant_id AND c.contact_id = p.id
INNER JOIN tenants AS t ON q.tenant_id = t.id
LEFT JOIN users AS u ON q.tenant_id = u.tenant_id AND u.id = :who
WHERE q.id = :id;
