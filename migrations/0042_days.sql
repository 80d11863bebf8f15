-- A stay's days lie in this century: a stay up to the last day of the calendar stopped the planning of every hotel.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

UPDATE public.stays
SET
    check_in = greatest(least(check_in, date '2099-12-31'), date '2000-01-01'),
    check_out = greatest(least(check_out, date '2099-12-31'), date '2000-01-01')
WHERE check_in < date '2000-01-01' OR check_out > date '2099-12-31';
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE public.stays ADD CONSTRAINT stays_century_check
CHECK (check_in >= date '2000-01-01' AND check_out <= date '2099-12-31');
