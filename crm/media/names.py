"""File names as strangers give them, made harmless, and the header that offers a file under its name (RFC 6266)."""

import mimetypes
import re
import unicodedata
from urllib.parse import quote

_LONGEST = 150  # characters; with percent-encoding it stays below the 8 KB of a header
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}  # controls, RTL overrides, half emoji, line separators


def clean(given: object) -> str | None:
    """The last part of a path, without what is not seen or leads elsewhere; None when nothing is left."""
    if not isinstance(given, str):
        return None
    shown = "".join(char for char in given if unicodedata.category(char) not in _HIDDEN)
    name = re.sub(r'[<>:"|?*]', "_", re.split(r"[/\\]", shown)[-1]).strip(" .")
    if len(name) > _LONGEST:
        stem, dot, ending = name.rpartition(".")
        keeps = dot and 0 < len(ending) <= 10
        name = f"{stem[: _LONGEST - len(ending) - 1]}.{ending}" if keeps else name[:_LONGEST]
    return name or None


def ending(mime_type: str) -> str:
    """The usual ending of a type, with its dot; '' when there is none."""
    bare = mime_type.partition(";")[0]
    return {"audio/ogg": ".ogg", "image/webp": ".webp"}.get(bare) or mimetypes.guess_extension(bare) or ""


def disposition(filename: str | None, mime_type: str, inline: bool) -> str:
    """Content-Disposition: an ASCII name for old clients, the true one in UTF-8."""
    name = filename or f"media{ending(mime_type)}"
    plain = re.sub(r'[^\x20-\x7e]|["\\%]', "_", name)
    return f"{'inline' if inline else 'attachment'}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
