"""What Meta's list makes of the templates known here: pure, so that its rules can be read and tested alone.

The list wins for the status; the reason is the webhook's while the status stays (Meta: sync rule). What was told or
made here after the list was begun is newer than the list.
"""

from datetime import datetime, timedelta

import msgspec

from crm.templates.graph import Node
from crm.templates.shapes import TemplateRow

_UNLISTED = timedelta(minutes=10)  # one made just now may not be in Meta's list yet


class Merged(msgspec.Struct, frozen=True):
    """Rows to add as Meta lists them, rows that changed, rows that are gone."""

    added: list[Node]
    changed: list[TemplateRow]
    gone: list[TemplateRow]


def merge(known: list[TemplateRow], listed: list[Node], started: datetime) -> Merged:
    """`started` is when the list was begun, by the clock of the rows."""
    by_name = {(row.name, row.language): row for row in known}
    names = {(one["name"], one["language"]) for one in listed}
    old = [(by_name.get((one["name"], one["language"])), one) for one in listed]
    changed = [learned(row, one, started) for row, one in old if row is not None and row.updated_at <= started]
    return Merged(
        [one for row, one in old if row is None],
        [row for row in changed if row != by_name[row.name, row.language]],
        [row for row in known if (row.name, row.language) not in names and _is_gone(row, started)],
    )


def _is_gone(row: TemplateRow, started: datetime) -> bool:
    seen = row.synced_at is not None or row.created_at < started - _UNLISTED
    return seen and row.updated_at <= started


def learned(row: TemplateRow, listed: Node, started: datetime) -> TemplateRow:
    """The row as the list has it; the very same when the list says nothing new."""
    same = row.status == listed["status"]
    moved = row.category != listed["category"]
    new = msgspec.structs.replace(
        row,
        graph_id=listed["graph_id"] or row.graph_id,
        category=listed["category"],
        status=listed["status"],
        parameter_format=listed["parameter_format"],
        components=listed["components"],
        quality=listed["quality"] or row.quality,
        reason=(row.reason if same else None) or listed["reason"],
        advice=row.advice if same else None,
        previous_category=row.category if moved else row.previous_category,
        next_category=None if moved else row.next_category,
        category_changes_at=None if moved else row.category_changes_at,
    )
    return row if new == row else msgspec.structs.replace(new, synced_at=started)
