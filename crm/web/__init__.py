"""The inbox page: the files of crm/web/inbox/, read at the start, below /inbox. It uses the public API only."""

import hashlib
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PLACE = "/inbox"
_FILES = Path(__file__).parent / "inbox"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# Its own programs and styles, its own API, and bytes it has fetched with its token (blob:): nothing else is loaded,
# nothing inline runs, and no string becomes HTML (Trusted Types): a guest's message is an attacker's text.
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


class File(msgspec.Struct, frozen=True):
    """A file of the page, ready to be sent."""

    content: bytes
    headers: dict[str, str]


def _read(path: Path) -> File:
    content = path.read_bytes()
    headers = {
        "Content-Type": _TYPES[path.suffix],
        "ETag": f'"{hashlib.sha256(content).hexdigest()[:32]}"',
        # Asked for each time and answered 304: a deploy is seen at the next reload, by all files at once.
        "Cache-Control": "no-cache",
        "Content-Security-Policy": _CSP,
        "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    }
    return File(content, headers)


def _route(address: str, file: File) -> Route:
    async def serve(request: Request) -> Response:
        known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
        if file.headers["ETag"] in known:
            return Response(status_code=304, headers=file.headers)
        return Response(file.content, headers=file.headers)

    return Route(address, serve, methods=["GET"], name=f"GET {address}")


def _pages() -> list[Route]:
    """A route for each file: what is not one of these addresses is answered 404 by the router itself."""
    files = {path.name: _read(path) for path in sorted(_FILES.iterdir()) if path.suffix in _TYPES}
    page = files.pop("index.html")
    return [_route(PLACE, page), *(_route(f"{PLACE}/{name}", file) for name, file in files.items())]


pages = _pages()
