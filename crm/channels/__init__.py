"""A hotel's WhatsApp numbers: their doors, their secrets, and where Meta's numbers lead."""

from crm.channels.doors import routes
from crm.channels.routing import only, rest, routes_of, sender
from crm.channels.shapes import RestingTenantRow, RouteRow, SealedRow, SenderRow
from crm.channels.tokens import token

__all__ = [
    "RestingTenantRow",
    "RouteRow",
    "SealedRow",
    "SenderRow",
    "only",
    "rest",
    "routes",
    "routes_of",
    "sender",
    "token",
]
