REVOKE SELECT (tenant_id, channel_id, kind, severity, dismissed_at) ON public.channel_notices FROM crm_system;
DROP POLICY platform ON public.channel_notices;
DROP TABLE public.disk_days;
DROP TABLE public.channel_hours;
