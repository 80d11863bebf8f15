-- Fields of contacts that a hotel declares for itself. Called by crm/contacts/attributes.py in a tenant's transaction.

-- name: declared() -> many AttributeRow
-- What the hotel declared, in its order.
-- Index: contact_attributes_pkey
SELECT
    key,
    label,
    type,
    options
FROM contact_attributes
ORDER BY place, key;

-- name: declare(fields jsonb) -> none
-- Writes the fields in this order, and takes away those that are not named any more. Values stay on the contacts.
-- Index: contact_attributes_pkey
WITH given AS (
    SELECT
        field ->> 'key' AS key,
        field,
        place
    FROM jsonb_array_elements(:fields::jsonb) WITH ORDINALITY AS each (field, place) -- noqa: AL05
),

gone AS (
    DELETE FROM contact_attributes
    WHERE key <> ALL(ARRAY(SELECT given.key FROM given))
)

INSERT INTO contact_attributes (key, label, type, options, place)
SELECT
    given.key,
    given.field ->> 'label',
    given.field ->> 'type',
    ARRAY(SELECT jsonb_array_elements_text(given.field -> 'options')),
    given.place
FROM given
ON CONFLICT (tenant_id, key) DO UPDATE SET
    label = excluded.label,
    type = excluded.type,
    options = excluded.options,
    place = excluded.place;
