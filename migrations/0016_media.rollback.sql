ALTER TABLE public.messages DROP CONSTRAINT messages_media_fkey;
DROP INDEX public.messages_media_ix;
DROP FUNCTION crm.media_shown(public.media);
DROP TABLE public.media_uploads;
DROP TABLE public.media;
