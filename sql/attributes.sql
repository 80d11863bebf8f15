-- Fields of contacts that a hotel declares for itself; while it declares none, its contacts take any. Called by
-- crm/contacts/attributes.py in a tenant's transaction.

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

-- name: free(most bigint) -> many FreeRow
-- The fields that most contacts have, whether declared or not. Reads every contact of the hotel: for an export, which
-- does that itself.
-- Index: contacts_pkey
SELECT each.key
FROM contacts AS c
CROSS JOIN LATERAL jsonb_object_keys(c.attributes) AS each (key)
WHERE c.merged_into IS NULL AND c.erased_at IS NULL AND NOT c.is_group
GROUP BY each.key
ORDER BY count(*) DESC, each.key
LIMIT :most;

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
