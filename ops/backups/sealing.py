"""Files sealed with age to a public key: as they are written, so that nothing lies open on a disk."""

import hashlib
from pathlib import Path
from typing import IO, Any

import pyrage

from ops.backups.place import Failed, Part


class _Hashed:
    """What is written goes on, counted and hashed."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out, self._hash, self.size = out, hashlib.sha256(), 0

    def write(self, piece: bytes) -> int:
        self._out.write(piece)
        self._hash.update(piece)
        self.size += len(piece)
        return len(piece)

    def flush(self) -> None:
        self._out.flush()

    @property
    def hexadecimal(self) -> str:
        return self._hash.hexdigest()


def recipient(text: str) -> Any:
    """The public key (age1…). Raises Failed."""
    try:
        return pyrage.x25519.Recipient.from_str(text.strip())
    except pyrage.RecipientError as error:
        raise Failed(
            "BACKUP_AGE_RECIPIENT: not a public key of age (age1…); `ops/backup key` makes a pair"
        ) from error


def identity(path: Path) -> Any:
    """The private key out of a file as age-keygen writes it. Raises Failed."""
    try:
        [line] = [line for line in path.read_text().splitlines() if line.startswith("AGE-SECRET-KEY-")]
        return pyrage.x25519.Identity.from_str(line.strip())
    except (OSError, ValueError, pyrage.IdentityError) as error:
        raise Failed(f"{path}: holds no private key of age (AGE-SECRET-KEY-…)") from error


def seal(source: IO[bytes], target: Path, to: Any) -> Part:
    """Write `source` sealed; its name, size and hash."""
    with target.open("xb") as file:
        hashed = _Hashed(file)
        pyrage.encrypt_io(source, hashed, [to])
    return Part(target.name, hashed.size, hashed.hexadecimal)


def unseal(source: Path, target: Any, key: Any) -> None:
    """Write what is sealed to `target`. Raises Failed when the key is another, or the file is not whole."""
    try:
        with source.open("rb") as file:
            pyrage.decrypt_io(file, target, [key])
    except pyrage.DecryptError as error:
        raise Failed(f"{source.name}: sealed for another key") from error
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Failed(f"{source.name}: damaged, or cut off") from error


def hashed(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
