-- The conversations of contacts that people change. Called by crm/whose.py in a tenant's transaction.

-- name: open_with(contacts uuid[]) -> many WhoseRow
-- The conversations that are open with these contacts, as far as the caller sees them.
-- Index: conversations_open_key
SELECT id
FROM conversations
WHERE contact_id = ANY(:contacts::uuid[]) AND status <> 'CLOSED';

-- name: reveal(contact uuid) -> none
-- The list shows what a contact wrote while it was blocked, at its place and as read.
-- Index: conversations_contact_ix, messages_history_ix
WITH newest AS (
    SELECT
        last.*,
        own.id AS conversation_id
    FROM conversations AS own
    CROSS JOIN
        LATERAL ( -- noqa: ST05
            SELECT
                id,
                direction,
                type,
                content,
                status,
                created_at
            FROM messages
            WHERE conversation_id = own.id AND status NOT IN ('SCHEDULED', 'CANCELED')
            ORDER BY created_at DESC, id DESC
            LIMIT 1
        ) AS last
    WHERE own.contact_id = :contact
)

UPDATE conversations AS c
SET
    last_message_id = newest.id,
    last_message_direction = newest.direction,
    last_message_type = newest.type,
    last_message_preview = left(coalesce(newest.content, '[' || newest.type || ']'), 120),
    last_message_status = newest.status,
    last_message_at = newest.created_at,
    updated_at = now()
FROM newest
WHERE c.id = newest.conversation_id AND newest.id IS DISTINCT FROM c.last_message_id;
