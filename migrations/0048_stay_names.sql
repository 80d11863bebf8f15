-- A planned message follows the name of its guest: another name in its words, and it is made anew.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

CREATE FUNCTION crm.look_at_stays() RETURNS trigger
LANGUAGE plpgsql VOLATILE
-- Whoever learns of a name changes it: the door, an import, a webhook, a merge. Here none of them is forgotten.
AS $$
BEGIN
    UPDATE public.stays
    SET due_at = now()
    WHERE tenant_id = NEW.tenant_id AND contact_id = NEW.id AND check_out >= crm.stays_since();
    RETURN NULL;
END
$$;
CREATE TRIGGER stays_renamed AFTER UPDATE OF name, profile_name ON public.contacts
FOR EACH ROW
WHEN (coalesce(old.name, old.profile_name) IS DISTINCT FROM coalesce(new.name, new.profile_name))
EXECUTE FUNCTION crm.look_at_stays();
