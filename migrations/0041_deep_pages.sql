-- The pages before a page are skipped in the index alone: it has what row security asks of a conversation.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

-- squawk-ignore require-concurrent-index-creation
CREATE INDEX conversations_newest_ix
ON public.conversations (tenant_id, archived, last_message_at DESC, id DESC) INCLUDE (assigned_to, department_id);
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX public.conversations_recent_ix;
