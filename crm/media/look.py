"""One look into a file, off the event loop: its hash, its type, what is to be seen of it, and a small picture."""

import hashlib
import io
import os
from contextlib import suppress
from typing import IO, Any

import msgspec
from PIL import Image, ImageOps, UnidentifiedImageError

from crm.media import sniffing

try:  # a frame of a film: only where PyAV is installed (it brings FFmpeg, 40 MB)
    import av
    from av.error import FFmpegError
except ImportError:  # pragma: no cover
    av = None  # type: ignore[assignment]

SIDE = 320  # pixels of a thumbnail's longer side
PIXELS = 40_000_000  # a picture of more is not opened: 160 MB of memory; a bomb of 30 KB can ask for gigabytes
Image.MAX_IMAGE_PIXELS = None  # Pillow only warns where we do not even look
_FRAMES = 60  # packets tried for a first frame
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
    seen: dict[str, Any] = {}
    if sniffed.mime_type in _PICTURES:
        seen = _picture(file, _PICTURES[sniffed.mime_type])
    elif av is not None and sniffed.mime_type in _CONTAINERS:
        seen = _film(file, _CONTAINERS[sniffed.mime_type])
    return Look(sha256=sha256, size=size, sniffed=sniffed, **seen)


def _picture(file: IO[bytes], kind: str) -> dict[str, Any]:
    """Its size, and a thumbnail unless it is a bomb. Pillow reads the size before it unpacks anything."""
    file.seek(0)
    seen: dict[str, Any] = {}
    with suppress(UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, MemoryError):
        image: Image.Image = Image.open(file, formats=[kind])
        seen["width"], seen["height"] = image.size
        if image.width * image.height <= PIXELS:
            image.draft("RGB", (SIDE * 2, SIDE * 2))  # a JPEG is unpacked at a fraction of its size
            seen["thumbnail"] = _small(ImageOps.exif_transpose(image))
    return seen


def _small(image: Image.Image) -> bytes:
    image.thumbnail((SIDE, SIDE))
    out = io.BytesIO()
    image.convert("RGBA" if "A" in image.getbands() or "transparency" in image.info else "RGB").save(
        out, "WEBP", quality=75
    )
    return out.getvalue()


def _film(file: IO[bytes], container: str) -> dict[str, Any]:
    """Its duration and first frame. The format is told, so that no playlist makes FFmpeg open anything else."""
    file.seek(0)
    seen: dict[str, Any] = {}
    with (
        suppress(FFmpegError, OSError, ValueError, OverflowError, MemoryError),
        av.open(file, mode="r", format=container) as opened,
    ):
        if opened.duration:
            seen["duration"] = round(opened.duration / 1_000_000, 2)
        for stream in opened.streams.video[:1]:
            stream.codec_context.thread_count = 1
            seen["width"], seen["height"] = stream.width, stream.height
            if 0 < stream.width * stream.height <= PIXELS:
                seen["thumbnail"] = _frame(opened, stream)
    return seen


def _frame(opened: Any, stream: Any) -> bytes | None:
    for tried, packet in enumerate(opened.demux(stream)):
        for frame in packet.decode():
            return _small(frame.to_image())
        if tried >= _FRAMES:
            break
    return None
