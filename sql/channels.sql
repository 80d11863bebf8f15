-- WhatsApp numbers. A tenant's own run as crm_app; routing and resealing cross tenants as crm_system.
-- Called by crm/channels/, crm/inbound.py, crm/gauges.py and crm/__main__.py.

-- name: hold() -> none
-- Holds the tenant's door for channels until the commit: two first numbers put at once make one channel.
SELECT pg_advisory_xact_lock(hashtextextended('channels ' || crm.current_tenant_id(), 0));

-- name: insert(name text, phone_number_id text, waba_id text, display text, verify_token text, access_token bytea, access_token_hint text, app_secret bytea, app_secret_hint text) -> maybe ChannelRow
-- Adds a number; no row when any tenant of the installation has it.
-- Index: channels_phone_number_key
INSERT INTO channels (
    name, phone_number_id, waba_id, display_phone_number, verify_token,
    access_token, access_token_hint, app_secret, app_secret_hint
)
VALUES (
    :name, :phone_number_id, :waba_id, :display, :verify_token,
    :access_token, :access_token_hint, :app_secret, :app_secret_hint
)
ON CONFLICT (phone_number_id) WHERE deleted_at IS NULL DO NOTHING
RETURNING
    id, name, phone_number_id, waba_id, display_phone_number,
    access_token_hint, app_secret_hint, verify_token, created_at, paused_until, pause,
    send_read_receipts, send_typing, messages_per_second;

-- name: revive(name text, phone_number_id text, waba_id text, display text, access_token bytea, access_token_hint text, app_secret bytea, app_secret_hint text) -> maybe ChannelRow
-- Takes a number of the tenant's into use again that was deleted, so that its conversations go on. The verify token
-- stays: Meta may know it yet.
-- Index: channels_pkey
UPDATE channels
SET
    deleted_at = NULL,
    name = :name,
    waba_id = :waba_id,
    display_phone_number = coalesce(:display, display_phone_number),
    access_token = :access_token,
    access_token_hint = :access_token_hint,
    app_secret = :app_secret,
    app_secret_hint = :app_secret_hint,
    paused_until = NULL,
    pause = NULL,
    updated_at = now()
WHERE
    deleted_at IS NOT NULL
    AND id = (
        SELECT last.id
        FROM channels AS last
        WHERE last.phone_number_id = :phone_number_id AND last.deleted_at IS NOT NULL
        ORDER BY last.deleted_at DESC, last.id DESC
        LIMIT 1
    )
RETURNING
    id, name, phone_number_id, waba_id, display_phone_number,
    access_token_hint, app_secret_hint, verify_token, created_at, paused_until, pause,
    send_read_receipts, send_typing, messages_per_second;

-- name: id_of_number(phone_number_id text) -> value uuid
-- The caller's own channel with this number.
-- Index: channels_phone_number_key
SELECT id
FROM channels
WHERE phone_number_id = :phone_number_id AND deleted_at IS NULL;

-- name: page(after timestamptz, after_id uuid, skip bigint, max bigint) -> many ChannelRow
-- Numbers in use after a place, oldest first.
-- Index: channels_created_ix
SELECT
    id,
    name,
    phone_number_id,
    waba_id,
    display_phone_number,
    access_token_hint,
    app_secret_hint,
    verify_token,
    created_at,
    paused_until,
    pause,
    send_read_receipts,
    send_typing,
    messages_per_second
FROM channels
WHERE deleted_at IS NULL AND (created_at, id) > (:after, :after_id)
ORDER BY created_at, id
LIMIT :max OFFSET :skip;

-- name: total() -> value bigint
-- How many numbers are in use.
-- Index: channels_created_ix
SELECT count(*)
FROM channels
WHERE deleted_at IS NULL;

-- name: first() -> maybe ChannelRow
-- The oldest number in use.
-- Index: channels_created_ix
SELECT
    id,
    name,
    phone_number_id,
    waba_id,
    display_phone_number,
    access_token_hint,
    app_secret_hint,
    verify_token,
    created_at,
    paused_until,
    pause,
    send_read_receipts,
    send_typing,
    messages_per_second
FROM channels
WHERE deleted_at IS NULL
ORDER BY created_at, id
LIMIT 1;

-- name: of(ids uuid[]) -> many ChannelRow
-- These numbers, those that are in use, oldest first.
-- Index: channels_created_ix
SELECT
    id,
    name,
    phone_number_id,
    waba_id,
    display_phone_number,
    access_token_hint,
    app_secret_hint,
    verify_token,
    created_at,
    paused_until,
    pause,
    send_read_receipts,
    send_typing,
    messages_per_second
FROM channels
WHERE id = ANY(:ids::uuid[]) AND deleted_at IS NULL
ORDER BY created_at, id;

-- name: usable(id uuid) -> value uuid
-- The channel named, or the oldest in use when NULL is given.
-- Index: channels_created_ix
SELECT id
FROM channels
WHERE deleted_at IS NULL AND (:id::uuid IS NULL OR id = :id)
ORDER BY created_at, id
LIMIT 1;

-- name: patch(id uuid, name text, phone_number_id text, waba_id text, display text, access_token bytea, access_token_hint text, app_secret bytea, app_secret_hint text, send_read_receipts boolean, send_typing boolean, messages_per_second int) -> maybe ChannelRow
-- Changes what is not NULL; a new secret brings its hint.
-- Index: channels_pkey
UPDATE channels
SET
    name = coalesce(:name, name),
    phone_number_id = coalesce(:phone_number_id, phone_number_id),
    waba_id = coalesce(:waba_id, waba_id),
    display_phone_number = coalesce(:display, display_phone_number),
    access_token = coalesce(:access_token::bytea, access_token),
    access_token_hint = coalesce(:access_token_hint, access_token_hint),
    app_secret = coalesce(:app_secret, app_secret),
    app_secret_hint = coalesce(:app_secret_hint, app_secret_hint),
    send_read_receipts = coalesce(:send_read_receipts, send_read_receipts),
    send_typing = coalesce(:send_typing, send_typing),
    messages_per_second = coalesce(:messages_per_second, messages_per_second),
    -- A new token is what a channel that Meta refused waits for.
    paused_until = CASE WHEN :access_token::bytea IS NULL THEN paused_until END,
    pause = CASE WHEN :access_token::bytea IS NULL THEN pause END,
    updated_at = now()
WHERE id = :id AND deleted_at IS NULL
RETURNING
    id, name, phone_number_id, waba_id, display_phone_number,
    access_token_hint, app_secret_hint, verify_token, created_at, paused_until, pause,
    send_read_receipts, send_typing, messages_per_second;

-- name: forget_uploads(id uuid) -> none
-- Meta's ids of files are of the number they were uploaded for: another one cannot send by them.
-- Index: media_uploads_pkey
DELETE FROM media_uploads WHERE channel_id = :id;

-- name: rest(id uuid, whole boolean, wait float8, pause jsonb) -> many RestingRow
-- Nothing is sent over the channel (or over its whole account) for `wait` seconds, NULL: until people resume it.
-- A shorter rest never ends a longer one. `begins` is false where it rests already.
-- Index: channels_created_ix
WITH asked AS (
    SELECT
        id,
        waba_id
    FROM channels
    WHERE id = :id
)

UPDATE channels AS c
SET
    paused_until = greatest(c.paused_until, coalesce(now() + :wait * INTERVAL '1 second', 'infinity')),
    pause = CASE WHEN c.paused_until = 'infinity' THEN c.pause ELSE :pause END
FROM asked
WHERE c.deleted_at IS NULL AND (c.id = asked.id OR (:whole AND c.waba_id = asked.waba_id))
RETURNING c.id, coalesce(old.paused_until <= now(), TRUE) AS begins;

-- name: resume(id uuid) -> maybe ChannelRow
-- Sending goes on.
-- Index: channels_pkey
UPDATE channels
SET paused_until = NULL, pause = NULL, updated_at = now()
WHERE id = :id AND deleted_at IS NULL
RETURNING
    id, name, phone_number_id, waba_id, display_phone_number,
    access_token_hint, app_secret_hint, verify_token, created_at, paused_until, pause,
    send_read_receipts, send_typing, messages_per_second;

-- name: resting() -> many RestingTenantRow
-- How many channels of each tenant wait for people, for the metrics.
-- as: system
SELECT
    t.slug,
    count(*) AS channels
FROM channels AS c
INNER JOIN tenants AS t ON c.tenant_id = t.id
WHERE c.paused_until = 'infinity' AND c.deleted_at IS NULL
GROUP BY t.slug
ORDER BY t.slug;

-- name: delete(id uuid) -> count
-- Takes a number out of use and forgets its secrets. It rests no more: what waits there fails, by its lane.
-- Index: channels_pkey
UPDATE channels
SET
    deleted_at = now(),
    paused_until = NULL,
    pause = NULL,
    access_token = NULL,
    access_token_hint = NULL,
    app_secret = NULL,
    app_secret_hint = NULL
WHERE id = :id AND deleted_at IS NULL;

-- name: sender(id uuid) -> maybe SenderRow
-- What sending needs.
-- Index: channels_pkey
SELECT
    id,
    phone_number_id,
    waba_id,
    access_token,
    messages_per_second
FROM channels
WHERE id = :id AND deleted_at IS NULL;

-- name: checked(id uuid) -> maybe CheckedRow
-- What the go-live check needs.
-- Index: channels_pkey
SELECT
    id,
    phone_number_id,
    waba_id,
    access_token,
    verify_token,
    coalesce(paused_until > now(), FALSE) AS resting,
    pause
FROM channels
WHERE id = :id AND deleted_at IS NULL;

-- name: routes_of(numbers text[], accounts text[]) -> many RouteRow
-- The channels behind Meta's phone number ids, and behind the account ids of fields that name no number.
-- `shown`: the hotel's token has read the account's templates, so the account is open to it.
-- Index: channels_phone_number_key, channels_waba_ix, template_syncs_pkey
-- as: system
SELECT
    c.tenant_id,
    c.id,
    c.phone_number_id,
    c.waba_id,
    c.app_secret,
    s.synced_at IS NOT NULL AS shown
FROM (
    SELECT
        tenant_id,
        id,
        phone_number_id,
        waba_id,
        app_secret
    FROM channels
    WHERE deleted_at IS NULL AND phone_number_id = ANY(:numbers::text[])
    UNION
    SELECT
        tenant_id,
        id,
        phone_number_id,
        waba_id,
        app_secret
    FROM channels
    WHERE deleted_at IS NULL AND waba_id = ANY(:accounts::text[])
) AS c
LEFT JOIN template_syncs AS s ON c.tenant_id = s.tenant_id AND c.waba_id = s.waba_id;

-- name: knows_verify_token(token text) -> value boolean
-- Whether Meta's handshake carries the token of a channel.
-- Index: channels_verify_token_key
-- as: system
SELECT EXISTS(
    SELECT 1
    FROM channels
    WHERE verify_token = :token AND deleted_at IS NULL
);

-- name: sealed() -> many SealedRow
-- Every sealed secret, for `python -m crm rotate-keys`.
-- as: system
SELECT
    tenant_id,
    id,
    access_token,
    app_secret
FROM channels
WHERE access_token IS NOT NULL OR app_secret IS NOT NULL
ORDER BY tenant_id, id;

-- name: reseal(tenant uuid, id uuid, access_token bytea, app_secret bytea, old_access_token bytea, old_app_secret bytea) -> count
-- Replaces sealed secrets, unless somebody wrote new ones meanwhile.
-- Index: channels_pkey
-- as: system
UPDATE channels
SET access_token = :access_token, app_secret = :app_secret
WHERE
    tenant_id = :tenant
    AND id = :id
    AND access_token IS NOT DISTINCT FROM :old_access_token
    AND app_secret IS NOT DISTINCT FROM :old_app_secret;
