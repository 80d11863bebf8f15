-- What WhatsApp's kinds of message need beyond a text: media, reactions, edits, deletions, and where a row is from.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

ALTER TABLE public.messages ADD COLUMN media_id uuid;
ALTER TABLE public.messages ADD COLUMN media jsonb;
ALTER TABLE public.messages ADD COLUMN origin text;
ALTER TABLE public.messages ADD COLUMN reactions jsonb;
ALTER TABLE public.messages ADD COLUMN edited_at timestamptz;
ALTER TABLE public.messages ADD COLUMN revoked_at timestamptz;
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE public.messages ADD CONSTRAINT messages_origin_check
CHECK (origin IN ('PHONE', 'HISTORY', 'STANDBY', 'BOT', 'CAMPAIGN', 'NOTE'));
COMMENT ON COLUMN public.messages.media IS
'What the message shows of its media, as the API tells it; kept here so that a history reads one table.';
COMMENT ON COLUMN public.messages.origin IS
'Where a message is from when nobody wrote it here and no customer now: the phone app, an imported history, a bot.';
COMMENT ON COLUMN public.messages.reactions IS 'The emoji that stand on the message now: [{emoji, by, at}].';
GRANT UPDATE (content, payload, media, reactions, edited_at, revoked_at) ON public.messages TO crm_app;
