-- The messages of the benchmark's conversations. Run by ops/bench/seed.py as the owner, by several connections at
-- once: bench.part of bench.parts. In the order in which they would have come (a conversation's messages lie apart
-- in the table, as in life); the last one is the one the conversation shows.
INSERT INTO public.messages (
    tenant_id, id, conversation_id, direction, type, status, content, wamid, sent_by,
    created_at, sent_at, delivered_at, read_at
)
SELECT
    m.tenant_id,
    CASE WHEN m.k = m.messages THEN m.last_message_id ELSE uuidv7() END,
    m.id,
    CASE WHEN m.inbound THEN 'INBOUND' ELSE 'OUTBOUND' END,
    'text',
    CASE WHEN m.inbound THEN 'RECEIVED' ELSE 'READ' END,
    CASE
        WHEN m.k = m.messages THEN 'Olá, há quartos livres no dia ' || m.n % 28 + 1 || '?'
        ELSE repeat('Bom dia, tudo certo com a reserva. ', 1 + (m.n + m.k) % 4)
    END,
    'wamid.seed.' || m.n || '.' || m.k,
    CASE WHEN NOT m.inbound THEN m.attendant_id END,
    m.at,
    CASE WHEN NOT m.inbound THEN m.at + INTERVAL '1 second' END,
    CASE WHEN NOT m.inbound THEN m.at + INTERVAL '2 seconds' END,
    CASE WHEN NOT m.inbound THEN m.at + INTERVAL '9 seconds' END
FROM (
    SELECT
        t.*,
        k,
        k % 2 = t.messages % 2 AS inbound,
        t.last_at - (t.messages - k) * INTERVAL '7 minutes' AS at
    FROM bench.talks AS t
    CROSS JOIN LATERAL generate_series(1, t.messages) AS k
    WHERE t.n % current_setting('bench.parts')::int = current_setting('bench.part')::int
    ORDER BY k, t.n
) AS m;
