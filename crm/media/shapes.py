"""The shapes of media: rows, answers, and the kinds Meta takes with their limits."""

from typing import Any
from uuid import UUID

import msgspec

from crm.core.store import key_of
from crm.media import sniffing

MEGABYTE = 1024 * 1024
LARGEST = 100 * MEGABYTE  # Meta: media over 100 MB from a customer is not delivered, nor taken from us
_WORD = "application/vnd.openxmlformats-officedocument"

# Meta: sending, the table of types and limits; the types are those that a file's bytes tell.
KINDS = {
    "image": ({"image/jpeg", "image/png"}, 5 * MEGABYTE),
    "video": ({"video/mp4", "video/3gpp"}, 16 * MEGABYTE),
    "audio": ({"audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", sniffing.OPUS}, 16 * MEGABYTE),
    "sticker": ({"image/webp"}, 100 * 1024),
    "document": (
        {
            "text/plain",
            "application/pdf",
            "application/msword",
            "application/vnd.ms-excel",
            "application/vnd.ms-powerpoint",
            f"{_WORD}.wordprocessingml.document",
            f"{_WORD}.spreadsheetml.sheet",
            f"{_WORD}.presentationml.presentation",
        },
        LARGEST,
    ),
}
ANIMATED_STICKER = 500 * 1024
_KIND_OF = {mime: kind for kind, (mimes, _) in KINDS.items() for mime in mimes}


def kind_of(mime_type: str) -> str | None:
    """The kind of message that carries this type, None when Meta takes it in none."""
    return _KIND_OF.get(mime_type)


def limit_of(kind: str, animated: bool) -> int:
    """The most bytes of a kind."""
    return ANIMATED_STICKER if kind == "sticker" and animated else KINDS[kind][1]


class ArrivedRow(msgspec.Struct, frozen=True):
    """Media a message brought: its row's id, and what the message shows of it."""

    channel_id: UUID
    graph_id: str
    id: UUID
    shown: dict[str, Any]


class PendingRow(msgspec.Struct, frozen=True):
    """Media that nobody fetches yet."""

    tenant_id: UUID
    id: UUID


class FetchRow(msgspec.Struct, frozen=True):
    """Media taken for fetching. `died`: whoever took it before never said how it ended."""

    id: UUID
    channel_id: UUID
    graph_id: str
    graph_url: str | None
    mime_type: str
    sha256: bytes | None
    attempts: int
    claim: UUID
    expired: bool
    died: bool


class MediaRow(msgspec.Struct, frozen=True):
    """Media as its doors need it; `sha256` and `size` are there once it is READY."""

    id: UUID
    state: str
    mime_type: str
    filename: str | None
    size: int | None
    sha256: bytes | None
    has_thumbnail: bool


class UploadRow(msgspec.Struct, frozen=True):
    """A file to upload to Meta, or (`graph_id`) one that a channel has uploaded lately."""

    mime_type: str
    size: int
    sha256: bytes
    graph_id: str | None


class MediaOut(msgspec.Struct, frozen=True, rename="camel"):
    """An uploaded file."""

    id: UUID
    mime_type: str
    size: int


def thumbnail_key_of(tenant: UUID, sha256: bytes) -> str:
    """Where their small picture lies."""
    return f"{key_of(tenant, sha256)}.webp"
