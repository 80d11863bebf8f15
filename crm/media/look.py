"""One look into a file, off the event loop: its hash, its type, what is to be seen of it, and a small picture."""

import hashlib
import os
from typing import IO, Any

import msgspec

from crm.media import sniffing

_PICTURES = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP", "image/gif": "GIF"}
_CONTAINERS = {
    "video/mp4": "mov",
    "video/3gpp": "mov",
    "video/quicktime": "mov",
    "audio/mp4": "mov",
    "audio/mpeg": "mp3",
    "audio/aac": "aac",
    "audio/amr": "amr",
    sniffing.OPUS: "ogg",
}


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What a file is; `duration` in seconds, `thumbnail` as webp."""

    sha256: bytes
    size: int
    sniffed: sniffing.Sniffed
    width: int | None = None
    height: int | None = None
    duration: float | None = None
    thumbnail: bytes | None = None


def look(file: IO[bytes]) -> Look:
    """Read a file once for its hash and look into it; what cannot be opened has no size and no thumbnail."""
    file.seek(0)
    sha256 = hashlib.file_digest(file, "sha256").digest()  # type: ignore[arg-type]
    size = file.seek(0, os.SEEK_END)
    sniffed = sniffing.sniff(file)
    return Look(sha256=sha256, size=size, sniffed=sniffed, **_seen(file, sniffed.mime_type))


def _seen(file: IO[bytes], mime_type: str) -> dict[str, Any]:
    """What its decoder tells. They are loaded with the first file: 30 MB that most processes never need."""
    if mime_type not in _PICTURES and mime_type not in _CONTAINERS:
        return {}
    from crm.media import pictures  # noqa: PLC0415 (see above)

    if mime_type in _PICTURES:
        return pictures.picture(file, _PICTURES[mime_type])
    return pictures.film(file, _CONTAINERS[mime_type])
