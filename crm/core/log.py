"""JSON logs on the standard library: one line an event, with who and which request, never what was said."""

import contextvars
import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any

# The request or job at work: requestId, tenantId, userId, and for the worker the job's name.
context: contextvars.ContextVar[dict[str, object] | None] = contextvars.ContextVar("log_context", default=None)

_PLAIN = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "color_message"}
_SECRET = re.compile(r"token|secret|password|authorization|content|body|text", re.IGNORECASE)
_IN_TEXT = re.compile(r"(eyJ[\w-]+\.[\w-]+\.[\w-]+|Bearer\s+\S+|://[^\s/@]*:[^\s/@]*@|hub\.verify_token=[^\s&\"]+)")


class JsonFormatter(logging.Formatter):
    """A record as one JSON object; extra fields are kept, those whose name tells a secret are blanked."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": _clean(record.getMessage()),
            **(context.get() or {}),
        }
        for name, value in record.__dict__.items():
            if name not in _PLAIN:
                line[name] = "•••" if _SECRET.search(name) else value
        if record.exc_info:
            line["exception"] = _clean(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)


def _clean(text: str) -> str:
    return _IN_TEXT.sub("•••", text)


def _no_refusal(record: logging.LogRecord) -> bool:
    """uvicorn calls a handshake that was answered with a refusal an error: strangers would fill the log with it."""
    return record.msg != "ASGI callable returned without completing handshake."


def bind(**values: object) -> contextvars.Token[dict[str, object] | None]:
    """Add fields to every line logged in this task from here on; None values are left out."""
    known = {name: value for name, value in values.items() if value is not None}
    return context.set({**(context.get() or {}), **known})


def setup(level: str) -> None:
    """Send everything to standard output as JSON; libraries speak from WARNING up."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level="WARNING", handlers=[handler], force=True)
    logging.getLogger("crm").setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    logging.getLogger("uvicorn.error").addFilter(_no_refusal)
    logging.getLogger("uvicorn.error").setLevel("WARNING")  # at INFO it tells sockets' query strings
    logging.getLogger("uvicorn.access").setLevel("ERROR")
    logging.getLogger("saq").setLevel("ERROR")  # at WARNING it tells of its own blocked reads at each stop
