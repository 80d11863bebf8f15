"""A CSV file as people have it: any usual encoding and separator, read in pieces, never whole in memory."""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from typing import IO

import msgspec

from crm.core.errors import ValidationFailed, invalid

_PIECE = 64 * 1024
_LONGEST = 64 * 1024  # characters of a line; what is longer is no table
_ENOUGH = 1_000_000  # characters read at a time
_DEEPEST = 100  # lines of one record: quotes that open and never close must not gather the file in memory


class Record(msgspec.Struct, frozen=True):
    """A record with the number of the line it begins on; the first is 1."""

    line: int
    cells: list[str]


class Sheet:
    """An open file. Its methods read the disk: call them in a thread."""

    def __init__(self, file: IO[bytes]) -> None:
        """Begin to read. Raises ValidationFailed when there is no heading."""
        self._text = io.TextIOWrapper(file, _encoding(file), errors="replace", newline="")
        separator, self._skipped = _separator(self._text)
        self._begun = 0
        self._reader = csv.reader(self._lines(), delimiter=separator, strict=True)
        first = self.records(1)
        if not first:
            raise invalid("/file", "o arquivo está vazio", "the file is empty")
        self.headings = [heading.strip() for heading in first[0].cells]

    def records(self, most: int) -> list[Record]:
        """The next records that are not blank, at most so many; none at the end. Raises ValidationFailed."""
        found: list[Record] = []
        size = 0
        while len(found) < most and size < _ENOUGH:
            self._begun = self._reader.line_num
            try:
                cells = next(self._reader, None)
            except csv.Error as error:
                raise self._torn() from error
            if cells is None:
                break
            if any(cell.strip() for cell in cells):
                found.append(Record(self._begun + self._skipped + 1, cells))
                size += sum(map(len, cells))
        return found

    def _lines(self) -> Iterator[str]:
        while line := self._text.readline(_LONGEST):
            if len(line) == _LONGEST or self._reader.line_num - self._begun > _DEEPEST:
                raise self._torn()
            yield line.replace("\0", "")

    def _torn(self) -> ValidationFailed:
        line = self._begun + self._skipped + 1
        return invalid(
            "/file",
            f"linha {line}: aspas que não se fecham, ou um texto longo demais",
            f"line {line}: quotes that do not close, or a text too long",
        )


def _encoding(file: IO[bytes]) -> str:
    """UTF-16 by its mark, UTF-8 when all of it is, else what Windows writes in the west, and with it latin-1."""
    file.seek(0)
    start = file.read(2)
    decoder = codecs.getincrementaldecoder("utf-8")()
    file.seek(0)
    try:
        while piece := file.read(_PIECE):
            decoder.decode(piece)
        decoder.decode(b"", final=True)
        kind = "utf-8-sig"
    except UnicodeDecodeError:
        kind = "utf-16" if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "cp1252"
    file.seek(0)
    return kind


def _separator(text: io.TextIOWrapper) -> tuple[str, int]:
    """What separates the cells, and how many lines to skip: Excel's own `sep=;` says it, else the headings do."""
    start = text.readline(_LONGEST)
    said = re.fullmatch(r"\ufeff?\"?sep=([;,\t])\"?\s*", start, re.IGNORECASE)
    if said:
        return said[1], 1
    text.seek(0)
    bare = re.sub(r'"[^"]*"', "", start)
    return max(",;\t", key=bare.count), 0
