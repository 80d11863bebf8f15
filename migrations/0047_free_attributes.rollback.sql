-- The words of before.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

COMMENT ON TABLE public.contact_attributes IS
'Fields of contacts that a hotel has of its own, in the order of its admin. A value outside of them is refused.';
COMMENT ON COLUMN public.contacts.attributes IS 'What the hotel itself declared in contact_attributes, by key.';
