"""Messages: the history, what a person sends, what customers sent, and the states of sending."""

from crm.messages.arriving import receive
from crm.messages.doors import routes
from crm.messages.settling import advance, claim, expire_leases, settle, settle_sent, unpark, waiting_lanes
from crm.messages.shapes import Advance, ClaimedRow, Inbound, LaneRow, MessageOut, MessageRow

__all__ = [
    "Advance",
    "ClaimedRow",
    "Inbound",
    "LaneRow",
    "MessageOut",
    "MessageRow",
    "advance",
    "claim",
    "expire_leases",
    "receive",
    "routes",
    "settle",
    "settle_sent",
    "unpark",
    "waiting_lanes",
]
