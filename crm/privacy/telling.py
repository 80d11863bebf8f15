"""What is known of a person in one zip: JSON for programs, a page in Portuguese for people, and the files.

Written piece by piece to the disk, in a thread; messages are read a page at a time, each in its own transaction.
"""

import asyncio
import tempfile
import zipfile
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from functools import partial
from typing import IO, Any
from uuid import UUID

import msgspec

from crm.core import sql
from crm.core.errors import NotFound
from crm.core.http import Call
from crm.core.store import key_of
from crm.messages import MessageRow
from crm.messages.shapes import shown
from crm.privacy import page
from crm.privacy.erasing import family, talks
from crm.privacy.shapes import FactsRow, FileRow, HouseRow

_sql, _messages = sql.load("privacy"), sql.load("messages")
_encode = msgspec.json.Encoder().encode

IN_MEMORY = 1024 * 1024  # bytes; beyond, the file lies on the disk
_PAGE = 200  # messages read at a time
_PIECE = 256 * 1024
_FIRST = UUID(int=0)


class Whole(msgspec.Struct, frozen=True):
    """What is read before the messages."""

    house: HouseRow
    facts: list[FactsRow]
    conversations: list[UUID]
    files: list[FileRow]


async def packed(call: Call, contact: UUID) -> IO[bytes]:
    """Everything on a person as a zip. The caller closes it. Raises NotFound, Unavailable."""
    async with call.opened() as tx:
        people = [row.id for row in await family(tx, contact)]
        talked = await talks(tx, people)
        whole = Whole(
            await tx.one(_sql.house, HouseRow),
            await tx.many(_sql.facts, FactsRow, contacts=people),
            talked,
            await tx.many(_sql.files, FileRow, conversations=talked),
        )
    out: IO[bytes] = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 the caller closes it
    try:
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            await _texts(call, archive, whole)
            for row in whole.files:
                await _file(call, archive, row)
    except BaseException:
        out.close()
        raise
    return out


async def _texts(call: Call, archive: zipfile.ZipFile, whole: Whole) -> None:
    """The same twice: dados.json as it is written, and dados.html beside it until its turn comes."""
    facts: dict[str, list[dict[str, Any]]] = {}
    for row in whole.facts:
        facts.setdefault(row.kind, []).append(row.facts)
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as readable:
        readable.write(page.start(whole.house, facts).encode())
        with archive.open("dados.json", "w", force_zip64=True) as data:
            data.write(b'{"facts":' + _encode(facts) + b',"messages":[')
            first = True
            async for rows in _history(call, whole.conversations):
                text = b",".join(_encode(shown(row)) for row in rows)
                await asyncio.to_thread(data.write, text if first else b"," + text)
                await asyncio.to_thread(
                    readable.write, page.messages(whole.house, rows, _names(whole.files)).encode()
                )
                first = False
            data.write(b"]}")
        readable.write(page.END.encode())
        readable.seek(0)
        with archive.open("dados.html", "w", force_zip64=True) as html:
            while piece := await asyncio.to_thread(readable.read, _PIECE):
                await asyncio.to_thread(html.write, piece)


async def _history(call: Call, conversations: Iterable[UUID]) -> AsyncIterator[list[MessageRow]]:
    """All messages of these conversations, the oldest first, a page at a time."""
    for conversation in conversations:
        at, last = page.EVER, _FIRST
        while True:
            place = {"conversation": conversation, "after": at, "after_id": last, "max": _PAGE}
            async with call.opened() as tx:
                rows = await tx.many(_messages.after, MessageRow, **place)
            if not rows:
                break
            yield rows
            at, last = rows[-1].created_at, rows[-1].id


def _names(files: Iterable[FileRow]) -> dict[str, str]:
    """Where each file lies in the zip, by its id."""
    return {str(row.id): page.path(row) for row in files if row.state == "READY"}


async def _file(call: Call, archive: zipfile.ZipFile, row: FileRow) -> None:
    """The bytes; a file that the store has lost is left out."""
    if row.state != "READY" or row.sha256 is None:
        return
    with suppress(NotFound):
        pieces = await call.rails.store.read(key_of(call.place, row.sha256), 0, row.size or 0)
        with archive.open(page.path(row), "w", force_zip64=True) as member:
            async for piece in pieces:
                await asyncio.to_thread(member.write, piece)


async def pieces(file: IO[bytes]) -> AsyncIterator[bytes]:
    """The file from its beginning, closed at the end."""
    file.seek(0)
    try:
        while piece := await asyncio.to_thread(partial(file.read, _PIECE)):
            yield piece
    finally:
        file.close()


def size_of(file: IO[bytes]) -> int:
    """How many bytes."""
    return file.seek(0, 2)
