"""Makes a POST safe to repeat: its answer is stored by the client's key in the transaction of its effect.

A concurrent twin waits on the unique key until the first commits, then gets the first one's answer.
"""

import hashlib
from collections.abc import Mapping
from uuid import UUID

import msgspec

from crm.core import sql
from crm.core.crypto import Box, SealBroken
from crm.core.db import PLATFORM
from crm.core.errors import Conflict, invalid
from crm.core.tx import Tx

_sql = sql.load("idempotency")
_PLACE = "idempotency_keys.answer"


class Attempt(msgspec.Struct, frozen=True):
    """A POST that may be a repetition: who, under which key, and what was asked.

    `alias`: the body's clientMessageId where the header says another key.
    """

    user: UUID
    key: str
    asked: bytes
    box: Box
    alias: str | None = None

    @property
    def hash(self) -> bytes:
        """What tells this request from another under the same key."""
        return hashlib.sha256(self.asked).digest()


class KnownRow(msgspec.Struct, frozen=True):
    """An answer given before."""

    request_hash: bytes
    status: int
    answer: bytes


def key(headers: Mapping[str, str], body: object) -> str | None:
    """The client's key: `Idempotency-Key`, else the body's clientMessageId. Raises ValidationFailed."""
    given = headers.get("idempotency-key") or getattr(body, "client_message_id", None)
    if given is not None and not (0 < len(given) <= 200 and given.isprintable()):
        raise invalid("/Idempotency-Key", "de 1 a 200 caracteres visíveis", "1 to 200 printable characters")
    return given


def alias(body: object, key: str) -> str | None:
    """The body's clientMessageId, unless it is the key itself."""
    given: str | None = getattr(body, "client_message_id", None)
    return None if given == key else given


async def begin(tx: Tx, attempt: Attempt) -> tuple[int, bytes] | None:
    """Claim the key, or the status and answer given under it. Raises Conflict when that was to another request."""
    if not await _claimed(tx, attempt, attempt.key):
        return await answered(tx, attempt)
    return None if attempt.alias is None else await _sent(tx, attempt, attempt.alias)


async def _claimed(tx: Tx, attempt: Attempt, key: str) -> int:
    return await tx.count(_sql.claim, user_id=attempt.user, key=key, request_hash=attempt.hash)


async def _sent(tx: Tx, attempt: Attempt, alias: str) -> tuple[int, bytes] | None:
    """Claim the clientMessageId too, or the answer given under it to this very request, kept under the key as well.

    What it names of another request is no matter of the key: the conversation refuses it if it is its own.
    """
    if await _claimed(tx, attempt, alias):
        return None
    known = await tx.maybe(_sql.known, KnownRow, user_id=attempt.user, key=alias)
    if known is None or known.request_hash != attempt.hash:
        return None
    answer = _opened(tx, attempt, known)
    await finish(tx, attempt, *answer)
    return answer


async def answered(tx: Tx, attempt: Attempt) -> tuple[int, bytes] | None:
    """The status and answer given under the key, None when there is none. Raises Conflict as `begin` does."""
    known = await tx.maybe(_sql.known, KnownRow, user_id=attempt.user, key=attempt.key)
    if known is None:
        return None
    if known.request_hash != attempt.hash:
        raise Conflict(
            "Esta Idempotency-Key já foi usada com outro conteúdo.",
            "This Idempotency-Key was used with another content.",
        )
    return _opened(tx, attempt, known)


def _opened(tx: Tx, attempt: Attempt, known: KnownRow) -> tuple[int, bytes]:
    """The answer as it was given. Raises Conflict."""
    try:
        return known.status, attempt.box.open(known.answer, tx.tenant or PLATFORM, _PLACE).encode()
    except SealBroken as error:
        raise Conflict(
            "Este pedido já foi feito, mas a resposta guardada não pode mais ser lida.",
            "This was done already, and the answer kept of it can no longer be read.",
        ) from error


async def finish(tx: Tx, attempt: Attempt, status: int, answer: bytes) -> None:
    """Keep the answer, sealed (it may show a password), in the same transaction as what it tells."""
    sealed = attempt.box.seal(answer.decode(), tx.tenant or PLATFORM, _PLACE)
    keys = [attempt.key] if attempt.alias is None else [attempt.key, attempt.alias]
    await tx.none(_sql.keep, user_id=attempt.user, keys=keys, status=status, answer=sealed)
