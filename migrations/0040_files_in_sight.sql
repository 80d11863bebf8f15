-- A file that went out is seen by who sees a message that carries it, as one that came in always was. What no message
-- carries yet is seen by who uploaded it.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

ALTER TABLE public.media ADD COLUMN uploaded_by uuid;
ALTER TABLE public.media ALTER COLUMN uploaded_by SET DEFAULT crm.viewer();
COMMENT ON COLUMN public.media.uploaded_by IS
'The attendant who uploaded it while the hotel restricted his sight. NULL: who sees all needs no leave to see it.';
-- squawk-ignore constraint-missing-not-valid, adding-foreign-key-constraint
ALTER TABLE public.media ADD CONSTRAINT media_uploaded_by_fkey FOREIGN KEY (tenant_id, uploaded_by)
REFERENCES public.users (tenant_id, id) ON DELETE RESTRICT;

CREATE OR REPLACE FUNCTION crm.sees_file(file uuid) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
-- As its caller: row security of messages answers, for a carousel's cards too.
AS $$
BEGIN
    RETURN EXISTS (SELECT FROM public.messages WHERE media_id = file)
        OR EXISTS (
            SELECT FROM public.message_files AS f
            INNER JOIN public.messages AS m ON f.message_id = m.id
            WHERE f.media_id = file
        );
END
$$;
ALTER POLICY sight ON public.media
USING ((SELECT crm.viewer()) IS NULL OR uploaded_by = (SELECT crm.viewer()) OR crm.sees_file(id));
