"""Messages: the history, what a person sends, what customers sent, and the states of sending."""

from crm.messages import decisions, doors, schedule, search, timeline
from crm.messages.arriving import receive
from crm.messages.bodies import body, files
from crm.messages.decisions import send_again
from crm.messages.kinds import Content, Send, TemplateUse
from crm.messages.marks import aim
from crm.messages.schedule import call_off, due_tenants, fall_due, move
from crm.messages.sending import insert
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
    "Content",
    "Ending",
    "Inbound",
    "LaneRow",
    "MessageOut",
    "MessageRow",
    "Send",
    "TemplateUse",
    "WaitingSendsRow",
    "advance",
    "aim",
    "body",
    "call_off",
    "claim",
    "due_tenants",
    "expire_leases",
    "fall_due",
    "files",
    "insert",
    "learn",
    "move",
    "offer",
    "opted_out",
    "opts_out",
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
