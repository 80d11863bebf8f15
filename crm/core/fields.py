"""The kinds of text and time a body may hold: each with its limits, shared by every slice that takes it."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from msgspec import Meta

from crm.core.errors import invalid

FARTHEST = timedelta(days=366)  # how far ahead people may set a time

# RFC 3339; that its offset is there, `zoned` sees to.
Moment = Annotated[datetime, Meta(extra_json_schema={"format": "date-time"})]
Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S")]
# In Python's regular expressions $ also matches before a final line break: hence (?!\n).
Slug = Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$(?!\n)", min_length=1, max_length=63)]
# Deliberately loose: one @, no spaces; only a mail server knows the rest.
Email = Annotated[str, Meta(pattern=r"^[^@\s]+@[^@\s]+\.?[^@\s]*$(?!\n)", min_length=3, max_length=254)]
Password = Annotated[str, Meta(min_length=8, max_length=1024)]
AnyPassword = Annotated[str, Meta(min_length=1, max_length=1024)]
# What a header can carry: Meta's tokens and secrets are letters, digits and signs, without blanks.
Secret = Annotated[str, Meta(pattern=r"^[!-~]+$(?!\n)", min_length=1, max_length=2048)]
MASK = "••••"  # stands for a secret that is shown, with its last four characters
SecretOrMask = Annotated[str, Meta(pattern=rf"^({MASK}[!-~]{{0,4}}|[!-~]+)$(?!\n)", min_length=1, max_length=2048)]
GraphId = Annotated[str, Meta(pattern=r"^[0-9A-Za-z_-]{1,64}$(?!\n)", max_length=64)]
Tag = Annotated[str, Meta(pattern=r"^\S(.*\S)?$(?!\n)", min_length=1, max_length=50)]
Tags = Annotated[list[Tag], Meta(max_length=50)]
Language = Annotated[str, Meta(pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z]{2,4})?$(?!\n)")]


def zoned(at: datetime | None, pointer: str) -> datetime | None:
    """The time in UTC, which says its offset if given. Raises ValidationFailed (RFC 3339), naming the field."""
    if at is None:
        return None
    if at.tzinfo is None:
        raise invalid(pointer, "falta o fuso horário (RFC 3339)", "the offset is missing (RFC 3339)")
    try:
        return at.astimezone(UTC)
    except OverflowError as error:  # the first or last day that a calendar has, and an offset that leads out of it
        raise invalid(pointer, "fora do calendário", "outside the calendar") from error


def ahead(at: datetime, pointer: str) -> None:
    """The time lies ahead, within a year. Raises ValidationFailed naming the field."""
    zoned(at, pointer)
    if not datetime.now(UTC) < at < datetime.now(UTC) + FARTHEST:
        raise invalid(pointer, "deve estar no futuro, em até um ano", "must lie ahead, within a year")


def normal_email(email: str) -> str:
    """An e-mail as it is stored and looked up."""
    return email.strip().lower()
