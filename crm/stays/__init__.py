"""Stays of guests, as the hotel's own system tells them, and the messages that follow their dates."""

from crm.stays import doors, rules
from crm.stays.planning import plan_due

routes = [*doors.routes, *rules.routes]

__all__ = ["plan_due", "routes"]
