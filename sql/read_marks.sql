-- Read marks and typing. Called by crm/read_marks.py in a tenant's transaction.

-- name: newest(conversation uuid, typing boolean) -> maybe ReadMarkRow
-- The newest message a customer wrote here within Meta's 30 days, where the number shows reading (and typing, for
-- which Meta marks as read too) and does not rest, and the customer is not blocked. Marking it marks all before it.
-- Index: conversations_pkey, channels_pkey, messages_history_ix
SELECT
    newest.wamid,
    ch.phone_number_id,
    ch.access_token
FROM conversations AS c
INNER JOIN channels AS ch ON c.channel_id = ch.id
INNER JOIN contacts AS p ON c.contact_id = p.id
CROSS JOIN
    LATERAL (
        SELECT m.wamid
        FROM messages AS m
        WHERE
            c.id = m.conversation_id
            AND m.created_at > now() - INTERVAL '30 days'
            AND m.direction = 'INBOUND'
            AND m.origin IS NULL
            AND m.wamid IS NOT NULL
        ORDER BY m.created_at DESC, m.id DESC
        LIMIT 1
    ) AS newest
WHERE
    c.id = :conversation
    AND NOT p.blocked
    AND ch.deleted_at IS NULL
    AND ch.access_token IS NOT NULL
    AND crm.is_due(coalesce(ch.paused_until, '-infinity'))
    AND ch.send_read_receipts
    AND (ch.send_typing OR NOT :typing);
