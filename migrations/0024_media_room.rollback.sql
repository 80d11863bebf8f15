-- A deleted file is to the former version one that will not come.
UPDATE public.media SET state = 'FAILED', error = 'deleted' WHERE state = 'DELETED';
DROP TABLE public.media_leftovers;
DROP INDEX public.media_uploads_sha256_ix, public.media_sha256_ix;
ALTER TABLE public.media DROP CONSTRAINT media_deleted_check, DROP CONSTRAINT media_state_check, DROP COLUMN claim;
ALTER TABLE public.media ADD CONSTRAINT media_state_check CHECK (state IN ('PENDING', 'READY', 'FAILED'));
