"""Graph's errors: an exception, its JSON answer, and the ones used in more than one place (Meta: §6.2)."""

import secrets
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response


class GraphError(Exception):
    """What a Graph call is refused with; `(#code)` goes in front of the message as Meta does (Meta: §6)."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        status: int = 400,
        details: str | None = None,
        subcode: int | None = None,
        kind: str = "OAuthException",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error: dict[str, Any] = {"message": message, "type": kind, "code": code}
        if subcode is not None:
            self.error["error_subcode"] = subcode
        if details is not None:
            self.error["error_data"] = {"messaging_product": "whatsapp", "details": details}


def reply(error: GraphError, headers: dict[str, str] | None = None) -> Response:
    """The error as Graph writes it."""
    body = {"error": {**error.error, "fbtrace_id": "A" + secrets.token_urlsafe(16)}}
    return JSONResponse(body, status_code=error.status, headers=headers)


async def handle(request: Request, error: Exception) -> Response:
    """Starlette's exception handler; `request` is part of its signature."""
    assert isinstance(error, GraphError)
    return reply(error)


def invalid(details: str, code: int = 100) -> GraphError:
    """A wrong value. Interactive limits come as 131009, everything else as 100 (Meta: §6.2)."""
    title = "Invalid parameter" if code == 100 else "Parameter value is not valid"
    return GraphError(code, f"(#{code}) {title}", details=details)


def required(name: str) -> GraphError:
    """A missing parameter."""
    return GraphError(100, f"(#100) The parameter {name} is required.", details=f"{name} is required")


def unknown_object(method: str, name: str) -> GraphError:
    """HTTP 400, not 404, for an object that is missing or not ours (Meta: §6.2)."""
    message = (
        f"Unsupported {method.lower()} request. Object with ID '{name}' does not exist, "
        "cannot be loaded due to missing permissions, or does not support this operation"
    )
    return GraphError(100, message, subcode=33, kind="GraphMethodException")


def bad_token() -> GraphError:
    """HTTP 401 code 190 (Meta: §6.2)."""
    return GraphError(190, "Invalid OAuth access token - Cannot parse access token", status=401)
