-- Forty hotels after some months, for tests that read plans: an empty table is planned like no other.
SET session_replication_role = replica; -- no keys looked up, no totals kept: half the time, and no plan reads them
SELECT setseed(0.5); -- the same months each time: a plan that hangs on chance is no test
INSERT INTO tenants (slug, name, email)
SELECT 'hotel-' || n, 'Hotel ' || n, 'hotel' || n || '@hotels.example' FROM generate_series(1, 40) AS n;
INSERT INTO users (tenant_id, email, name, role, password_hash)
SELECT t.id, 'u' || n || '@hotels.example', 'User ' || n, 'ATTENDANT', 'x'
FROM tenants AS t, generate_series(1, 40) AS n WHERE t.slug <> 'platform';
INSERT INTO sessions (tenant_id, user_id, refresh_hash, ip, user_agent, expires_at, revoked_at)
SELECT tenant_id, id, '\x00', '127.0.0.1', 'test', now() + n * INTERVAL '1 hour', CASE WHEN n > 1 THEN now() END
FROM users, generate_series(1, 8) AS n;
INSERT INTO audit_log (tenant_id, action, created_at)
SELECT t.id, 'login.ok', now() - n * INTERVAL '1 hour' FROM tenants AS t, generate_series(1, 300) AS n;
INSERT INTO channels (tenant_id, name, phone_number_id, waba_id, verify_token, deleted_at)
SELECT t.id, 'Channel', t.slug || '-' || n, t.slug, t.slug || '-' || n, CASE WHEN n > 20 THEN now() END
FROM tenants AS t, generate_series(1, 30) AS n WHERE t.slug <> 'platform';
INSERT INTO channel_health (tenant_id, channel_id, name)
SELECT c.tenant_id, c.id, matter
FROM channels AS c, unnest(ARRAY['access', 'inbound', 'limit', 'quality', 'status', 'webhook']) AS matter;
INSERT INTO channel_notices (tenant_id, channel_id, kind, severity, dismissed_at)
SELECT c.tenant_id, c.id, 'quality_low', 'WARNING', CASE WHEN n > 1 THEN now() END
FROM channels AS c, generate_series(1, 8) AS n;
INSERT INTO channel_hours (tenant_id, channel_id, hour)
SELECT c.tenant_id, c.id, date_trunc('hour', now()) - n * INTERVAL '1 hour'
FROM channels AS c, generate_series(1, 40) AS n;
INSERT INTO contacts (tenant_id, wa_id, name, tags, blocked)
SELECT t.id, (5548900000000 + n)::text, 'Guest ' || n, CASE WHEN n % 20 = 0 THEN ARRAY['vip'] ELSE '{}' END, n % 100 = 0
FROM tenants AS t, generate_series(1, 150) AS n WHERE t.slug <> 'platform';
INSERT INTO contact_attributes (tenant_id, key, label, type, place)
SELECT t.id, 'field_' || n, 'Field', 'text', n FROM tenants AS t, generate_series(1, 20) AS n;
INSERT INTO contact_counts (tenant_id, n) SELECT t.id, 0 FROM tenants AS t, generate_series(1, 50) AS n;
INSERT INTO contact_identities (tenant_id, kind, value, contact_id)
SELECT tenant_id, kind, wa_id, id FROM contacts, unnest(ARRAY['wa_id', 'match_key']) AS kind;
INSERT INTO contact_aliases (tenant_id, kind, value, contact_id, superseded_at)
SELECT tenant_id, 'wa_id', 'former' || wa_id, id, now() - random() * INTERVAL '90 days' FROM contacts;
INSERT INTO contact_merges (tenant_id, from_id, into_id, why, moved, undone_at)
SELECT tenant_id, id, id, 'test', '{}', CASE WHEN random() < 0.5 THEN now() END FROM contacts;
INSERT INTO stays (tenant_id, contact_id, code, check_in, check_out, status, due_at)
SELECT tenant_id, id, 'R-' || n, current_date + (random() * 400)::int - 365, current_date + (random() * 400)::int + 40, 'BOOKED',
    CASE WHEN random() < 0.02 THEN now() END
FROM contacts, generate_series(1, 2) AS n;
INSERT INTO conversations (tenant_id, contact_id, channel_id, status, archived, unread_count, last_message_at)
SELECT p.tenant_id, p.id, c.id, CASE WHEN random() < 0.3 THEN 'OPEN' ELSE 'CLOSED' END, random() < 0.2,
    CASE WHEN random() < 0.1 THEN 1 ELSE 0 END, now() - random() * INTERVAL '90 days'
FROM contacts AS p
CROSS JOIN LATERAL (SELECT id FROM channels WHERE tenant_id = p.tenant_id ORDER BY id LIMIT 1) AS c;
INSERT INTO conversation_counts (tenant_id, status, archived, unread, channel_id, n)
SELECT c.tenant_id, 'OPEN', FALSE, FALSE, c.id, 1 FROM channels AS c, generate_series(1, 5) AS n;
INSERT INTO departments (tenant_id, name)
SELECT t.id, 'Department ' || n FROM tenants AS t, generate_series(1, 8) AS n WHERE t.slug <> 'platform';
INSERT INTO tags (tenant_id, name, color)
SELECT t.id, 'Tag ' || n, '#808080' FROM tenants AS t, generate_series(1, 40) AS n;
INSERT INTO quick_replies (tenant_id, shortcut, content)
SELECT t.id, 'reply' || n, 'Olá' FROM tenants AS t, generate_series(1, 40) AS n;
INSERT INTO department_members (tenant_id, department_id, user_id)
SELECT d.tenant_id, d.id, u.id FROM departments AS d INNER JOIN users AS u ON d.tenant_id = u.tenant_id
WHERE random() < 0.2;
UPDATE conversations AS c SET
    department_id = CASE WHEN random() < 0.3 THEN d.id END, closed_at = CASE WHEN status = 'CLOSED' THEN now() END,
    tags = CASE WHEN random() < 0.2 THEN ARRAY['vip'] ELSE '{}' END
FROM (SELECT tenant_id, (array_agg(id))[1] AS id FROM departments GROUP BY tenant_id) AS d
WHERE c.tenant_id = d.tenant_id;
INSERT INTO snoozes (tenant_id, conversation_id, due_at)
SELECT tenant_id, id, now() + random() * INTERVAL '9 days' FROM conversations WHERE random() < 0.1;
INSERT INTO conversation_entries (tenant_id, conversation_id, type, created_at)
SELECT tenant_id, id, 'note', now() - n * INTERVAL '1 hour' FROM conversations, generate_series(1, 3) AS n;
INSERT INTO drafts (tenant_id, user_id, conversation_id, content)
SELECT u.tenant_id, u.id, c.id, 'Olá' FROM (SELECT DISTINCT ON (tenant_id) tenant_id, id FROM users) AS u
INNER JOIN conversations AS c ON u.tenant_id = c.tenant_id;
INSERT INTO messages (tenant_id, conversation_id, direction, type, status, content, wamid, target_wamid, created_at)
SELECT c.tenant_id, c.id, 'INBOUND', 'text', 'RECEIVED', 'Olá', 'wamid.' || c.id || n,
    CASE WHEN n = 4 AND random() < 0.2 THEN 'wamid.' || c.id || 1 END, now() - n * INTERVAL '1 hour'
FROM conversations AS c, generate_series(1, 4) AS n;
INSERT INTO messages (
    tenant_id, conversation_id, direction, type, status, content, client_message_id, created_at, next_attempt_at
)
SELECT c.tenant_id, c.id, 'OUTBOUND', 'text', CASE WHEN n = 1 AND random() < 0.02 THEN 'QUEUED' ELSE 'READ' END,
    'Olá', CASE WHEN n = 2 THEN c.id::text END, now() - n * INTERVAL '1 minute', now()
FROM conversations AS c, generate_series(1, 2) AS n;
INSERT INTO messages (
    tenant_id, conversation_id, channel_id, direction, type, status, content, send_at, next_attempt_at
)
SELECT c.tenant_id, c.id, c.channel_id, 'OUTBOUND', 'text', s.status, 'Olá', now() + INTERVAL '1 day', now()
FROM (SELECT *, row_number() OVER (PARTITION BY tenant_id) AS n FROM conversations) AS c,
    unnest(ARRAY['SCHEDULED', 'UNCERTAIN']) AS s (status)
WHERE c.n <= 60;
INSERT INTO media (tenant_id, direction, state, channel_id, graph_id, mime_type, size, sha256)
SELECT c.tenant_id, 'INBOUND', CASE WHEN n <= 3 THEN 'PENDING' ELSE 'READY' END, c.channel_id, c.id::text || n,
    'image/jpeg', 1000, decode(md5(c.id::text || n), 'hex')
FROM conversations AS c, generate_series(1, 4) AS n;
INSERT INTO media_uploads (tenant_id, channel_id, sha256, mime_type, graph_id)
SELECT tenant_id, id, int4send(n), 'image/png', n::text FROM channels, generate_series(1, 20) AS n;
INSERT INTO media_leftovers (tenant_id, sha256, due_at)
SELECT t.id, int4send(n), now() + INTERVAL '1 day' FROM tenants AS t, generate_series(1, 50) AS n;
UPDATE messages AS m SET media_id = a.id FROM media AS a
WHERE a.tenant_id = m.tenant_id AND m.wamid = 'wamid.' || a.graph_id;
INSERT INTO message_files (tenant_id, message_id, media_id)
SELECT tenant_id, id, media_id FROM messages WHERE media_id IS NOT NULL;
INSERT INTO parked_statuses (tenant_id, wamid, status, at)
SELECT t.id, 'wamid.' || n, 'READ', now() FROM tenants AS t, generate_series(1, 50) AS n;
INSERT INTO webhook_events (received_at, body)
SELECT now() - n * INTERVAL '1 minute', '{}' FROM generate_series(1, 10000) AS n;
INSERT INTO webhook_waiting (lane, received_at, id, bytes)
SELECT 'hotel-' || n % 7, received_at, id, 2
FROM (SELECT received_at, id, row_number() OVER () AS n FROM webhook_events) AS e WHERE n <= 50;
INSERT INTO dead_letters (tenant_id, kind, about, item, error, status, ended_at)
SELECT t.id, 'inbound.message', 'wamid.' || n, '{}', 'x', CASE WHEN n < 3 THEN 'WAITING' ELSE 'RETRIED' END,
    CASE WHEN n < 3 THEN NULL ELSE now() END
FROM tenants AS t, generate_series(1, 40) AS n;
INSERT INTO templates (
    tenant_id, waba_id, graph_id, name, language, category, status, components, created_at, synced_at
)
SELECT t.id, t.slug, t.slug || n, 'template_' || n, 'pt_BR', 'UTILITY', 'APPROVED', '[]', now() - n * INTERVAL '1 day',
    now()
FROM tenants AS t, generate_series(1, 150) AS n WHERE t.slug <> 'platform';
INSERT INTO template_syncs (tenant_id, waba_id, due_at)
SELECT t.id, t.slug || n, now() + n * INTERVAL '1 hour' FROM tenants AS t, generate_series(0, 20) AS n;
INSERT INTO prices (valid_from, market, category, currency, amount_micros)
SELECT '2026-01-01'::timestamptz + n * INTERVAL '1 month', m, c, 'USD', 1000
FROM generate_series(0, 11) AS n, unnest(ARRAY['*', 'BR', 'AR', 'PT']) AS m,
    unnest(ARRAY['marketing', 'utility', 'service', 'authentication']) AS c;
INSERT INTO feed_heads (tenant_id, seq) SELECT id, 200 FROM tenants;
INSERT INTO feed_events (tenant_id, seq, event, data)
SELECT t.id, n, 'message:new', '{}' FROM tenants AS t, generate_series(1, 200) AS n;
INSERT INTO idempotency_keys (tenant_id, user_id, key, request_hash)
SELECT u.tenant_id, u.id, 'key-' || n, '\x00' FROM users AS u, generate_series(1, 5) AS n;
INSERT INTO contact_imports (tenant_id, columns, headings, status, created_at)
SELECT t.id, '{phone}', '{phone}', CASE WHEN n > 1 THEN 'DONE' ELSE 'RUNNING' END, now() - n * INTERVAL '1 hour'
FROM tenants AS t, generate_series(1, 100) AS n;
INSERT INTO contact_import_lines (tenant_id, import_id, line, cells)
SELECT tenant_id, id, n, '["1"]' FROM contact_imports, generate_series(1, 300) AS n WHERE status = 'RUNNING';
INSERT INTO contact_import_people (tenant_id, import_id, contact_id, line)
SELECT i.tenant_id, i.id, c.id, 2
FROM contact_imports AS i INNER JOIN contacts AS c ON i.tenant_id = c.tenant_id WHERE i.status = 'RUNNING';
INSERT INTO contact_import_errors (tenant_id, import_id, line, place, heading, pt, en)
SELECT tenant_id, id, n, 0, 'phone', 'x', 'x' FROM contact_imports, generate_series(1, 10) AS n;
INSERT INTO contact_erasures (tenant_id, contact_id, needles, lanes, spans, done_at)
SELECT tenant_id, id, '{}', '{}', '{}', CASE WHEN random() < 0.9 THEN now() END FROM contacts;
INSERT INTO retentions (tenant_id, kept_since, seen_id) SELECT id, now() - INTERVAL '90 days', id FROM tenants;
INSERT INTO stay_messages (tenant_id, name, anchor, offset_days, at, content, deleted_at, look_from)
SELECT t.id, 'Rule ' || n, 'check_in', 0, '09:00', 'Olá', CASE WHEN n > 5 THEN now() END,
    CASE WHEN random() < 0.02 THEN current_date END
FROM tenants AS t, generate_series(1, 40) AS n WHERE t.slug <> 'platform';
INSERT INTO stay_sends (tenant_id, stay_id, rule_id, send_at)
SELECT s.tenant_id, s.id, r.id, now() FROM stays AS s INNER JOIN stay_messages AS r ON s.tenant_id = r.tenant_id
WHERE r.deleted_at IS NULL AND s.code = 'R-1';
ANALYZE;
