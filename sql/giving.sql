-- Who has a conversation. Called by crm/conversations/giving.py in a tenant's transaction.

-- name: claim(id uuid, own uuid) -> count
-- Takes what nobody has, or somebody who may not come in any more; none when somebody else has it.
-- Index: conversations_pkey, users_pkey
UPDATE conversations AS c
SET assigned_to = :own, updated_at = now()
WHERE
    c.id = :id
    AND (
        c.assigned_to IS NULL
        OR EXISTS (
            SELECT
            FROM users AS u
            WHERE u.id = c.assigned_to AND NOT u.active
        )
    );

-- name: assign(id uuid, assignee uuid, person boolean, department uuid, team boolean) -> count
-- Gives it to a person or to nobody, and to a department or to none: each as far as it is spoken of.
-- Index: conversations_pkey
UPDATE conversations
SET
    assigned_to = CASE WHEN :person THEN :assignee ELSE assigned_to END,
    department_id = CASE WHEN :team THEN :department ELSE department_id END,
    updated_at = now()
WHERE id = :id;

-- name: active_name(assignee uuid) -> value text
-- The name of a person of the tenant who may be given work.
-- Index: users_pkey
SELECT name
FROM users
WHERE id = :assignee AND active;
