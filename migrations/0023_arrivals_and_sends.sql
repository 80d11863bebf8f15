-- A history's placeholder becomes the media it stands for; a reaction of ours is found by what it is about.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

GRANT UPDATE (type, media_id) ON public.messages TO crm_app;
UPDATE public.messages AS m
SET target_wamid = q.wamid
FROM public.messages AS q
WHERE
    m.direction = 'OUTBOUND' AND m.type = 'reaction' AND m.target_wamid IS NULL
    AND q.tenant_id = m.tenant_id AND q.id = m.reply_to;
COMMENT ON COLUMN public.messages.target_wamid IS
'Of a reaction (of either side), an edit or a deletion: the message it is about, which may come later or never.';
