ALTER TABLE public.channels
DROP COLUMN send_read_receipts, DROP COLUMN send_typing, DROP COLUMN messages_per_second;
