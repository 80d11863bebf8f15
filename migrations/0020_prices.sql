-- What Meta charges for a message, as the platform's people typed it in: none of it is known to the code.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE public.prices (
    valid_from timestamptz NOT NULL,
    market text NOT NULL,
    category text NOT NULL,
    currency text NOT NULL,
    -- Millionths of the currency's unit: 0.0034 USD, a usual price, is 0.34 cents and no whole number of them.
    amount_micros bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT prices_pkey PRIMARY KEY (valid_from, market, category),
    CONSTRAINT prices_market_check CHECK (market ~ '^([A-Z]{2}|[*])$'),
    CONSTRAINT prices_category_check CHECK (category ~ '^[a-z_]{1,40}$'),
    CONSTRAINT prices_currency_check CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT prices_amount_check CHECK (amount_micros >= 0)
);
COMMENT ON TABLE public.prices IS
'Meta''s price per delivered message by market (a country, or * for all others) and category, from a date on.';
ALTER TABLE public.prices ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.prices FORCE ROW LEVEL SECURITY;
CREATE POLICY platform ON public.prices TO crm_system USING (TRUE) WITH CHECK (TRUE);
GRANT SELECT, INSERT, UPDATE (currency, amount_micros), DELETE ON public.prices TO crm_system;
