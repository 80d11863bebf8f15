-- Who is putting bytes into the store is known, so that what nobody wants any more goes at once and not after a day.
-- squawk-ignore-file adding-field-with-default
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

ALTER TABLE public.media_leftovers ADD COLUMN putting uuid[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN public.media_leftovers.putting IS
'Who is putting these bytes there and has not said yet whether a row names them.';
GRANT UPDATE (putting) ON public.media_leftovers TO crm_app;
