"""The API's server: uvicorn, which on a signal first lets everybody leave, and then stops."""

import asyncio
import signal
from types import FrameType
from typing import Any

import uvicorn

from crm.core.edge import Edge

LEAVING_SECONDS = 1.0  # not ready, each answer closes its connection; what comes is still served


class Server(uvicorn.Server):
    """A proxy that holds connections open loses no request to a stop: the connections are gone when it comes."""

    def __init__(self, edge: Edge, **settings: Any) -> None:
        super().__init__(uvicorn.Config(edge, **settings))
        self._edge = edge
        self._ends_at: float | None = None

    def handle_exit(self, sig: int, _frame: FrameType | None) -> None:
        """The first signal begins the leaving, the second ends it at once, a third (Ctrl-C) waits for nobody."""
        if self.should_exit:
            self.force_exit = sig == signal.SIGINT
        elif self._edge.leaving:
            self.should_exit = True
        self._edge.leaving = True

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: is the leaving over?"""
        now = asyncio.get_running_loop().time()
        if self._edge.leaving and self._ends_at is None:
            self._ends_at = now + LEAVING_SECONDS
        if self._ends_at is not None and now >= self._ends_at:
            self.should_exit = True
        return await super().on_tick(counter)
