"""The copy of the backups off this host, in a bucket (BACKUP_MIRROR_URL); without one there is none."""

from pathlib import Path
from typing import Any

import obstore

from crm.core import store
from ops.backups.place import Place, kept
from ops.backups.settings import Settings


def send(settings: Settings, place: Place, name: str) -> None:
    """Send what the bucket has not: media first, the manifest last, so that what has one there is whole."""
    if not settings.mirror_url:
        return
    bucket = _opened(settings)
    there = _keys(bucket)
    media = [path for path in place.media.glob("*/*.age") if _key(place, path) not in there]
    own = sorted((place.folder / name).iterdir(), key=lambda path: path.name == "manifest.json")
    for path in [*media, place.erased, *own]:
        obstore.put(bucket, _key(place, path), path)


def tidy(settings: Settings, place: Place) -> None:
    """Keep there what is kept by name, and the media that are here."""
    if not settings.mirror_url:
        return
    bucket = _opened(settings)
    there = _keys(bucket)
    needed = kept(key.partition("/")[0] for key in there if key.endswith("/manifest.json"))
    for key in there:
        first = key.partition("/")[0]
        gone = not (place.folder / key).exists() if first == "media" else "/" in key and first not in needed
        if gone:
            obstore.delete(bucket, key)


def names(settings: Settings) -> list[str]:
    """The whole backups there."""
    there = _keys(_opened(settings)) if settings.mirror_url else set()
    return sorted(key.partition("/")[0] for key in there if key.endswith("/manifest.json"))


def fetch(settings: Settings, place: Place, name: str) -> None:
    """Bring one back, with all media and the ids of who was erased; the manifest last."""
    bucket = _opened(settings)
    wanted = [key for key in _keys(bucket) if key.startswith((f"{name}/", "media/")) or key == place.erased.name]
    for key in sorted(wanted, key=lambda key: key.endswith("/manifest.json")):
        target = place.folder / key
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            new = target.with_name(target.name + ".new")
            with new.open("wb") as file:
                for piece in obstore.get(bucket, key).stream():
                    file.write(bytes(piece))
            new.replace(target)


def _opened(settings: Settings) -> Any:
    return store.opened(settings.mirror_url, "BACKUP_MIRROR_URL")


def _keys(bucket: Any) -> set[str]:
    return {str(found["path"]) for batch in obstore.list(bucket, chunk_size=1000) for found in batch}


def _key(place: Place, path: Path) -> str:
    return str(path.relative_to(place.folder))
