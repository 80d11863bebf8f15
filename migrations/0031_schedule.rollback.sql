REVOKE UPDATE (send_at) ON public.messages FROM crm_app;
