"""Stays of guests, as the hotel's own system tells them."""

from crm.stays import doors

routes = [*doors.routes]

__all__ = ["routes"]
