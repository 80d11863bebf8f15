-- A file that went out is again seen by everybody of the hotel who knows its id.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

ALTER POLICY sight ON public.media
USING ((SELECT crm.viewer()) IS NULL OR direction = 'OUTBOUND' OR crm.sees_file(id));
CREATE OR REPLACE FUNCTION crm.sees_file(file uuid) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN EXISTS (SELECT FROM public.messages WHERE media_id = file);
END
$$;
ALTER TABLE public.media DROP COLUMN uploaded_by;
