DROP TABLE public.conversations;
DROP FUNCTION crm.count_moved_conversations();
DROP FUNCTION crm.count_new_conversations();
DROP TABLE public.conversation_counts;
