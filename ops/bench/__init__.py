"""The benchmark: `python -m crm bench`. It boots its own system on seeded data and measures it from outside."""
