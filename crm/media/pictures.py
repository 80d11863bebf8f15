"""Size and small picture of pictures and films: the one module that loads Pillow and FFmpeg (look.py).

Strangers' bytes go through C decoders and their Python wrappers, which raise far more than their pages say: a torn
file was seen to raise each of `BROKEN`. Whatever comes of it, the file itself is kept.
"""

import io
import struct
import zlib
from contextlib import suppress
from typing import IO, Any

from PIL import Image, ImageOps

try:  # a frame of a film: only where PyAV is installed (it brings FFmpeg, 40 MB)
    import av
    from av.error import FFmpegError
except ImportError:  # pragma: no cover
    av = None  # type: ignore[assignment]

SIDE = 320  # pixels of a thumbnail's longer side
PIXELS = 40_000_000  # a picture of more is not opened: 160 MB of memory; a bomb of 30 KB can ask for gigabytes
Image.MAX_IMAGE_PIXELS = None  # Pillow only warns where we do not even look
BROKEN = (
    OSError, ValueError, EOFError, SyntaxError, TypeError, AttributeError, LookupError, ArithmeticError,
    RuntimeError, AssertionError, MemoryError, BufferError, struct.error, zlib.error,
)  # fmt: skip
_FRAMES = 60  # packets tried for a first frame
_ORIENTATION, _SIDEWAYS = 0x0112, (5, 6, 7, 8)  # EXIF: how the camera was held


def picture(file: IO[bytes], kind: str) -> dict[str, Any]:
    """Its size as it is looked at, and a thumbnail unless it is a bomb: the size is read before it is unpacked."""
    file.seek(0)
    seen: dict[str, Any] = {}
    with suppress(*BROKEN):
        image: Image.Image = Image.open(file, formats=[kind])
        seen["width"], seen["height"] = image.size
        if image.width * image.height <= PIXELS:
            image.draft("RGB", (SIDE * 2, SIDE * 2))  # a JPEG is unpacked at a fraction of its size
            if image.getexif().get(_ORIENTATION) in _SIDEWAYS:
                seen["width"], seen["height"] = seen["height"], seen["width"]
            seen["thumbnail"] = _small(ImageOps.exif_transpose(image))
    return seen


def _small(image: Image.Image) -> bytes:
    image.thumbnail((SIDE, SIDE))
    out = io.BytesIO()
    image.convert("RGBA" if "A" in image.getbands() or "transparency" in image.info else "RGB").save(
        out, "WEBP", quality=75
    )
    return out.getvalue()


def film(file: IO[bytes], container: str) -> dict[str, Any]:
    """Its duration and first frame. The format is told, so that no playlist makes FFmpeg open anything else."""
    file.seek(0)
    seen: dict[str, Any] = {}
    if av is None:
        return seen  # pragma: no cover
    with (
        suppress(FFmpegError, *BROKEN),
        av.open(file, mode="r", format=container, metadata_errors="replace") as opened,  # a title in Latin-1
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
