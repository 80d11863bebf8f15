-- The index as it was: pages far down read every row before them.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

CREATE INDEX conversations_recent_ix
ON public.conversations (tenant_id, archived, last_message_at DESC, id DESC);
DROP INDEX public.conversations_newest_ix;
