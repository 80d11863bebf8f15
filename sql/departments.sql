-- Departments and who works there. Called by crm/departments.py in a tenant's transaction.

-- name: everything(wanted uuid) -> many DepartmentRow
-- All of them with their members, or one.
SELECT
    d.id,
    d.name,
    (
        SELECT coalesce(jsonb_agg(jsonb_build_object('id', u.id, 'name', u.name) ORDER BY u.name, u.id), '[]')
        FROM department_members AS m
        INNER JOIN users AS u ON m.tenant_id = u.tenant_id AND m.user_id = u.id
        WHERE m.tenant_id = d.tenant_id AND m.department_id = d.id
    ) AS members
FROM departments AS d
WHERE (:wanted::uuid IS NULL OR d.id = :wanted)
ORDER BY lower(d.name), d.id;

-- name: name(id uuid) -> value text
-- What a department is called; it cannot be taken away before what is given to it is committed.
-- Index: departments_pkey
SELECT name
FROM departments
WHERE id = :id
FOR KEY SHARE;

-- name: hold(id uuid) -> value uuid
-- Nothing is given to it until the end of the transaction; nothing when it is not there.
-- Index: departments_pkey
SELECT id
FROM departments
WHERE id = :id
FOR UPDATE;

-- name: id_of_name(name text) -> value uuid
-- Which department is called so.
-- Index: departments_name_key
SELECT id
FROM departments
WHERE lower(name) = lower(:name);

-- name: insert(name text) -> value uuid
-- Adds one; nothing when the name is taken.
-- Index: departments_name_key
INSERT INTO departments (name)
VALUES (:name)
ON CONFLICT (tenant_id, lower(name)) DO NOTHING
RETURNING id;

-- name: rename(id uuid, name text) -> count
-- Another name, if one is given.
-- Index: departments_pkey
UPDATE departments
SET name = coalesce(btrim(:name), name), updated_at = now()
WHERE id = :id;

-- name: empty(id uuid, max bigint) -> count
-- So many of its conversations are of no department any more.
-- Index: conversations_department_ix, conversations_pkey
UPDATE conversations
SET department_id = NULL, updated_at = now()
WHERE
    id IN (
        SELECT c.id
        FROM conversations AS c
        WHERE c.department_id = :id
        ORDER BY c.archived ASC, c.last_message_at DESC, c.id DESC
        LIMIT :max
    );

-- name: delete(id uuid) -> count
-- Takes it away.
-- Index: departments_pkey
DELETE FROM departments
WHERE id = :id;

-- name: people(people uuid[]) -> value bigint
-- How many of these are people of the tenant.
-- Index: users_pkey
SELECT count(*)
FROM users
WHERE id = ANY(:people::uuid[]);

-- name: leave(id uuid, people uuid[]) -> many MembershipRow
-- Takes out whoever is not among these.
-- Index: department_members_department_ix
DELETE FROM department_members
WHERE department_id = :id AND user_id <> ALL(:people::uuid[])
RETURNING user_id;

-- name: come(id uuid, people uuid[]) -> many MembershipRow
-- Puts in whoever of these was not there; the department that is not there takes nobody.
-- Index: department_members_pkey
INSERT INTO department_members (department_id, user_id)
SELECT
    d.id,
    person.user_id
FROM departments AS d
CROSS JOIN unnest(:people::uuid[]) AS person (user_id)
WHERE d.id = :id
ON CONFLICT (tenant_id, user_id, department_id) DO NOTHING
RETURNING user_id;
