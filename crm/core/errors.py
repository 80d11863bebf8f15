"""Every error a caller can meet, in one tree: each carries its code, its status and its sentences.

Problem                                     what an answer of application/problem+json is made from (RFC 9457)
├── MalformedBody 400   ├── Unauthenticated 401 ─ InvalidCredentials, TokenExpired
├── PlanLimitReached 402 ├── Forbidden 403 ─ TenantMismatch, TenantSuspended
├── NotFound 404 ─ TenantNotFound           ├── MethodNotAllowed 405 ├── BodyTooSlow 408
├── Conflict 409 ─ AlreadyAssigned, ContactBlocked, WindowClosed, MediaNotReady
├── PayloadTooLarge 413 ├── UnsupportedMediaType 415 ├── RangeNotSatisfiable 416 ├── ValidationFailed 422
├── RateLimited 429     └── Internal 500    └── Unavailable 503
MetaError (core/meta.py) is not a Problem: the worker turns it into a message's state.
"""

from typing import Any, ClassVar

import msgspec


class FieldError(msgspec.Struct, frozen=True):
    """One wrong field: a JSON pointer (RFC 6901) and a sentence in both languages."""

    pointer: str
    pt: str
    en: str


class Problem(Exception):
    """Base of all answers that are not a success. `pt`/`en` replace the default sentence; `more` are members."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal Server Error"
    pt: str = "Algo deu errado do nosso lado. Informe o requestId ao suporte."
    en: str = "Something went wrong on our side. Give the requestId to support."

    def __init__(
        self,
        pt: str | None = None,
        en: str | None = None,
        *,
        errors: list[FieldError] | None = None,
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> None:
        self.pt, self.en = pt or self.pt, en or self.en
        self.errors, self.headers, self.more = errors or [], headers or {}, more
        super().__init__(self.en)


class Internal(Problem):
    """A fault of ours: nothing of it is told but the request's id."""


class MalformedBody(Problem):
    status, code, title = 400, "malformed_body", "Bad Request"
    pt = "O corpo da requisição não é um JSON válido em UTF-8."
    en = "The request body is not valid JSON in UTF-8."


class Unauthenticated(Problem):
    status, code, title = 401, "unauthenticated", "Unauthorized"
    pt = "Entre para continuar: falta um token válido ou a sessão terminou."
    en = "Sign in to continue: a valid token is missing or the session has ended."

    def __init__(self, pt: str | None = None, en: str | None = None) -> None:
        super().__init__(pt, en, headers={"WWW-Authenticate": "Bearer"})


class InvalidCredentials(Unauthenticated):
    code = "invalid_credentials"
    pt = "E-mail ou senha incorretos."
    en = "Wrong e-mail or password."


class TokenExpired(Unauthenticated):
    code = "token_expired"
    pt = "O token expirou: renove-o em POST /auth/refresh."
    en = "The token has expired: renew it with POST /auth/refresh."


class PlanLimitReached(Problem):
    status, code, title = 402, "plan_limit_reached", "Payment Required"
    pt = "O limite do plano foi atingido."
    en = "The plan's limit has been reached."


class Forbidden(Problem):
    status, code, title = 403, "forbidden", "Forbidden"
    pt = "Seu papel não permite esta ação."
    en = "Your role does not allow this action."


class TenantMismatch(Forbidden):
    code = "tenant_mismatch"
    pt = "O cabeçalho X-Tenant-Slug nomeia outro hotel que não o do seu token."
    en = "The X-Tenant-Slug header names another tenant than your token's."


class TenantSuspended(Forbidden):
    code = "tenant_suspended"
    pt = "Este hotel está suspenso. Fale com o suporte."
    en = "This tenant is suspended. Contact support."


class NotFound(Problem):
    status, code, title = 404, "not_found", "Not Found"
    pt = "Não encontrado."
    en = "Not found."


class TenantNotFound(NotFound):
    code = "tenant_not_found"
    pt = "Nenhum hotel com este endereço."
    en = "No tenant with this address."


class MethodNotAllowed(Problem):
    status, code, title = 405, "method_not_allowed", "Method Not Allowed"
    pt = "Este endereço não aceita este método."
    en = "This address does not take this method."


class BodyTooSlow(Problem):
    status, code, title = 408, "body_too_slow", "Request Timeout"
    pt = "O corpo da requisição demorou demais para chegar."
    en = "The request body took too long to arrive."

    def __init__(self) -> None:
        super().__init__(headers={"Connection": "close"})


class Conflict(Problem):
    status, code, title = 409, "conflict", "Conflict"
    pt = "Já existe um registro com estes dados."
    en = "A record with these values exists already."


class AlreadyAssigned(Conflict):
    code = "already_assigned"
    pt = "Outra pessoa já atende esta conversa."
    en = "Somebody else already has this conversation."


class ContactBlocked(Conflict):
    code = "contact_blocked"
    pt = "Este contato está bloqueado: desbloqueie-o para lhe enviar mensagens."
    en = "This contact is blocked: unblock it to send it messages."


class WindowClosed(Conflict):
    code = "window_closed"
    pt = "A janela de 24 horas está fechada: só um modelo aprovado pode ser enviado até o cliente escrever."
    en = "The 24-hour window is closed: only an approved template can be sent until the customer writes."


class MediaNotReady(Conflict):
    code = "media_not_ready"
    pt = "O arquivo ainda não está aqui: veja `state`."
    en = "The file is not here yet: see `state`."


class PayloadTooLarge(Problem):
    status, code, title = 413, "payload_too_large", "Content Too Large"
    pt = "O corpo da requisição é grande demais."
    en = "The request body is too large."


class UnsupportedMediaType(Problem):
    status, code, title = 415, "unsupported_media_type", "Unsupported Media Type"
    pt = "Envie o corpo como application/json."
    en = "Send the body as application/json."


class RangeNotSatisfiable(Problem):
    status, code, title = 416, "range_not_satisfiable", "Range Not Satisfiable"
    pt = "O arquivo não tem a parte pedida em Range."
    en = "The file does not have the part that Range asks for."

    def __init__(self, size: int) -> None:
        super().__init__(headers={"Content-Range": f"bytes */{size}"})


class ValidationFailed(Problem):
    status, code, title = 422, "validation_failed", "Unprocessable Content"
    pt = "Há campos com valores inválidos."
    en = "Some fields have invalid values."


class RateLimited(Problem):
    status, code, title = 429, "rate_limited", "Too Many Requests"
    pt = "Muitas tentativas. Aguarde antes de tentar de novo."
    en = "Too many tries. Wait before trying again."

    def __init__(self, retry_after: int, pt: str | None = None, en: str | None = None) -> None:
        """`retry_after` is in seconds."""
        super().__init__(pt, en, headers={"Retry-After": str(retry_after)})


class Unavailable(Problem):
    status, code, title = 503, "unavailable", "Service Unavailable"
    pt = "Serviço momentaneamente indisponível. Tente de novo em instantes."
    en = "The service is unavailable for a moment. Try again shortly."

    def __init__(self, retry_after: int = 2) -> None:
        super().__init__(headers={"Retry-After": str(retry_after)})


def invalid(pointer: str, pt: str, en: str) -> ValidationFailed:
    """A 422 about one field, for rules that a type cannot say."""
    return ValidationFailed(errors=[FieldError(pointer, pt, en)])


def tree(kind: type[Problem] = Problem) -> list[type[Problem]]:
    """Every kind of error, in the order of the tree."""
    return [below for child in kind.__subclasses__() for below in (child, *tree(child))]
