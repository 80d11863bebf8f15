-- A planned message follows its stay: another room or day in its words, and it is made anew.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

ALTER TABLE public.stay_sends ADD COLUMN words bytea;
COMMENT ON COLUMN public.stay_sends.words IS
'SHA-256 of the words that its message was made of. NULL: by a version before this column; it is made anew.';
