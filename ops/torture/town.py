"""Everybody around the system: Meta, customers, attendants, and those who listen."""

import asyncio
import threading
import time

import uvicorn

from ops.fake_meta import KEPT_SECONDS
from ops.fake_meta import app as fake_meta
from ops.torture.load import Load
from ops.torture.reconcile import Verdict, look, reconcile
from ops.torture.rig import Rig


class Town:
    """Everybody but the system: the fake Meta and the load, on an event loop in a thread of their own.

    The main thread starts and kills processes, which must be the children of a thread that lives on.
    """

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.app = fake_meta()
        self.loop = asyncio.new_event_loop()
        self.load: Load | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        config = uvicorn.Config(self.app, host=host, port=port, log_level="error", timeout_keep_alive=KEPT_SECONDS)
        self._server = uvicorn.Server(config)
        self._work: asyncio.Future[None] | None = None

    def start(self) -> None:
        """The fake Meta alone."""
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._server._serve())

    def begin(self, load: Load) -> None:
        """First words, then the load."""
        self.load = load
        asyncio.run_coroutine_threadsafe(load.first_words(), self.loop).result(60)
        self._work = asyncio.run_coroutine_threadsafe(load.run(), self.loop)  # type: ignore[assignment]

    def finish(self, rig: Rig) -> None:
        """Ask everybody to come to an end, and wait while the system is looked after."""
        assert self.load is not None
        assert self._work is not None
        self.loop.call_soon_threadsafe(self.load.stopping.set)
        while not self._work.done():
            rig.pause(0.5)
        self._work.result()

    def settled(self, rig: Rig, seconds: float) -> Verdict:
        """Wait until nothing waits any more and every socket has heard of the last change, then compare."""
        assert self.load is not None
        url, ends = rig.home.database_url("owner"), time.monotonic() + seconds
        while (standing := asyncio.run(look(url, self.load.books))).moves or self.undelivered:
            if time.monotonic() > ends:
                break
            rig.pause(0.2)
        verdict = asyncio.run(reconcile(url, self.load.books, list(self.app.state.fake.world.sent), standing.heads))
        asyncio.run_coroutine_threadsafe(self.load.leave(), self.loop).result(60)
        return verdict

    @property
    def undelivered(self) -> int:
        """Statuses that Meta is still to tell, or tries to."""
        return len(self.app.state.fake.courier.tasks)
