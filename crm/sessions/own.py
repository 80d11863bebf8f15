"""The caller's own sessions: who am I, where am I signed in, sign out."""

from uuid import UUID

from crm import tenants
from crm.core import sql
from crm.core.db import PLATFORM
from crm.core.errors import NotFound
from crm.core.feed import End
from crm.core.http import SIGNED_IN, Call, Door
from crm.core.page import stamp
from crm.core.rails import Rails
from crm.core.tx import Tx
from crm.sessions.shapes import Me, PersonRow, SessionOut, SessionRow, Sessions, TenantOut, tenant_out, user_out

_sql = sql.load("sessions")
_PERMISSIONS = {
    "ATTENDANT": ["conversations"],
    "TENANT_ADMIN": ["conversations", "users", "channels", "tenant", "audit"],
    "SUPER_ADMIN": ["tenants"],
}


async def logout(call: Call) -> None:
    """End the session at once."""
    await end(call.rails, call.tx, call.who.session, call.who.user)


async def end(rails: Rails, tx: Tx, session: UUID, user: UUID) -> None:
    """End a session of a user, and its sockets. Raises NotFound."""
    if not await tx.count(_sql.end, id=session, user_id=user):
        raise NotFound
    rails.feed.end_sockets(tx, tx.tenant or PLATFORM, End(4401, session=session))


async def me(call: Call) -> Me:
    """Who the token is, and where the request acts."""
    person = await call.tx.one(_sql.person, PersonRow, id=call.who.user)
    tenant, permissions = tenant_out(person), _PERMISSIONS[person.role]
    if call.who.visiting:
        permissions = [*permissions, *_PERMISSIONS["TENANT_ADMIN"]]
        async with call.opened() as tx:
            there = await tenants.found(tx, call.place)
        tenant = TenantOut(there.id, there.slug, there.name, there.status)
    return Me(user_out(person), tenant, permissions)


async def sessions(call: Call) -> Sessions:
    """The caller's open sessions."""
    rows = await call.tx.many(_sql.of_user, SessionRow, user_id=call.who.user)
    return Sessions(
        [
            SessionOut(
                row.id,
                row.ip,
                row.user_agent,
                row.id == call.who.session,
                stamp(row.created_at),
                stamp(row.last_used_at),
                stamp(row.expires_at),
            )
            for row in rows
        ]
    )


async def end_one(call: Call) -> None:
    """End one of the caller's sessions. Raises NotFound."""
    await end(call.rails, call.tx, call.id(), call.who.user)


routes = [
    Door(method="POST", path="/auth/logout", handler=logout, role=SIGNED_IN, status=204),
    Door(method="GET", path="/auth/me", handler=me, role=SIGNED_IN, answer=Me),
    Door(method="GET", path="/auth/sessions", handler=sessions, role=SIGNED_IN, answer=Sessions),
    Door(method="DELETE", path="/auth/sessions/{id}", handler=end_one, role=SIGNED_IN, status=204),
]
