"""A hotel's WhatsApp numbers: their doors, their secrets, and where Meta's numbers lead."""

from crm.channels import check, codes, doors
from crm.channels.health import EAR_SECONDS, works
from crm.channels.routing import only, report, rest, routes_of, sender, stopped
from crm.channels.shapes import RestingTenantRow, RouteRow, SealedRow, SenderRow
from crm.channels.silence import FIRST, NoticedTenantRow, hear, judge, noticed
from crm.channels.tokens import opened, token

routes = [*doors.routes, *check.routes, *codes.routes]

__all__ = [
    "EAR_SECONDS",
    "FIRST",
    "NoticedTenantRow",
    "RestingTenantRow",
    "RouteRow",
    "SealedRow",
    "SenderRow",
    "hear",
    "judge",
    "noticed",
    "only",
    "opened",
    "report",
    "rest",
    "routes",
    "routes_of",
    "sender",
    "stopped",
    "token",
    "works",
]
