-- A carousel has a file in each card: messages.media_id names the first one, this table all of them.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE public.message_files (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id(),
    message_id uuid NOT NULL,
    media_id uuid NOT NULL,
    CONSTRAINT message_files_pkey PRIMARY KEY (tenant_id, message_id, media_id),
    CONSTRAINT message_files_message_fkey FOREIGN KEY (tenant_id, message_id)
    REFERENCES public.messages (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT message_files_media_fkey FOREIGN KEY (tenant_id, media_id)
    REFERENCES public.media (tenant_id, id) ON DELETE RESTRICT
);
COMMENT ON TABLE public.message_files IS 'The files of a message that has more than one: the cards of a carousel.';
CREATE INDEX message_files_media_ix ON public.message_files (tenant_id, media_id);

ALTER TABLE public.message_files ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.message_files FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.message_files TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.message_files AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
GRANT SELECT, INSERT ON public.message_files TO crm_app;
