"""The backend of a multi-tenant CRM for WhatsApp customer service: one hotel is one tenant."""
