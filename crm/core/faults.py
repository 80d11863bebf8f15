"""Faults to Sentry, when SENTRY_DSN says where: the type and place of each, and nothing that anybody wrote."""

import logging
from typing import TYPE_CHECKING, Any

from crm.core import log
from crm.core.config import Settings

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

_IDS = ("requestId", "tenantId", "userId")  # of what the log's lines say; the log has the rest
_FRAME = ("filename", "function", "module", "lineno", "in_app")
_LINK = ("type", "handled", "exception_id", "parent_id")
_PLAIN = ("event_id", "timestamp", "level", "logger", "platform", "environment", "release")


def watch(settings: Settings) -> None:
    """Report what is logged as ERROR, from here on. Without a DSN nothing is even imported."""
    if not settings.sentry_dsn:
        return
    import sentry_sdk  # noqa: PLC0415 - 5 MB of memory that only who wants it pays
    from sentry_sdk.integrations.atexit import AtexitIntegration  # noqa: PLC0415
    from sentry_sdk.integrations.dedupe import DedupeIntegration  # noqa: PLC0415
    from sentry_sdk.integrations.logging import LoggingIntegration  # noqa: PLC0415

    sentry_sdk.init(
        dsn=settings.sentry_dsn,
        environment=settings.app_env,
        release="",
        server_name="",
        # No other: those for Starlette, asyncpg, httpx and Redis take along requests, headers, statements, keys.
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            LoggingIntegration(level=None, event_level=logging.ERROR),
            DedupeIntegration(),
            AtexitIntegration(callback=lambda _pending, _timeout: None),
        ],
        before_send=_scrubbed,
        max_breadcrumbs=0,
        send_default_pii=False,
        include_local_variables=False,
        include_source_context=False,
        send_client_reports=False,
        auto_session_tracking=False,
    )


def _scrubbed(event: "Event", _hint: "Hint") -> "Event":
    """What is known to be harmless is taken over; all else, known to us or not, stays here."""
    given: dict[str, Any] = dict(event)
    clean: dict[str, Any] = {name: given[name] for name in _PLAIN if name in given}
    known = log.context.get() or {}
    clean["tags"] = {name: str(known[name]) for name in _IDS if name in known}
    if str(given.get("logger", "")).split(".")[0] == "crm":  # our own sentences are constants: no value is in them
        clean["logentry"] = {"message": _sentence(given.get("logentry"))}
    values = (given.get("exception") or {}).get("values") or []
    clean["exception"] = {"values": [_exception(value) for value in values]}
    return clean  # type: ignore[return-value]


def _sentence(entry: Any) -> str:
    """The template of a log line; what it was filled with may be anybody's."""
    return str((entry or {}).get("message", ""))


def _exception(value: dict[str, Any]) -> dict[str, Any]:
    """Its type, its place in the chain and its stack; the text of an exception quotes what it failed on."""
    frames = (value.get("stacktrace") or {}).get("frames") or []
    stack = {"frames": [{name: frame[name] for name in _FRAME if name in frame} for frame in frames]}
    mechanism = value.get("mechanism") or {}
    links = {name: mechanism[name] for name in _LINK if name in mechanism}
    named: dict[str, Any] = {name: value[name] for name in ("type", "module") if name in value}
    return {**named, "mechanism": {"type": "generic", **links}, "stacktrace": stack}
