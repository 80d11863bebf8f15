-- Media both ways. The bytes lie in the store (crm/core/store.py), once per tenant and content; rows say what they are.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE public.media (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id()
    REFERENCES public.tenants (id) ON DELETE RESTRICT,
    id uuid NOT NULL DEFAULT uuidv7(),
    direction text NOT NULL,
    state text NOT NULL DEFAULT 'PENDING',
    -- Of an inbound one: whose token fetches it, under which of Meta's ids, and the first URL Meta named.
    channel_id uuid,
    graph_id text,
    graph_url text,
    mime_type text NOT NULL,
    filename text,
    size bigint,
    sha256 bytea,
    voice boolean NOT NULL DEFAULT FALSE,
    animated boolean NOT NULL DEFAULT FALSE,
    width integer,
    height integer,
    duration real,
    has_thumbnail boolean NOT NULL DEFAULT FALSE,
    error text,
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    lease_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT media_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT media_channel_fkey FOREIGN KEY (tenant_id, channel_id)
    REFERENCES public.channels (tenant_id, id) ON DELETE RESTRICT,
    CONSTRAINT media_direction_check CHECK (direction IN ('INBOUND', 'OUTBOUND')),
    CONSTRAINT media_state_check CHECK (state IN ('PENDING', 'READY', 'FAILED')),
    CONSTRAINT media_ready_check CHECK (state <> 'READY' OR (sha256 IS NOT NULL AND size IS NOT NULL))
);
COMMENT ON TABLE public.media IS
'Pictures, voices, films and files of messages. Inbound ones are fetched by a job of their own, message first.';
CREATE UNIQUE INDEX media_graph_key ON public.media (tenant_id, channel_id, graph_id) WHERE graph_id IS NOT NULL;
CREATE INDEX media_pending_ix ON public.media (tenant_id, next_attempt_at, id) WHERE state = 'PENDING';

ALTER TABLE public.media ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.media FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.media TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.media AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
-- The sweep finds what nobody fetches yet; it sees ids and times, never a name or a hash.
CREATE POLICY pending ON public.media FOR SELECT TO crm_system USING (state = 'PENDING');
GRANT SELECT, INSERT, UPDATE (
    state, graph_url, mime_type, filename, size, sha256, animated, width, height, duration, has_thumbnail, error,
    attempts, next_attempt_at, lease_until
) ON public.media TO crm_app;
GRANT SELECT (tenant_id, id, state, next_attempt_at, lease_until) ON public.media TO crm_system;

CREATE TABLE public.media_uploads (
    tenant_id uuid NOT NULL DEFAULT crm.current_tenant_id(),
    channel_id uuid NOT NULL,
    sha256 bytea NOT NULL,
    mime_type text NOT NULL,
    graph_id text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT media_uploads_pkey PRIMARY KEY (tenant_id, channel_id, sha256, mime_type),
    CONSTRAINT media_uploads_channel_fkey FOREIGN KEY (tenant_id, channel_id)
    REFERENCES public.channels (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE public.media_uploads IS
'Meta''s id of bytes uploaded over a channel: good for 30 days there (Meta: media), so a file is uploaded once.';
ALTER TABLE public.media_uploads ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.media_uploads FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.media_uploads TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()))
WITH CHECK (tenant_id = (SELECT crm.current_tenant_id()));
CREATE POLICY tenant_guard ON public.media_uploads AS RESTRICTIVE TO crm_app
USING (tenant_id = (SELECT crm.current_tenant_id()));
GRANT SELECT, INSERT, UPDATE (graph_id, created_at), DELETE ON public.media_uploads TO crm_app;

CREATE FUNCTION crm.media_shown(m public.media) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
RETURN jsonb_build_object(
    'id', m.id, 'mimeType', m.mime_type, 'size', m.size, 'filename', m.filename, 'state', m.state
) || jsonb_strip_nulls(jsonb_build_object(
    'width', m.width, 'height', m.height, 'duration', m.duration, 'voice', nullif(m.voice, FALSE),
    'animated', nullif(m.animated, FALSE), 'thumbnail', nullif(m.has_thumbnail, FALSE), 'error', m.error
));
COMMENT ON FUNCTION crm.media_shown(public.media) IS
'What a message shows of its media (messages.media); what does not apply is left out.';
REVOKE EXECUTE ON FUNCTION crm.media_shown(public.media) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION crm.media_shown(public.media) TO crm_app;

-- squawk-ignore constraint-missing-not-valid, adding-foreign-key-constraint
ALTER TABLE public.messages ADD CONSTRAINT messages_media_fkey FOREIGN KEY (tenant_id, media_id)
REFERENCES public.media (tenant_id, id) ON DELETE RESTRICT;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX messages_media_ix ON public.messages (tenant_id, media_id) WHERE media_id IS NOT NULL;
