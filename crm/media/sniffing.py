"""What a file is, judged by its first bytes alone: what its sender says of it is not believed."""

import os
import struct
from typing import IO

import msgspec

UNKNOWN = "application/octet-stream"
OPUS = "audio/ogg; codecs=opus"  # Meta: audio/opus goes out as this
_HEAD, _TAIL = 8192, 65_536
_OFFICE = "application/vnd.openxmlformats-officedocument."

_STARTS = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"#!AMR", "audio/amr"),
    (b"ID3", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"\x1a\x45\xdf\xa3", "video/webm"),
    (b"{\\rtf", "application/rtf"),
)
_ZIPPED = (
    (b"word/", f"{_OFFICE}wordprocessingml.document"),
    (b"xl/", f"{_OFFICE}spreadsheetml.sheet"),
    (b"ppt/", f"{_OFFICE}presentationml.presentation"),
)
_OLD_OFFICE = (
    ("WordDocument", "application/msword"),
    ("Workbook", "application/vnd.ms-excel"),
    ("Book", "application/vnd.ms-excel"),
    ("PowerPoint Document", "application/vnd.ms-powerpoint"),
)
_ACTIVE = (b"<!doctype", b"<html", b"<head", b"<body", b"<script", b"<iframe", b"<!--")


class Sniffed(msgspec.Struct, frozen=True):
    """A type, and whether it moves (webp)."""

    mime_type: str
    animated: bool = False
    channels: int = 0  # of an opus voice; Meta takes one


def sniff(file: IO[bytes]) -> Sniffed:
    """The type of a file; application/octet-stream when its bytes tell none."""
    file.seek(0)
    head = file.read(_HEAD)
    if head[:4] == b"RIFF":
        return _riff(head)
    if head[:4] == b"OggS":
        return _ogg(head)
    found = next((mime for start, mime in _STARTS if head.startswith(start)), None)
    return Sniffed(found or _boxed(head) or _framed(head) or _packed(file, head) or _text(head) or UNKNOWN)


def believed(sniffed: str, claimed: str) -> str:
    """The type to keep: a claim only fills in where the bytes tell none, and never one that a browser shows."""
    bare = claimed.partition(";")[0].strip().lower()
    family = bare.partition("/")[0]
    if sniffed != UNKNOWN or family in ("image", "audio", "video", "text", ""):
        return sniffed
    return bare if "xml" not in bare and "html" not in bare and "script" not in bare else UNKNOWN


def _riff(head: bytes) -> Sniffed:
    if head[8:12] == b"WAVE":
        return Sniffed("audio/wav")
    if head[8:12] != b"WEBP":
        return Sniffed(UNKNOWN)
    return Sniffed("image/webp", animated=head[12:16] == b"VP8X" and len(head) > 20 and bool(head[20] & 0x02))


def _ogg(head: bytes) -> Sniffed:
    place = head.find(b"OpusHead", 0, 512)
    if place < 0 or len(head) < place + 10:
        return Sniffed("video/ogg" if b"theora" in head[:512] else "audio/ogg")
    return Sniffed(OPUS, channels=head[place + 9])


def _boxed(head: bytes) -> str | None:
    """ISO base media: the brand tells mp4 from 3gp, m4a and pictures."""
    if head[4:8] != b"ftyp":
        return None
    brand = head[8:12].lower()
    if brand[:3] in (b"3gp", b"3g2"):
        return "video/3gpp"
    if brand in (b"m4a ", b"m4b ", b"m4p "):
        return "audio/mp4"
    if brand in (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis"):
        return "image/avif" if brand.startswith(b"avi") else "image/heic"
    return "video/quicktime" if brand == b"qt  " else "video/mp4"


def _framed(head: bytes) -> str | None:
    """A frame of MPEG audio: layer III is mp3, no layer is AAC (ADTS)."""
    if len(head) < 2 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    layer = head[1] >> 1 & 3
    return "audio/mpeg" if layer == 1 else "audio/aac" if layer == 0 and head[1] & 0xF0 == 0xF0 else None


def _packed(file: IO[bytes], head: bytes) -> str | None:
    """Office's files: a zip by the names at its ends (never unpacked), an OLE file by its directory."""
    if head[:4] == b"PK\x03\x04":
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - _TAIL))
        names = head + file.read(_TAIL)
        office = b"[Content_Types].xml" in names
        return next((mime for name, mime in _ZIPPED if office and name in names), "application/zip")
    if head[:8] != b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" or len(head) < 52:
        return None
    shift, sector = struct.unpack_from("<H", head, 30)[0], struct.unpack_from("<I", head, 48)[0]
    file.seek((sector + 1) << min(shift, 12))
    directory = file.read(_HEAD)
    return next((mime for name, mime in _OLD_OFFICE if name.encode("utf-16-le") in directory), None)


def _text(head: bytes) -> str | None:
    """Markup that a browser would run, or plain text; a NUL or another control character is neither."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith(b"<svg") or (start.startswith((b"<?xml", b"<!")) and b"<svg" in start):
        return "image/svg+xml"
    if start.startswith(_ACTIVE):
        return "text/html"
    if start.startswith(b"<?xml"):
        return "text/html" if b"<html" in start else "text/xml"
    if not head or any(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head):
        return None
    try:
        head[: len(head) - 4 if len(head) == _HEAD else None].decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 8:
            return None
    return "text/plain"
