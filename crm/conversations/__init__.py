"""Talks with contacts: the list, reading, assigning, and what messages do to them."""

from crm.conversations.doors import routes
from crm.conversations.keeping import close_windows, found, opened, restate, touch
from crm.conversations.shapes import ConversationOut, ConversationRow, Latest, shown

__all__ = [
    "ConversationOut",
    "ConversationRow",
    "Latest",
    "close_windows",
    "found",
    "opened",
    "restate",
    "routes",
    "shown",
    "touch",
]
