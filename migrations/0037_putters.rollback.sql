-- Bytes whose file is erased while they come stay for a day again.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

ALTER TABLE public.media_leftovers DROP COLUMN putting;
