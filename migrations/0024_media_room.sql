-- Room of media: bytes that no row names go from the store, deleted files stay as rows, a fetch is known by its claim.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

ALTER TABLE public.media ADD COLUMN claim uuid;
COMMENT ON COLUMN public.media.claim IS
'Whose fetch this is: only who holds it may say how the fetch ended. Its lease is renewed while the worker lives.';
-- squawk-ignore ban-drop-constraint
ALTER TABLE public.media DROP CONSTRAINT media_state_check;
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE public.media ADD CONSTRAINT media_state_check
CHECK (state IN ('PENDING', 'READY', 'FAILED', 'DELETED'));
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE public.media ADD CONSTRAINT media_deleted_check CHECK (
    state <> 'DELETED' OR (sha256 IS NULL AND filename IS NULL AND graph_url IS NULL AND NOT has_thumbnail)
);
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX media_sha256_ix ON public.media (tenant_id, sha256) WHERE state = 'READY';
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX media_uploads_sha256_ix ON public.media_uploads (tenant_id, sha256);
GRANT UPDATE (claim) ON public.media TO crm_app;

CREATE TABLE public.media_leftovers (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id()
    REFERENCES public.tenants (id) ON DELETE RESTRICT,
    sha256 bytea NOT NULL,
    due_at timestamptz NOT NULL,
    CONSTRAINT media_leftovers_pkey PRIMARY KEY (tenant_id, sha256)
);
COMMENT ON TABLE public.media_leftovers IS
'Bytes that go from the store when they are due, unless a READY row of media names them: those of deleted files at
once, those that are being put there after a day. A row is locked while its bytes go, so nobody puts them meanwhile.';
CREATE INDEX media_leftovers_due_ix ON public.media_leftovers (tenant_id, due_at);

ALTER TABLE public.media_leftovers ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.media_leftovers FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.media_leftovers TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.media_leftovers AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
-- The sweep finds whose bytes are due; it sees ids and times, never a hash.
CREATE POLICY due ON public.media_leftovers FOR SELECT TO crm_system USING (TRUE);
GRANT SELECT, INSERT, UPDATE (due_at), DELETE ON public.media_leftovers TO crm_app;
GRANT SELECT (tenant_id, due_at) ON public.media_leftovers TO crm_system;
