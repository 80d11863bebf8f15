-- What Meta charges for a message: a table that the platform's people type in. Called by crm/billing.py.

-- name: prices() -> many PriceRow
-- Every price ever typed in, newest first: some markets by some categories, a few times a year.
-- as: system
SELECT
    valid_from,
    market,
    category,
    currency,
    amount_micros
FROM prices
ORDER BY valid_from DESC, market ASC, category ASC;

-- name: keep_only(valid_from timestamptz, markets text[], categories text[]) -> none
-- Takes out of a date what is not among these pairs.
-- Index: prices_pkey
-- as: system
DELETE FROM prices AS p
WHERE
    p.valid_from = :valid_from
    AND NOT EXISTS (
        SELECT 1
        FROM unnest(:markets::text[], :categories::text[]) AS g (market, category)
        WHERE g.market = p.market AND g.category = p.category
    );

-- name: put(valid_from timestamptz, markets text[], categories text[], currencies text[], amounts bigint[]) -> none
-- The prices of a date; in one order, so that two who put at once wait for each other.
-- Index: prices_pkey
-- as: system
INSERT INTO prices (valid_from, market, category, currency, amount_micros)
SELECT
    :valid_from,
    g.market,
    g.category,
    g.currency,
    g.amount
FROM
    unnest(:markets::text[], :categories::text[], :currencies::text[], :amounts::bigint[])
        AS g (market, category, currency, amount)
ORDER BY g.market, g.category
ON CONFLICT (valid_from, market, category) DO UPDATE SET
    currency = excluded.currency,
    amount_micros = excluded.amount_micros;
