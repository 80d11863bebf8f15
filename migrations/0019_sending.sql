-- Sending every type: what the API tells of a file, and how a number sends.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

ALTER TABLE public.channels ADD COLUMN send_read_receipts boolean NOT NULL DEFAULT TRUE;
ALTER TABLE public.channels ADD COLUMN send_typing boolean NOT NULL DEFAULT TRUE;
ALTER TABLE public.channels ADD COLUMN messages_per_second integer NOT NULL DEFAULT 80;
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE public.channels ADD CONSTRAINT channels_messages_per_second_check
CHECK (messages_per_second IN (20, 80, 1000));
COMMENT ON COLUMN public.channels.send_read_receipts IS 'Whether customers see that an attendant has read.';
COMMENT ON COLUMN public.channels.send_typing IS
'Whether customers see that an attendant types; needs read receipts, because Meta shows them with it.';
COMMENT ON COLUMN public.channels.messages_per_second IS
'What Meta grants the number: 80, 1000 after an upgrade, 20 where the phone app uses it too (Meta: rates).';
GRANT UPDATE (send_read_receipts, send_typing, messages_per_second) ON public.channels TO crm_app;
