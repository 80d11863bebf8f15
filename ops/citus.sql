-- When one Postgres is outgrown: how the tables lie on several with Citus 13 or newer (docs/capacity.md says when).
-- Run once on the coordinator, as the superuser, after `migrate` on an empty database; then restore the data into it:
--   psql -v ON_ERROR_STOP=1 -f ops/citus.sql postgresql://postgres@coordinator/crm
-- tests/test_citus.py compares this page with the catalog: no table is left out, every key and foreign key qualifies.
-- It was never run on Citus here. What must be seen to there before anything else stands at the end.

-- Reference tables: whole on every machine. tenants: every foreign key ends there, and slugs are unique over all.
-- channels: Meta's number decides the tenant, so it is unique over all. prices: asked with every tenant's messages.
SELECT create_reference_table('public.tenants');
SELECT create_reference_table('public.channels');
SELECT create_reference_table('public.prices');

-- Local tables of the coordinator, which nothing of a tenant is joined with: webhook_events, webhook_waiting, workers, disk_days.

-- Distributed by tenant: all rows of a hotel lie on one machine, so its keys, foreign keys and joins stay there.
SELECT create_distributed_table('public.users', 'tenant_id');
SELECT create_distributed_table('public.' || name, 'tenant_id', colocate_with => 'public.users')
FROM unnest(ARRAY[
    'sessions', 'audit_log', 'departments', 'department_members', 'retentions',
    'channel_health', 'channel_hours', 'channel_notices',
    'contacts', 'contact_identities', 'contact_aliases', 'contact_attributes', 'contact_counts', 'contact_merges',
    'contact_erasures',
    'contact_imports', 'contact_import_lines', 'contact_import_people', 'contact_import_errors',
    'conversations', 'conversation_counts', 'conversation_entries', 'conversation_tags', 'drafts', 'snoozes',
    'media', 'media_uploads', 'media_leftovers',
    'messages', 'message_files', 'message_words', 'parked_statuses',
    'feed_heads', 'feed_events', 'idempotency_keys', 'dead_letters',
    'templates', 'template_syncs', 'quick_replies', 'tags',
    'stays', 'stay_messages', 'stay_sends'
]) WITH ORDINALITY AS listed (name, place)
ORDER BY place;

-- To be seen to on the first trial, in this order:
-- 1. crm/core/db.py sets the tenant by set_config(); Citus hands on SET LOCAL only (citus.propagate_set_commands = 'local').
--    Row security on the other machines sees no tenant until _opening says SET LOCAL: 77 µs a transaction more.
--    What goes alone (crm.entered) begins a transaction there, as behind PgBouncer.
-- 2. Triggers write beside their row (the same tenant, so the same machine). They need citus.enable_unsafe_triggers and
--    citus.allow_nested_distributed_execution:
--    conversations_counted, conversations_recounted, contacts_counted, contacts_discounted, contacts_merged,
--    words_kept, words_renewed, words_gone, stays_renamed.
-- 3. The sweep and `crm_waiting` ask all tenants at once, as crm_system: one question to every machine each second.
-- 4. Functions of the schema crm are to be on every machine (create_distributed_function).
