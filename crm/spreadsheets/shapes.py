"""The shapes of spreadsheets: an import as stored and shown, its lines, its errors."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from crm.core.page import Stamp, maybe_stamp, stamp

SHOWN = 1_000  # errors shown with an import; all of them are in its errors.csv
Status = Literal["RUNNING", "DONE", "FAILED"]


class ImportRow(msgspec.Struct, frozen=True):
    """An import as stored. `columns` say what each column of the file is; an empty one is not taken."""

    id: UUID
    filename: str | None
    status: Status
    columns: list[str]
    headings: list[str]
    lines: int
    created: int
    updated: int
    unchanged: int
    failed: int
    created_at: datetime
    finished_at: datetime | None


class ProgressRow(ImportRow, frozen=True):
    """An import after a batch; `told`: it is time to tell of it."""

    told: bool


class RunningRow(msgspec.Struct, frozen=True):
    """An import that nobody works on."""

    tenant_id: UUID
    id: UUID


class LineRow(msgspec.Struct, frozen=True):
    """A line taken to be worked."""

    line: int
    cells: list[str]


class ErrorRow(msgspec.Struct, frozen=True):
    """What is wrong in a line, in which column."""

    line: int
    place: int
    heading: str
    pt: str
    en: str


class MetRow(msgspec.Struct, frozen=True):
    """A person of an import, and the line that named them first."""

    contact_id: UUID
    line: int


class KeptRow(msgspec.Struct, frozen=True):
    """What a line says of a contact: made by this batch, something new."""

    created: bool
    changed: bool


class SheetRow(msgspec.Struct, frozen=True):
    """A contact as a spreadsheet shows it."""

    id: UUID
    name: str | None
    phone: str | None
    email: str | None
    tags: list[str]
    attributes: dict[str, Any]
    language: str | None
    blocked: bool
    marketing_opt_out: bool


class ErrorOut(msgspec.Struct, frozen=True):
    """What is wrong in a line of the file (the first is 1), in which column, by its heading."""

    line: int
    column: str
    message: str


class ImportOut(msgspec.Struct, frozen=True, rename="camel"):
    """An import, how far it is, and what was wrong: the first 1,000 errors. `skippedColumns` were not taken."""

    id: UUID
    filename: str | None
    status: Status
    lines: int
    created: int
    updated: int
    unchanged: int
    failed: int
    skipped_columns: list[str]
    created_at: Stamp
    finished_at: Stamp | None
    errors: list[ErrorOut] | msgspec.UnsetType = msgspec.UNSET


def shown(row: ImportRow, errors: Sequence[ErrorRow] | None = None, english: bool = False) -> ImportOut:
    """The row as the contract writes it; a list and the socket leave the errors out."""
    told = (
        msgspec.UNSET
        if errors is None
        else [ErrorOut(one.line, one.heading, one.en if english else one.pt) for one in errors]
    )
    return ImportOut(
        row.id,
        row.filename,
        row.status,
        row.lines,
        row.created,
        row.updated,
        row.unchanged,
        row.failed,
        [heading for heading, column in zip(row.headings, row.columns, strict=True) if not column],
        stamp(row.created_at),
        maybe_stamp(row.finished_at),
        told,
    )
