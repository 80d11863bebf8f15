"""The audit log: who did what in a tenant. Written in the transaction of the deed."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from crm.core import sql
from crm.core.access import TENANT_ADMIN
from crm.core.http import Call, Door
from crm.core.page import COUNTED, Page, PageQuery, Stamp, stamp, turned
from crm.core.tx import Tx

_sql = sql.load("audit")


class AuditRow(msgspec.Struct, frozen=True):
    """A line of the log."""

    id: UUID
    actor_id: UUID | None
    actor_role: str | None
    action: str
    target: str | None
    detail: dict[str, Any]
    ip: str | None
    request_id: str | None
    created_at: datetime


class AuditOut(msgspec.Struct, frozen=True, rename="camel"):
    """A line of the log as the contract shows it."""

    id: UUID
    actor_id: UUID | None
    actor_role: str | None
    action: str
    target: str | None
    detail: dict[str, Any]
    ip: str | None
    request_id: str | None
    created_at: Stamp


async def note(call: Call, tx: Tx, action: str, target: object = None, **detail: Any) -> None:
    """Add a line about the caller of this request."""
    await tx.none(
        _sql.note,
        actor=call.who.user,
        role=call.who.role,
        action=action,
        target=None if target is None else str(target),
        detail=detail,
        ip=call.ip,
        request=call.request_id,
    )


async def note_sign_in(call: Call, tx: Tx, action: str, user: UUID | None, role: str | None, target: str) -> None:
    """Add a line about a sign-in, made before there is a caller."""
    await tx.none(
        _sql.note,
        actor=user,
        role=role,
        action=action,
        target=target,
        detail={},
        ip=call.ip,
        request=call.request_id,
    )


async def page(call: Call) -> Page[AuditOut]:
    """The log, newest first. Its total counts up to 10,000."""
    query: PageQuery = call.query
    before, before_id = query.start
    rows = await call.tx.many(
        _sql.page, AuditRow, before=before, before_id=before_id, skip=query.skip, max=query.limit + 1
    )
    total = None if query.cursor else await call.tx.value(_sql.total, most=COUNTED)
    return turned(query, rows, total, shown, lambda row: (row.created_at, row.id))


def shown(row: AuditRow) -> AuditOut:
    """The row as the contract writes it."""
    return AuditOut(**{**msgspec.structs.asdict(row), "created_at": stamp(row.created_at)})


routes = [
    Door(
        method="GET",
        path="/api/tenant/audit",
        handler=page,
        role=TENANT_ADMIN,
        query=PageQuery,
        answer=Page[AuditOut],
    ),
]
