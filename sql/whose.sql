-- The conversations of contacts that people change. Called by crm/whose.py in a tenant's transaction.

-- name: talks(contacts uuid[], max bigint) -> many WhoseRow
-- The newest conversations with these contacts.
-- Index: conversations_contact_ix
SELECT id
FROM conversations
WHERE contact_id = ANY(:contacts::uuid[])
ORDER BY id DESC
LIMIT :max;
