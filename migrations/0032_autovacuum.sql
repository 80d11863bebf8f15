-- Tables that change all the time are cleaned in small steps. By default a table waits for a fifth of itself to be dead:
-- 400,000 rows at 2,000,000 messages. Counted over 300 messages in and 300 out: an answer is updated three times (sent,
-- delivered, read) and a conversation five times in six messages, nine in ten of them with new index entries.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

-- 41,000 dead rows at 2,000,000 messages are 13,000 answers; new rows are marked visible before history is read of them.
ALTER TABLE public.messages SET (
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.02
);
ALTER TABLE public.message_words SET (
    autovacuum_vacuum_insert_scale_factor = 0.05
);
-- The list reads its indexes from the newest on, where the dead entries are.
ALTER TABLE public.conversations SET (
    autovacuum_vacuum_threshold = 500,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_analyze_scale_factor = 0.05
);
-- Every list sums these; each minute the worker folds what came since, and leaves it dead.
ALTER TABLE public.conversation_counts SET (
    autovacuum_vacuum_threshold = 500,
    autovacuum_vacuum_scale_factor = 0
);
ALTER TABLE public.contact_counts SET (
    autovacuum_vacuum_threshold = 500,
    autovacuum_vacuum_scale_factor = 0
);
