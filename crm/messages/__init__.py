"""Messages: the history, what a person sends, what customers sent, and the states of sending."""

from crm.messages import decisions, doors, schedule, search, timeline
from crm.messages.arriving import receive
from crm.messages.bodies import body
from crm.messages.decisions import send_again
from crm.messages.kinds import Send
from crm.messages.schedule import due_tenants, fall_due
from crm.messages.sending import put
from crm.messages.sends import (
    BLOCKED,
    OFFER_SECONDS,
    UNCERTAIN,
    Ending,
    advance,
    claim,
    expire_leases,
    learn,
    offer,
    opted_out,
    opts_out,
    put_back,
    settle,
    settle_sent,
    unpark,
    waiting_lanes,
)
from crm.messages.shapes import (
    WAITING_NAMES,
    Advance,
    ClaimedRow,
    Inbound,
    LaneRow,
    MessageOut,
    MessageRow,
    WaitingSendsRow,
    updated,
)

routes = [*doors.routes, *schedule.routes, *search.routes, *timeline.routes, *decisions.routes]

__all__ = [
    "BLOCKED",
    "OFFER_SECONDS",
    "UNCERTAIN",
    "WAITING_NAMES",
    "Advance",
    "ClaimedRow",
    "Ending",
    "Inbound",
    "LaneRow",
    "MessageOut",
    "MessageRow",
    "Send",
    "WaitingSendsRow",
    "advance",
    "body",
    "claim",
    "due_tenants",
    "expire_leases",
    "fall_due",
    "learn",
    "offer",
    "opted_out",
    "opts_out",
    "put",
    "put_back",
    "receive",
    "routes",
    "send_again",
    "settle",
    "settle_sent",
    "unpark",
    "updated",
    "waiting_lanes",
]
