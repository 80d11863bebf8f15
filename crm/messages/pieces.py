"""What a message shows of its file, its error and its reactions: kept in its row as it is shown."""

from typing import Annotated, Literal, NotRequired, TypedDict

from msgspec import Meta

from crm.core.page import Stamp


class FileShown(TypedDict):
    """A message's file, as crm.media_shown makes it; what does not apply is left out."""

    id: Annotated[str, Meta(extra_json_schema={"format": "uuid"})]
    mimeType: str
    size: int | None
    filename: str | None
    state: Literal["PENDING", "READY", "FAILED", "DELETED"]
    width: NotRequired[int]
    height: NotRequired[int]
    duration: NotRequired[float]
    voice: NotRequired[bool]
    animated: NotRequired[bool]
    thumbnail: NotRequired[bool]
    error: NotRequired[str]


class ErrorShown(TypedDict):
    """Why a message failed (core.meta.told): Meta's code and words, and a word for what helps."""

    code: int | None
    title: str
    detail: str
    action: str | None


class ReactionShown(TypedDict):
    """A reaction: by `contact`, by a person of the hotel (the id), or from elsewhere (`phone`, `platform`)."""

    emoji: str
    by: str
    at: Stamp
