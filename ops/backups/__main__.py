"""`python -m ops.backups`: make, list, verify and restore backups; ends with 0, or with 1 and a sentence."""

import math
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pyrage

from crm.core.surroundings import BACKUP_HOURS
from ops.backups import making, mirror, proving, restoring, settings
from ops.backups.place import Failed, Place

KEY = click.option("--key", "key_file", required=True, type=click.Path(path_type=Path, exists=True),
                   help="The file with the private key (AGE-SECRET-KEY-…).")  # fmt: skip


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Backups of the database and the media."""


@cli.command()
def now() -> None:
    """Make a backup now, then take away what is too old."""
    _tell(making.progress(making.now(settings.load())))


@cli.command("list")
def list_() -> None:
    """Show what there is, here and at the mirror."""
    known = settings.load()
    place = Place(known.folder)
    there, state = mirror.names(known), place.state()
    for name in place.names():
        made = place.manifest(name)
        rows = sum(table.rows for table in made.figures.tables)
        marks = ["at the mirror"] * (name in there) + ["verified"] * (name == state.verified)
        print(
            f"{name}  {made.size / 1e6:10.1f} MB  {rows:12,} rows  {made.media_files:8,} media  {', '.join(marks)}"
        )
    for name in sorted({*there} - {*place.names()}):
        print(f"{name}  at the mirror only; restore fetches it")
    if not place.names() and not there:
        print("no backup yet; `now` makes one")
    if state.last_error:
        print(f"the last try, {state.last_tried}, failed: {state.last_error}")


@cli.command()
@click.argument("name", required=False)
@KEY
def verify(name: str | None, key_file: Path) -> None:
    """Prove a backup (the newest): read all of it, restore it beside, compare."""
    _tell(proving.verify(settings.load(), name, key_file))


@cli.command()
@click.argument("name", required=False)
@KEY
@click.option("--yes", is_flag=True, help="Replace the data that is there.")
def restore(name: str | None, key_file: Path, yes: bool) -> None:
    """Put a backup (the newest) in the place of the database and its media."""
    _tell(restoring.restore(settings.load(), name, key_file, yes=yes))


@cli.command()
def health() -> None:
    """Say whether the last good backup is young enough; before the first night there need be none."""
    state = Place(settings.load().folder).state()
    if state.last_error:
        raise Failed(f"the last try failed: {state.last_error}")
    if state.last_good and datetime.now(UTC) - state.last_good > timedelta(hours=BACKUP_HOURS):
        raise Failed(f"the last good backup is of {state.last_good:%Y-%m-%d %H:%M} UTC")
    print(
        f"the last good backup is of {state.last_good:%Y-%m-%d %H:%M} UTC" if state.last_good else "no backup yet"
    )


@cli.command()
def key() -> None:
    """Make a pair of keys. Keep the private one somewhere else: this host needs the public one only."""
    made = pyrage.x25519.Identity.generate()
    print(f"# public key, for BACKUP_AGE_RECIPIENT: {made.to_public()}\n{made}")


@cli.command()
def wait() -> None:
    """Print the seconds until BACKUP_AT (UTC); `ops/backups/nightly` waits them."""
    print(math.ceil(seconds_until(settings.load().hour, datetime.now(UTC))))


def seconds_until(hour: tuple[int, int], moment: datetime) -> float:
    """From now to the next such hour."""
    then = moment.replace(hour=hour[0], minute=hour[1], second=0, microsecond=0)
    return ((then if then > moment else then + timedelta(days=1)) - moment).total_seconds()


def _tell(lines: Iterator[str]) -> None:
    for line in lines:
        print(line, flush=True)


if __name__ == "__main__":
    try:
        cli(standalone_mode=True)
    except Failed as failed:
        sys.exit(f"backup: {failed}")
