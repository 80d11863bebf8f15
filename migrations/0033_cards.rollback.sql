-- Which cards' files a message carries is forgotten; the messages say it still, in their payload.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

DROP TABLE public.message_files;
