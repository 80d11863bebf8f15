-- What a person sends, put into its lane: a statement that itself decides whether it may go, and why it may not.
-- Called by crm/messages/ in a tenant's transaction. What happens to it afterwards is in sends.sql.

-- name: mime_type(file uuid) -> value text
-- What a file is. No row: there is no such file.
-- Index: media_pkey
SELECT split_part(mime_type, ';', 1)
FROM media
WHERE id = :file;

-- name: queue(conversation uuid, type text, content text, payload jsonb, media_id uuid, mime_types text[], most bigint, most_animated bigint, template uuid, reply_to uuid, client_id text, sent_by uuid, send_at timestamptz) -> maybe MessageRow
-- Queues a message to a contact that is not blocked, or schedules it. The 24-hour window is open (then), or it is a template that is approved and whose
-- customer wants it; its file is there and of a kind that its type takes; what it quotes is in the conversation. Who erases the contact holds it: that is
-- waited for, and erased_at is then read anew, though the window is not.
-- Index: conversations_pkey, media_pkey, templates_pkey, messages_pkey
INSERT INTO messages (
    conversation_id, channel_id, direction, type, status, content, payload, media_id, media, reply_to,
    target_wamid, client_message_id, sent_by, next_attempt_at, send_at
)
SELECT
    c.id,
    c.channel_id,
    'OUTBOUND',
    :type,
    CASE WHEN :send_at::timestamptz IS NULL THEN 'QUEUED' ELSE 'SCHEDULED' END,
    :content,
    :payload,
    f.id AS media_id,
    CASE WHEN f.id IS NOT NULL THEN crm.media_shown(f) END,
    quoted.id AS reply_to,
    CASE WHEN :type = 'reaction' THEN quoted.wamid END AS target_wamid,
    :client_id,
    :sent_by,
    now(),
    :send_at
FROM conversations AS c
INNER JOIN contacts AS p ON c.contact_id = p.id
LEFT JOIN media AS f
    ON
        f.id = :media_id AND f.state = 'READY' AND split_part(f.mime_type, ';', 1) = ANY(:mime_types::text[])
        AND f.size <= CASE WHEN f.animated THEN :most_animated ELSE :most::bigint END
LEFT JOIN templates AS t ON t.id = :template
LEFT JOIN messages AS quoted ON c.id = quoted.conversation_id AND quoted.id = :reply_to
WHERE
    c.id = :conversation
    AND NOT p.blocked
    AND p.erased_at IS NULL
    AND CASE
        WHEN :template::uuid IS NULL THEN c.window_expires_at > coalesce(:send_at, now())
        ELSE t.status = 'APPROVED' AND NOT (t.category = 'MARKETING' AND p.marketing_opt_out)
    END
    AND (:media_id::uuid IS NULL OR f.id IS NOT NULL)
    AND (:reply_to::uuid IS NULL OR quoted.id IS NOT NULL)
    AND (
        :type <> 'reaction'
        OR (
            quoted.wamid IS NOT NULL AND quoted.type <> 'reaction'
            AND quoted.created_at > now() - INTERVAL '30 days'
        )
    )
FOR KEY SHARE OF p
ON CONFLICT (tenant_id, conversation_id, client_message_id) WHERE client_message_id IS NOT NULL DO NOTHING
RETURNING
    id, conversation_id, direction, type, status, content, media, payload, wamid, reply_to, sent_by, error,
    created_at, sent_at, delivered_at, read_at, failed_at, send_at, origin, reactions, edited_at, revoked_at;

-- name: place_behind(id uuid) -> one MessageRow
-- Places a message of this transaction, which holds its conversation, behind what was said there meanwhile: it began
-- before that and came to the conversation after it. So nothing stands before what was there first.
-- Index: messages_pkey, conversations_pkey
UPDATE messages AS m
SET created_at = greatest(clock_timestamp(), c.last_message_at + INTERVAL '1 microsecond')
FROM conversations AS c
WHERE m.id = :id AND m.tenant_id = c.tenant_id AND m.conversation_id = c.id
RETURNING
    m.id, m.conversation_id, m.direction, m.type, m.status, m.content, m.media, m.payload, m.wamid, m.reply_to,
    m.sent_by, m.error, m.created_at, m.sent_at, m.delivered_at, m.read_at, m.failed_at, m.send_at,
    m.origin, m.reactions, m.edited_at, m.revoked_at;

-- name: attach(message uuid, files uuid[], mime_types text[], most bigint) -> count
-- The files of a message with several, those that are there and of a kind and size that it takes.
-- Index: media_pkey
INSERT INTO message_files (message_id, media_id)
SELECT
    :message,
    f.id
FROM media AS f
WHERE
    f.id = ANY(:files::uuid[])
    AND f.state = 'READY'
    AND split_part(f.mime_type, ';', 1) = ANY(:mime_types::text[])
    AND f.size <= :most::bigint;

-- name: refused(conversation uuid, media_id uuid, template uuid, reply_to uuid, client_id text) -> maybe RefusedRow
-- Why `queue` put nothing: what it looked at. No row: there is no such conversation.
-- Index: conversations_pkey, media_pkey, templates_pkey, messages_pkey, messages_client_key
SELECT
    twin.id AS twin,
    p.blocked,
    p.erased_at IS NOT NULL AS erased,
    f.state AS file_state,
    f.mime_type,
    f.size,
    f.animated,
    t.status AS template_status,
    coalesce(t.category = 'MARKETING' AND p.marketing_opt_out, FALSE) AS opted_out,
    quoted.id IS NOT NULL AS quoted,
    coalesce(
        quoted.wamid IS NOT NULL AND quoted.type <> 'reaction' AND quoted.created_at > now() - INTERVAL '30 days',
        FALSE
    ) AS reactable
FROM conversations AS c
INNER JOIN contacts AS p ON c.contact_id = p.id
LEFT JOIN messages AS twin ON c.id = twin.conversation_id AND twin.client_message_id = :client_id
LEFT JOIN media AS f ON f.id = :media_id
LEFT JOIN templates AS t ON t.id = :template
LEFT JOIN messages AS quoted ON c.id = quoted.conversation_id AND quoted.id = :reply_to
WHERE c.id = :conversation;

-- name: usable(conversation uuid, name text, language text) -> maybe UsableRow
-- The template of this name in the account of the conversation's number. `queue` itself asks whether it is approved.
-- Index: conversations_pkey, channels_pkey, templates_name_key
SELECT
    t.id,
    t.components,
    t.parameter_format
FROM conversations AS c
INNER JOIN channels AS ch ON c.channel_id = ch.id
INNER JOIN templates AS t ON ch.waba_id = t.waba_id
WHERE c.id = :conversation AND t.name = :name AND t.language = :language;
