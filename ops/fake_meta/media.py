"""Media: upload, look up, five-minute URLs behind the bearer, delete (Meta: §7)."""

import base64
import hashlib
import hmac
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .errors import GraphError, bad_token, invalid, required, unknown_object
from .multipart import parts
from .state import Fake, number, of, owned
from .world import Media

MB = 1024 * 1024
TEXTS = ("text/plain", "application/pdf", "application/msword")
OFFICE = "application/vnd."
SAMPLES = {"image/jpeg", "image/png", "video/mp4", "application/pdf"}
LIMITS = {"image/webp": MB // 2, "image": 5 * MB, "video": 16 * MB, "audio": 16 * MB}
TYPES = {
    "image": {"image/jpeg", "image/png", "image/webp"},
    "video": {"video/mp4", "video/3gpp"},
    "audio": {"audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"},
}


async def upload(request: Request) -> Response:
    """Multipart with `messaging_product`, `type` and `file`; the part's own type counts (Meta: §7)."""
    business = number(request)
    form = parts(request.headers.get("Content-Type", ""), await request.body())
    for name in ("messaging_product", "file"):
        if name not in form:
            raise required(name)
    file = form["file"]
    mime = file.content_type or "application/octet-stream"
    checked(mime, file.data)
    media = keep(of(request), business.phone_number_id, mime, file.data, file.filename)
    return JSONResponse({"id": media.id})


async def begin_sample(request: Request) -> Response:
    """POST /{app-id}/uploads: a session for an example file (Meta: §7, resumable upload)."""
    fake, query = of(request), request.query_params
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    app = request.path_params["node"]
    if not any(one.access_token == token and one.token_app == app for one in fake.world.numbers.values()):
        raise unknown_object("POST", app)
    if not query.get("file_length", "").isdigit() or query.get("file_type") not in SAMPLES:
        raise invalid(f"Param file_length is a number, file_type one of {sorted(SAMPLES)}")
    session = fake.world.next_id()
    fake.world.sessions[session] = int(query["file_length"])
    return JSONResponse({"id": f"upload:{session}"})


async def take_sample(request: Request) -> Response:
    """POST /upload:…: the bytes in one go, by the word OAuth; the handle."""
    length = of(request).world.sessions.pop(request.path_params["session"], None)
    if not request.headers.get("Authorization", "").startswith("OAuth "):
        raise bad_token()
    data = await request.body()
    if length != len(data) or request.headers.get("file_offset") != "0":
        raise invalid(f"{len(data)} bytes from offset 0, where the session has {length}")
    return JSONResponse({"h": f"4::{hashlib.sha256(data).hexdigest()}"})


def checked(mime: str, data: bytes) -> None:
    """The types and sizes that Meta takes (Meta: §6 table)."""
    bare = mime.partition(";")[0].strip().lower()
    family = bare.partition("/")[0]
    if bare not in TYPES.get(family, TEXTS) and not bare.startswith(OFFICE):
        raise invalid(f"Param file must be a file with one of the supported types; got {mime!r}.")
    if not data or len(data) > LIMITS.get(bare, LIMITS.get(family, 100 * MB)):
        title = "(#131053) Media upload error"
        raise GraphError(131053, title, details=f"{len(data)} bytes are outside the limits of {bare}")


def keep(fake: Fake, phone_number_id: str, mime: str, data: bytes, filename: str | None) -> Media:
    """Store the bytes under a new id."""
    sha256 = base64.b64encode(hashlib.sha256(data).digest()).decode()
    media = Media(fake.world.next_id(), phone_number_id, mime, data, sha256, filename)
    fake.world.media[media.id] = media
    return media


def show(request: Request, media: Media) -> Response:
    """GET /{media-id}; a `phone_number_id` that is not the owner's fails (Meta: §7)."""
    _theirs(request, media)
    return JSONResponse(
        {
            "messaging_product": "whatsapp",
            "url": _url(of(request), media, str(request.base_url)),
            "mime_type": media.mime_type,
            "sha256": media.sha256,
            "file_size": len(media.data),
            "id": media.id,
        }
    )


def delete(request: Request, media: Media) -> Response:
    """DELETE /{media-id}."""
    _theirs(request, media)
    del of(request).world.media[media.id]
    return JSONResponse({"success": True})


def _theirs(request: Request, media: Media) -> None:
    fake = of(request)
    owned(request, media.id, [fake.world.numbers[media.phone_number_id]])
    if request.query_params.get("phone_number_id", media.phone_number_id) != media.phone_number_id:
        raise unknown_object(request.method, media.id)


async def download(request: Request) -> Response:
    """The bytes; anything wrong with the URL or the token is 404 (Meta: §7)."""
    fake, query = of(request), request.query_params
    media = fake.world.media.get(query.get("mid", ""))
    until = query.get("ext", "0")
    if media is None or not until.isdigit() or int(until) < time.time():
        return Response(status_code=404)
    if not hmac.compare_digest(query.get("hash", ""), _seal(fake, media.id, until)):
        return Response(status_code=404)
    try:
        owned(request, media.id, [fake.world.numbers[media.phone_number_id]])
    except GraphError:
        return Response(status_code=404)
    return _bytes(media)


def _bytes(media: Media) -> Response:
    disposition = {"Content-Disposition": "attachment"} if media.filename else {}
    response = Response(media.data, headers=disposition)
    response.headers["Content-Type"] = media.mime_type
    return response


def _seal(fake: Fake, media_id: str, until: str) -> str:
    return hmac.new(fake.key, f"{media_id}/{until}".encode(), hashlib.sha256).hexdigest()[:24]


def _url(fake: Fake, media: Media, base_url: str) -> str:
    until = str(int(time.time()) + fake.settings.media_url_seconds)
    seal = _seal(fake, media.id, until)
    return f"{base_url}whatsapp_business/attachments/?mid={media.id}&ext={until}&hash={seal}"


def described(fake: Fake, node: Any, base_url: str) -> Any:
    """An inbound node that names stored media, completed as Meta does (Meta: §2 table)."""
    media = fake.world.media.get(str(node.get("id"))) if isinstance(node, dict) else None
    if media is None:
        return node
    named = {"filename": media.filename} if media.filename else {}
    facts = {"mime_type": media.mime_type, "sha256": media.sha256, "url": _url(fake, media, base_url)}
    return {**named, **facts, **node}
