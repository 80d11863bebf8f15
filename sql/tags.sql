-- Tags: their names and colours. What bears one holds its name, and follows. Called by crm/tags.py in a tenant's
-- transaction.

-- name: page(skip bigint, max bigint) -> many TagRow
-- A hotel's tags by name.
SELECT
    id,
    name,
    color
FROM tags
ORDER BY lower(name), id
LIMIT :max OFFSET :skip;

-- name: total() -> value bigint
-- How many there are.
SELECT count(*)
FROM tags;

-- name: insert(name text, color text) -> maybe TagRow
-- Adds one; nothing when the name is taken, in whatever case.
-- Index: tags_name_key
INSERT INTO tags (name, color)
VALUES (:name, :color)
ON CONFLICT (tenant_id, lower(name)) DO NOTHING
RETURNING id, name, color;

-- name: id_of(name text) -> value uuid
-- Which one is called so.
-- Index: tags_name_key
SELECT id
FROM tags
WHERE lower(name) = lower(:name);

-- name: change(id uuid, name text, color text) -> one TagRow
-- Another name or colour, where one is given.
-- Index: tags_pkey
UPDATE tags
SET name = coalesce(:name, name), color = coalesce(:color, color), updated_at = now()
WHERE id = :id
RETURNING id, name, color;

-- name: delete(id uuid) -> count
-- Takes it away.
-- Index: tags_pkey
DELETE FROM tags
WHERE id = :id;

-- name: hold(id uuid) -> maybe TagRow
-- One tag, which nobody else changes until the end of the transaction.
-- Index: tags_pkey
SELECT
    id,
    name,
    color
FROM tags
WHERE id = :id
FOR UPDATE;

-- name: follow_conversations(was text, name text, max bigint) -> count
-- So many conversations that bear it bear its new name, once; or, without one, it no more.
-- Index: conversation_tags_recent_ix, conversations_pkey
UPDATE conversations AS c
SET tags = array_remove(array_replace(array_remove(c.tags, :name), :was, :name), NULL), updated_at = now()
FROM (
    SELECT
        tenant_id,
        conversation_id
    FROM conversation_tags
    WHERE tag = :was
    ORDER BY archived ASC, last_message_at DESC, conversation_id DESC
    LIMIT :max
) AS t
WHERE c.tenant_id = t.tenant_id AND c.id = t.conversation_id;

-- name: follow_contacts(was text, name text, max bigint) -> count
-- So many contacts, too. It reads the hotel's contacts: none of their indexes may be asked for a tag under row security.
UPDATE contacts AS p
SET tags = array_remove(array_replace(array_remove(p.tags, :name), :was, :name), NULL)
WHERE
    p.id IN (
        SELECT bearing.id
        FROM contacts AS bearing
        WHERE :was = ANY(bearing.tags)
        ORDER BY bearing.id
        LIMIT :max
    );
