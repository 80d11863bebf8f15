-- Searching messages by their words (crm.found, migration 0028), and the page of what was found.
-- Called by crm/messages/search.py in a tenant's transaction.

-- name: found(pieces text[], conversation uuid, since timestamptz, side text, before timestamptz, before_id uuid) -> many FoundRow
-- The newest 101 messages with these words before a place; without a rank: it was looked as far back as that.
-- plan: custom
SELECT
    at,
    message_id,
    rank::float8 AS rank
FROM crm.found(:pieces, :conversation, :since, :side, :before, :before_id);

-- name: page(ids uuid[], pieces text[]) -> many HitRow
-- What a page shows of these: the message, whom its conversation is with, and its words, the hits between U+E000 and
-- U+E001.
-- Index: messages_pkey, conversations_pkey, contacts_pkey
SELECT
    m.id,
    m.conversation_id,
    m.direction,
    m.type,
    m.status,
    m.content,
    m.media,
    m.payload,
    m.wamid,
    m.reply_to,
    m.sent_by,
    m.error,
    m.created_at,
    m.sent_at,
    m.delivered_at,
    m.read_at,
    m.failed_at,
    m.send_at,
    m.origin,
    m.reactions,
    m.edited_at,
    m.revoked_at,
    p.id AS contact_id,
    coalesce(p.name, p.profile_name) AS contact_name,
    ts_headline(
        'crm.portuguese', translate(crm.searchable(m), U&'\E000\E001', ''), crm.asked(:pieces),
        U&'StartSel=\E000, StopSel=\E001, MaxWords=30, MinWords=12, ShortWord=0'
    ) AS snippet
FROM messages AS m
INNER JOIN conversations AS c ON m.tenant_id = c.tenant_id AND m.conversation_id = c.id
INNER JOIN contacts AS p ON c.tenant_id = p.tenant_id AND c.contact_id = p.id
WHERE m.id = ANY(:ids::uuid[]);
