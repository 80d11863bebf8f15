-- The benchmark's tenants, people, numbers, contacts and conversations. Run once by ops/bench/seed.py as the
-- owner, who sees every tenant; bench.tenants, bench.conversations, bench.people and bench.hash are set before.
-- The first tenant has 15 % of all conversations and bench.people attendants; the others share the rest evenly.
CREATE SCHEMA bench;

INSERT INTO public.tenants (slug, name, email, status, plan)
SELECT
    'bench-' || place,
    'Hotel ' || place,
    'hotel' || place || '@bench.example',
    'ACTIVE',
    'bench'
FROM generate_series(1, current_setting('bench.tenants')::int) AS place;

CREATE UNLOGGED TABLE bench.places AS
SELECT
    id AS tenant_id,
    substr(slug, 7)::int AS place
FROM public.tenants
WHERE plan = 'bench';

INSERT INTO public.feed_heads (tenant_id)
SELECT tenant_id
FROM bench.places;

INSERT INTO public.users (tenant_id, email, name, role, password_hash)
SELECT
    p.tenant_id,
    'attendant' || number || '@bench-' || p.place || '.example',
    'Atendente ' || number,
    'ATTENDANT',
    current_setting('bench.hash')
FROM bench.places AS p
CROSS JOIN LATERAL
    generate_series(1, CASE p.place WHEN 1 THEN current_setting('bench.people')::int ELSE 1 END) AS number;

INSERT INTO public.channels (tenant_id, name, phone_number_id, waba_id, display_phone_number, verify_token)
SELECT
    tenant_id,
    'Recepção',
    '1000' || place,
    '2000' || place,
    '+55 48 3222-' || lpad(place::text, 4, '0'),
    'bench-verify-' || place
FROM bench.places;

-- One row a conversation, with the ids of everything around it. One in twenty has 105 messages, the others 5.
CREATE UNLOGGED TABLE bench.talks AS
SELECT
    n,
    p.tenant_id,
    ch.id AS channel_id,
    u.id AS attendant_id,
    '55489' || lpad(n::text, 7, '0') AS wa_id,
    CASE WHEN n / 20 % 20 = 0 THEN 105 ELSE 5 END AS messages,
    abs(hashint4(n)) AS chance,
    now() - (n * INTERVAL '90 days' / current_setting('bench.conversations')::int) AS last_at,
    uuidv7() AS contact_id,
    uuidv7() AS id,
    uuidv7() AS last_message_id
FROM generate_series(1, current_setting('bench.conversations')::int) AS n
INNER JOIN bench.places AS p
    ON p.place = CASE
        WHEN n % 20 IN (3, 7, 11) THEN 1
        ELSE 2 + n % (current_setting('bench.tenants')::int - 1)
    END
INNER JOIN public.channels AS ch ON p.tenant_id = ch.tenant_id
INNER JOIN public.users AS u ON p.tenant_id = u.tenant_id AND u.name = 'Atendente 1'
ORDER BY n;

INSERT INTO public.contacts (tenant_id, id, profile_name, phone, wa_id, created_at)
SELECT
    tenant_id,
    contact_id,
    'Hóspede ' || n,
    '+' || wa_id,
    wa_id,
    last_at - INTERVAL '30 days'
FROM bench.talks;

INSERT INTO public.contact_identities (tenant_id, kind, value, contact_id)
SELECT
    t.tenant_id,
    kind,
    t.wa_id,
    t.contact_id
FROM bench.talks AS t
CROSS JOIN unnest(ARRAY['wa_id', 'match_key']) AS kind;

-- The long ones and 70 % of the others are open, 10 % pending, 20 % closed (a quarter of these archived); two
-- thirds are somebody's; one in eight is unread. The totals are kept by the table's own trigger.
INSERT INTO public.conversations (
    tenant_id, id, contact_id, channel_id, status, archived, assigned_to, unread_count,
    last_message_id, last_message_direction, last_message_type, last_message_preview, last_message_status,
    last_message_at, window_expires_at, created_at
)
SELECT
    tenant_id,
    id,
    contact_id,
    channel_id,
    CASE WHEN messages > 5 OR chance % 20 < 14 THEN 'OPEN' WHEN chance % 20 < 16 THEN 'PENDING' ELSE 'CLOSED' END,
    messages = 5 AND chance % 20 = 19,
    CASE WHEN chance % 3 > 0 THEN attendant_id END,
    (chance % 8 = 0)::int,
    last_message_id,
    'INBOUND',
    'text',
    'Olá, há quartos livres no dia ' || n % 28 + 1 || '?',
    'RECEIVED',
    last_at,
    last_at + INTERVAL '24 hours',
    last_at - INTERVAL '30 days'
FROM bench.talks;
