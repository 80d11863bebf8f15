"""Media in backups: what lies in MEDIA_URL never changes under its key, so each file is copied once, sealed."""

import io
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any

import obstore

from crm.core import store
from ops.backups import sealing
from ops.backups.place import Place


class Stored:
    """The media store as a backup reads and fills it: keys are `tenant/sha256`."""

    def __init__(self, url: str) -> None:
        self._store = store.opened(url)

    def names(self) -> Iterator[str]:
        """All keys there are."""
        for batch in obstore.list(self._store, chunk_size=1000):
            yield from (str(found["path"]) for found in batch)

    def read(self, key: str) -> "_Reader":
        """The bytes under a key, as a file. Raises what obstore raises."""
        return _Reader(iter(obstore.get(self._store, key).stream(min_chunk_size=256 * 1024)))

    def has(self, key: str) -> bool:
        """Whether it is there."""
        try:
            obstore.head(self._store, key)
        except FileNotFoundError:
            return False
        return True

    def put(self, key: str, file: Any) -> None:
        """Put it there."""
        obstore.put(self._store, key, file)


class _Reader(io.RawIOBase):
    """Pieces that come by themselves, read like a file."""

    def __init__(self, pieces: Iterator[Any]) -> None:
        self._pieces, self._left = pieces, b""

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._left = bytes(piece)
        count = min(len(into), len(self._left))
        into[:count], self._left = self._left[:count], self._left[count:]
        return count


def copy(place: Place, stored: Stored, to: Any) -> tuple[list[str], int]:
    """Copy what is new; every key there is, and the bytes of all their copies.

    A file that goes away meanwhile was deleted by somebody: it is in no backup.
    """
    keys, size = [], 0
    for key in stored.names():
        target = place.media / f"{key}.age"
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            new = target.with_suffix(".new")
            new.unlink(missing_ok=True)
            try:
                sealing.seal(stored.read(key), new, to)  # type: ignore[arg-type]
            except FileNotFoundError:
                new.unlink(missing_ok=True)
                continue
            new.replace(target)
        keys.append(key)
        size += target.stat().st_size
    return keys, size


def bring_back(place: Place, stored: Stored, keys: Iterable[str], key: Any) -> int:
    """Put what is missing back into the store; how many files. Raises Failed."""
    count = 0
    for name in keys:
        if not stored.has(name):
            with tempfile.TemporaryFile() as plain:
                sealing.unseal(place.media / f"{name}.age", plain, key)
                plain.seek(0)
                stored.put(name, plain)
            count += 1
    return count


def forget(place: Place, needed: set[str]) -> None:
    """Take copies away that no backup names any more."""
    for path in place.media.glob("*/*.age"):
        if f"{path.parent.name}/{path.stem}" not in needed:
            path.unlink()
