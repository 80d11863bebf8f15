-- Drafts: one of each person in each conversation. Called by crm/conversations/drafts.py in a tenant's transaction.

-- name: get(person uuid, conversation uuid) -> maybe DraftRow
-- What the person has begun here.
-- Index: drafts_pkey
SELECT
    content,
    updated_at
FROM drafts
WHERE user_id = :person AND conversation_id = :conversation;

-- name: put(person uuid, conversation uuid, content text) -> one DraftRow
-- Keeps what was begun.
-- Index: drafts_pkey
INSERT INTO drafts (user_id, conversation_id, content)
VALUES (:person, :conversation, :content)
ON CONFLICT (tenant_id, conversation_id, user_id) DO UPDATE SET content = excluded.content, updated_at = now()
RETURNING content, updated_at;

-- name: forget(person uuid, conversation uuid) -> count
-- Forgets it.
-- Index: drafts_pkey
DELETE FROM drafts
WHERE user_id = :person AND conversation_id = :conversation;
