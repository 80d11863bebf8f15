"""The chats as the customers' phones show them, and who is watching each (the page's live feed)."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import msgspec

Key = tuple[str, str]
"""A chat: the business number's id and the customer's key."""


class Bubble(msgspec.Struct, rename="camel", kw_only=True):
    """A message on the phone's screen; `state` is the tick, `note` why the CRM did not take it."""

    wamid: str
    at: float
    by: Literal["customer", "business"]
    type: str
    node: Any
    context: dict[str, Any] | None = None
    preview: dict[str, Any] | None = None
    state: Literal["sending", "refused", "accepted", "read", "received"] = "received"
    note: str | None = None


class Event(msgspec.Struct):
    """What a watching page is told."""

    name: str
    data: Any


class Chats:
    """Bubbles by chat, and one queue per open page."""

    def __init__(self) -> None:
        self.bubbles: defaultdict[Key, dict[str, Bubble]] = defaultdict(dict)
        self.watchers: defaultdict[Key, set[asyncio.Queue[Event]]] = defaultdict(set)

    def clear(self) -> None:
        """Forget the bubbles; pages that are open stay connected and are told."""
        self.bubbles.clear()
        for key in list(self.watchers):
            self.tell(key, Event("cleared", None))

    def dismiss(self) -> None:
        """The end of the process: every page is let go, and tries again by itself."""
        for key in list(self.watchers):
            self.tell(key, Event("bye", None))

    def tell(self, key: Key, event: Event) -> None:
        """Hand the event to every page that shows this chat."""
        for queue in self.watchers.get(key, ()):
            queue.put_nowait(event)

    def show(self, key: Key, bubble: Bubble) -> None:
        """Add a bubble, or repaint the one of the same wamid."""
        self.bubbles[key][bubble.wamid] = bubble
        self.tell(key, Event("bubble", bubble))

    def delivered(self, key: Key, wamid: str, status: int | None) -> None:
        """One tick more when the CRM took the message, else the reason; a read mark is never undone."""
        bubble = self.bubbles[key].get(wamid)
        if bubble and bubble.state != "read":
            bubble.state = "accepted" if status == 200 else "refused"
            bubble.note = None if status == 200 else str(status or "sem resposta")
            self.show(key, bubble)

    def read(self, phone_number_id: str, wamid: str) -> Key | None:
        """Blue ticks up to `wamid`: a read mark covers all earlier messages (Meta: §6)."""
        found = (key for key, chat in self.bubbles.items() if key[0] == phone_number_id and wamid in chat)
        if key := next(found, None):
            mark = self.bubbles[key][wamid]
            for bubble in self.bubbles[key].values():
                if bubble.by == "customer" and bubble.state != "read" and bubble.at <= mark.at:
                    bubble.state = "read"
                    self.show(key, bubble)
        return key

    @contextmanager
    def watch(self, key: Key) -> Iterator[asyncio.Queue[Event]]:
        """The chat's events from now on."""
        queue: asyncio.Queue[Event] = asyncio.Queue()
        self.watchers[key].add(queue)
        try:
            yield queue
        finally:
            self.watchers[key].discard(queue)
