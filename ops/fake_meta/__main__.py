"""`python -m ops.fake_meta --port N [--host 127.0.0.1]`."""

import argparse
import contextlib
import socket

import uvicorn

from . import KEPT_SECONDS, app
from .settings import from_environment


class Server(uvicorn.Server):
    """Lets the watching phone pages go before it waits for open connections."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Called by uvicorn when it was told to stop."""
        self.config.app.state.fake.chats.dismiss()  # type: ignore[union-attr]
        await super().shutdown(sockets)


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m ops.fake_meta", description=main.__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    given = parser.parse_args()
    config = uvicorn.Config(
        app(from_environment()),
        host=given.host,
        port=given.port,
        log_level="warning",
        timeout_keep_alive=KEPT_SECONDS,
        timeout_graceful_shutdown=1,
    )
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises it again after its clean end
        Server(config).run()


if __name__ == "__main__":
    main()
