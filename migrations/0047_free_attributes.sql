-- A hotel that declares no fields of contacts takes any; the columns' words said that it takes none.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

COMMENT ON TABLE public.contact_attributes IS
'Fields of contacts that a hotel has of its own, in the order of its admin. While there are none any is taken; then
a value outside of them is refused.';
COMMENT ON COLUMN public.contacts.attributes IS
'The hotel''s own fields by key: those declared in contact_attributes, or any while none is.';
