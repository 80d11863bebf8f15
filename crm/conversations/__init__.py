"""Talks with contacts: the list, reading, giving and moving them, notes, and what messages do to them."""

from crm.conversations import drafts, giving, lists, starting, states, timeline
from crm.conversations.keeping import (
    bring_back,
    close_windows,
    found,
    kept,
    opened,
    restate,
    retold,
    shown_of,
    snoozed_tenants,
    standing,
    touch,
    wake,
    widen,
)
from crm.conversations.shapes import ConversationOut, ConversationRow, Direction, Latest, MessageStatus, shown
from crm.conversations.starting import reached

# The list stands first: it is asked for most.
routes = [*lists.routes, *states.routes, *giving.routes, *timeline.routes, *drafts.routes, *starting.routes]

__all__ = [
    "ConversationOut",
    "ConversationRow",
    "Direction",
    "Latest",
    "MessageStatus",
    "bring_back",
    "close_windows",
    "found",
    "kept",
    "opened",
    "reached",
    "restate",
    "retold",
    "routes",
    "shown",
    "shown_of",
    "snoozed_tenants",
    "standing",
    "touch",
    "wake",
    "widen",
]
