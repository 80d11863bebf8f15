"""SAQ's own page at /admin/queues, for super admins: by bearer token, or by a cookie after signing in on a form."""

import base64
import hashlib
from html import escape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from redis.exceptions import RedisError
from saq.queue.base import Queue
from saq.web import starlette as saq_page
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crm.core import access, edge, http, queue
from crm.core.access import SUPER_ADMIN, Who
from crm.core.errors import Forbidden, InvalidCredentials, NotFound, Problem, Unauthenticated, Unavailable
from crm.core.http import Call
from crm.core.rails import Rails
from crm.sessions import own, sign_in
from crm.sessions.shapes import Login

PLACE, COOKIE = "/admin/queues", "crm_admin"
_FORM_LIMIT = 4096
_SCRIPT = base64.b64encode(hashlib.sha256(f'const root_path = "{PLACE}";'.encode()).digest()).decode()
_CSP = (
    f"default-src 'none'; script-src 'self' 'sha256-{_SCRIPT}'; style-src 'self'; img-src data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_FORM = """<!DOCTYPE html><html lang="{lang}"><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><h1>{title}</h1><p role="alert">{said}</p>
<form method="post" action="{place}/sign-in">
<p><label>E-mail <input name="email" type="email" autocomplete="username" required autofocus></label></p>
<p><label>{password} <input name="password" type="password" autocomplete="current-password" required></label></p>
<p><button>{enter}</button></p></form></html>"""
_WORDS = {
    "pt-BR": {"title": "Filas", "password": "Senha", "enter": "Entrar"},
    "en": {"title": "Queues", "password": "Password", "enter": "Sign in"},
}


class Guard:
    """Lets nobody but a super admin through to SAQ's page, which asks for nothing itself."""

    def __init__(self) -> None:
        self._page = saq_page.saq_web(PLACE, [])
        for kind, problem in ((KeyError, NotFound), (ValueError, NotFound), (RedisError, Unavailable)):
            self._page.add_exception_handler(kind, _answering(problem))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request of the page, of its programs, or of the form."""
        if scope["type"] != "http":
            raise NotFound
        request = Request(scope, receive)
        app = await self._chosen(request)
        await app(scope, receive, _with_csp(send))

    async def _chosen(self, request: Request) -> ASGIApp:
        rails: Rails = request.state.rails
        path = request.url.path.removeprefix(PLACE)
        if request.method == "POST" and path == "/sign-in":
            return await _sign_in(request, rails)
        try:
            who = await _super_admin(request, rails)
        except (Unauthenticated, Forbidden):
            if "text/html" in request.headers.get("accept", ""):
                return _form(request, 401)
            raise
        if request.method == "POST" and path == "/sign-out":
            return await _sign_out(rails, who)
        # SAQ keeps its queues in a global of the module.
        saq_page.QUEUES.clear()
        saq_page.QUEUES.update(_queues(rails))
        return self._page


def _queues(rails: Rails) -> dict[str, Queue]:
    return {name: queue.queue(rails.redis, name) for name in (queue.INBOUND, queue.OUTBOUND)}


def _answering(problem: type[Problem]) -> Any:
    async def answer(request: Request, _error: Exception) -> Response:
        return await edge.on_problem(request, problem())

    return answer


def _with_csp(send: Send) -> Send:
    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["content-security-policy"] = _CSP
        await send(message)

    return answer


async def _super_admin(request: Request, rails: Rails) -> Who:
    """The caller, of the platform, whose session is open. Raises Unauthenticated, Forbidden."""
    cookie = request.cookies.get(COOKIE)
    by_cookie = cookie is not None and "authorization" not in request.headers
    token = cookie if by_cookie and cookie else access.bearer(request)
    who = access.known(token, rails.settings.jwt_secret)
    if who.role != SUPER_ADMIN or (by_cookie and request.method == "POST" and not _from_here(request)):
        raise Forbidden
    async with rails.db.system(who.home, who.caller):
        return who


def _from_here(request: Request) -> bool:
    """Whether a browser says that our own page asks: a cookie is sent by whoever asks."""
    return urlsplit(request.headers.get("origin", "")).netloc == request.headers.get("host", "-")


async def _sign_in(request: Request, rails: Rails) -> Response:
    """By the same way as POST /auth/login, on the platform; the cookie lives as long as its token."""
    if not _from_here(request):
        raise Forbidden
    form = parse_qs((await http.read(request, _FORM_LIMIT)).decode("utf-8", "replace"))
    given = {name: form.get(name, [""])[0] for name in ("email", "password")}
    call = Call(request, rails, None, None)
    try:
        call.body = msgspec.convert(given, Login)
        signed_in = await sign_in.sign_in(call, None)
    except (msgspec.ValidationError, Problem) as error:
        problem = error if isinstance(error, Problem) else InvalidCredentials()
        return _form(request, problem.status, problem)
    answer = RedirectResponse(f"{PLACE}/", 303)
    secure = request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https"
    answer.set_cookie(
        COOKIE,
        signed_in.access_token,
        max_age=signed_in.expires_in,
        path=PLACE,
        secure=secure,
        httponly=True,
        samesite="strict",
    )
    return answer


async def _sign_out(rails: Rails, who: Who) -> Response:
    """End the session at once."""
    async with rails.db.tenant(who.home, who.caller) as tx:
        await own.end(rails, tx, who.session, who.user)
    answer = RedirectResponse(f"{PLACE}/", 303)
    answer.delete_cookie(COOKIE, path=PLACE)
    return answer


def _form(request: Request, status: int, problem: Problem | None = None) -> Response:
    english = edge.prefers_english(request.headers.get("accept-language", ""))
    language = "en" if english else "pt-BR"
    said = "" if problem is None else problem.en if english else problem.pt
    page = _FORM.format(lang=language, said=escape(said), place=PLACE, **_WORDS[language])
    return HTMLResponse(page, status, problem.headers if problem else None)


_mount = Mount(PLACE, Guard())


class _WithoutSlash:
    """The page at its address as people type it: a mount answers below its path only."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        inner = {**scope, "path": f"{PLACE}/"}
        _, child = _mount.matches(inner)
        await _mount.handle({**inner, **child}, receive, send)


mounts = [Route(PLACE, _WithoutSlash()), _mount]
