-- A planned message keeps the words that it was planned with.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

ALTER TABLE public.stay_sends DROP COLUMN words;
