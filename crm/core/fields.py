"""The kinds of text a body may hold: each with its limits, shared by every slice that takes it."""

from typing import Annotated

from msgspec import Meta

Name = Annotated[str, Meta(min_length=1, max_length=200)]
# In Python's regular expressions $ also matches before a final line break: hence (?!\n).
Slug = Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$(?!\n)", min_length=1, max_length=63)]
# Deliberately loose: one @, no spaces; only a mail server knows the rest.
Email = Annotated[str, Meta(pattern=r"^[^@\s]+@[^@\s]+\.?[^@\s]*$(?!\n)", min_length=3, max_length=254)]
Password = Annotated[str, Meta(min_length=8, max_length=1024)]
AnyPassword = Annotated[str, Meta(min_length=1, max_length=1024)]
Secret = Annotated[str, Meta(min_length=1, max_length=2048)]
GraphId = Annotated[str, Meta(pattern=r"^[0-9A-Za-z_-]{1,64}$(?!\n)", max_length=64)]


def normal_email(email: str) -> str:
    """An e-mail as it is stored and looked up."""
    return email.strip().lower()
