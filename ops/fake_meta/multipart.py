"""Just enough of multipart/form-data to take a media upload without one more dependency."""

from email.message import Message

import msgspec


class Part(msgspec.Struct):
    """One field of the form."""

    name: str
    filename: str | None
    content_type: str | None
    data: bytes


def parts(content_type: str, body: bytes) -> dict[str, Part]:
    """The fields by name; empty when this is not multipart."""
    boundary = _headers(f"Content-Type: {content_type}").get_boundary()
    if not boundary:
        return {}
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary.encode())[1:-1]
    return {part.name: part for part in map(_part, pieces)}


def _part(piece: bytes) -> Part:
    head, _, data = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    headers = _headers(head.decode(errors="replace"))
    name = headers.get_param("name", "", "Content-Disposition")
    return Part(str(name), headers.get_filename(), headers["Content-Type"], data)


def _headers(text: str) -> Message:
    message = Message()
    for line in text.split("\r\n"):
        name, _, value = line.partition(":")
        message[name] = value.strip()
    return message
