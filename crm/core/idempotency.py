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
    """A POST that may be a repetition: who, under which key, and what was asked."""

    user: UUID
    key: str
    asked: bytes
    box: Box

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


async def begin(tx: Tx, attempt: Attempt) -> tuple[int, bytes] | None:
    """Claim the key, or the status and answer given under it. Raises Conflict when that was to another request."""
    if await tx.count(_sql.claim, user_id=attempt.user, key=attempt.key, request_hash=attempt.hash):
        return None
    return await answered(tx, attempt)


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
    await tx.none(_sql.keep, user_id=attempt.user, key=attempt.key, status=status, answer=sealed)
