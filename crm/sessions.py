"""Signing in and staying in: login, refresh with reuse detection, logout, passwords, own sessions."""

from datetime import datetime
from functools import cache, partial
from typing import Literal
from uuid import UUID

import msgspec

from crm import audit
from crm.core import access, crypto, metrics, sql
from crm.core.access import TENANT_ADMIN
from crm.core.db import PLATFORM, Tx
from crm.core.errors import (
    InvalidCredentials,
    NotFound,
    RateLimited,
    TenantSuspended,
    TokenExpired,
    Unauthenticated,
)
from crm.core.feed import End
from crm.core.fields import AnyPassword, Email, Password, normal_email
from crm.core.http import PUBLIC, SIGNED_IN, Call, Door
from crm.core.limit import LOGIN
from crm.core.page import stamp

_sql = sql.load("sessions")
_PERMISSIONS = {
    "ATTENDANT": ["conversations"],
    "TENANT_ADMIN": ["conversations", "users", "channels", "tenant", "audit"],
    "SUPER_ADMIN": ["tenants"],
}


class PersonRow(msgspec.Struct, frozen=True):
    """A person with what signing in needs."""

    id: UUID
    email: str
    name: str
    role: Literal["SUPER_ADMIN", "TENANT_ADMIN", "ATTENDANT"]
    must_change_password: bool
    active: bool
    password_hash: str
    tenant_id: UUID
    tenant_slug: str
    tenant_name: str
    tenant_status: str


class SessionRow(msgspec.Struct, frozen=True):
    """An open session."""

    id: UUID
    ip: str
    user_agent: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who wants in."""

    email: Email
    password: AnyPassword


class Refresh(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The refresh token of the last answer."""

    refresh_token: AnyPassword


class ChangePassword(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The old password proves it; all other sessions end."""

    current_password: AnyPassword
    new_password: Password


class UserOut(msgspec.Struct, frozen=True, rename="camel"):
    """The signed-in person."""

    id: UUID
    email: str
    name: str
    role: str
    tenant_id: UUID | None
    must_change_password: bool


class TenantOut(msgspec.Struct, frozen=True):
    """Where they work."""

    id: UUID
    slug: str
    name: str
    status: str


class SignedIn(msgspec.Struct, frozen=True, rename="camel"):
    """Two tokens, and whose they are."""

    access_token: str
    refresh_token: str
    user: UserOut
    tenant: TenantOut | None
    token_type: str = "Bearer"  # noqa: S105
    expires_in: int = crypto.ACCESS_SECONDS


class Me(msgspec.Struct, frozen=True):
    """The caller, their hotel and what their role may do."""

    user: UserOut
    tenant: TenantOut | None
    permissions: list[str]


class SessionOut(msgspec.Struct, frozen=True, rename="camel"):
    """One of the caller's sessions."""

    id: UUID
    ip: str
    user_agent: str
    current: bool
    created_at: str
    last_used_at: str
    expires_at: str


class Sessions(msgspec.Struct, frozen=True):
    """The caller's open sessions, newest first."""

    data: list[SessionOut]


class TemporaryPassword(msgspec.Struct, frozen=True, rename="camel"):
    """Shown once; it must be changed."""

    temporary_password: str


@cache
def _nobody(rounds: int) -> str:
    """A hash to compare with when there is no such user, so that the answer takes as long."""
    return crypto.password_hash(crypto.temporary_password(), rounds)


async def login(call: Call) -> SignedIn:
    """Sign in. Raises InvalidCredentials, RateLimited (5 failures in 15 minutes), TenantSuspended."""
    tenant = await access.tenant_before_login(call.request, call.rails)
    home, email = tenant.id if tenant else PLATFORM, normal_email(call.body.email)
    keys = (f"login:{home}:{email}", f"login:{call.ip}")
    try:
        await call.rails.limits.take(LOGIN, *keys)
    except RateLimited:
        metrics.logins.labels("limited").inc()
        raise
    async with call.rails.db.tenant(home) as tx:
        person = await tx.maybe(_sql.person_by_email, PersonRow, email=email)
    if not await _proved(call, person, call.body.password):
        await _refuse(call, home, email)
    assert person is not None
    await call.rails.limits.give_back(LOGIN, *keys)
    if person.tenant_status not in ("TRIAL", "ACTIVE"):
        raise TenantSuspended
    metrics.logins.labels("ok").inc()
    async with call.rails.db.tenant(home) as tx:
        await audit.note_sign_in(call, tx, "login.ok", person.id, person.role, email)
        return await _begin(call, tx, person)


async def _proved(call: Call, person: PersonRow | None, password: str) -> bool:
    rounds = call.rails.settings.bcrypt_rounds
    hashed = person.password_hash if person else await call.rails.in_thread(partial(_nobody, rounds))
    right = await call.rails.in_thread(partial(crypto.password_matches, password, hashed))
    return right and person is not None and person.active


async def _refuse(call: Call, home: UUID, email: str) -> None:
    metrics.logins.labels("refused").inc()
    async with call.rails.db.tenant(home) as tx:
        await audit.note_sign_in(call, tx, "login.refused", None, None, email)
    raise InvalidCredentials


async def _begin(call: Call, tx: Tx, person: PersonRow) -> SignedIn:
    """Open a session; the oldest beyond twenty of one person end."""
    jti = crypto.new_jti()
    session = await tx.value(
        _sql.begin,
        user_id=person.id,
        hash=crypto.token_hash(jti),
        ip=call.ip,
        agent=call.request.headers.get("user-agent", "")[:300].replace("\x00", ""),
        seconds=crypto.REFRESH_SECONDS,
    )
    await tx.none(_sql.end_oldest, user_id=person.id)
    return _signed_in(call, person, session, jti)


def _signed_in(call: Call, person: PersonRow, session: UUID, jti: str) -> SignedIn:
    settings = call.rails.settings
    tenant = None if person.tenant_id == PLATFORM else person.tenant_id
    ends = (person.id, tenant, person.role, session)
    return SignedIn(
        crypto.token(crypto.claims(*ends, "access", crypto.new_jti()), settings.jwt_secret),
        crypto.token(crypto.claims(*ends, "refresh", jti), settings.jwt_refresh_secret),
        _user(person),
        _tenant(person),
    )


def _user(person: PersonRow) -> UserOut:
    tenant = None if person.tenant_id == PLATFORM else person.tenant_id
    return UserOut(person.id, person.email, person.name, person.role, tenant, person.must_change_password)


def _tenant(person: PersonRow) -> TenantOut | None:
    if person.tenant_id == PLATFORM:
        return None
    return TenantOut(person.tenant_id, person.tenant_slug, person.tenant_name, person.tenant_status)


async def refresh(call: Call) -> SignedIn:
    """New tokens for the newest refresh token; one used before ends its whole session."""
    try:
        claims = crypto.verified(call.body.refresh_token, call.rails.settings.jwt_refresh_secret, "refresh")
    except crypto.ExpiredToken as error:
        raise TokenExpired from error
    except crypto.BadToken as error:
        raise Unauthenticated from error
    jti, home = crypto.new_jti(), claims.tid or PLATFORM
    async with call.rails.db.tenant(home) as tx:
        old, new = crypto.token_hash(claims.jti), crypto.token_hash(jti)
        person = await tx.maybe(
            _sql.rotate, PersonRow, id=claims.sid, old=old, new=new, seconds=crypto.REFRESH_SECONDS
        )
        if person is not None and person.tenant_status not in ("TRIAL", "ACTIVE"):
            raise TenantSuspended
        if person is None and await tx.count(_sql.end, id=claims.sid, user_id=claims.sub):
            await audit.note_sign_in(call, tx, "refresh.reused", claims.sub, claims.role, str(claims.sid))
            call.rails.feed.end_sockets(tx, home, End(4401, session=claims.sid))
    if person is None:
        raise Unauthenticated
    return _signed_in(call, person, claims.sid, jti)


async def logout(call: Call) -> None:
    """End the session at once."""
    await _end(call, call.who.session)


async def _end(call: Call, session: UUID) -> None:
    if not await call.tx.count(_sql.end, id=session, user_id=call.who.user):
        raise NotFound
    call.rails.feed.end_sockets(call.tx, call.who.home, End(4401, session=session))


async def me(call: Call) -> Me:
    """Who the token is."""
    person = await call.tx.one(_sql.person, PersonRow, id=call.who.user)
    return Me(_user(person), _tenant(person), _PERMISSIONS[person.role])


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
    await _end(call, call.id())


async def change_password(call: Call) -> None:
    """Set a new password; the caller's other sessions end. Raises InvalidCredentials, RateLimited."""
    change: ChangePassword = call.body
    key = f"password:{call.who.user}"
    await call.rails.limits.take(LOGIN, key)
    async with call.rails.db.tenant(call.who.home, call.who.caller) as tx:
        person = await tx.one(_sql.person, PersonRow, id=call.who.user)
    if not await _proved(call, person, change.current_password):
        raise InvalidCredentials
    await call.rails.limits.give_back(LOGIN, key)
    hashed = await _hashed(call, change.new_password)
    async with call.rails.db.tenant(call.who.home, call.who.caller) as tx:
        await tx.none(_sql.set_password, id=call.who.user, hash=hashed, temporary=False)
        await tx.none(_sql.end_all, user_id=call.who.user, keep=call.who.session)
        await audit.note(call, tx, "password.changed", call.who.user)
        end = End(4401, user=call.who.user, not_session=call.who.session)
        call.rails.feed.end_sockets(tx, call.who.home, end)


async def reset_password(call: Call) -> TemporaryPassword:
    """Give a person a temporary password; all their sessions end. Raises NotFound."""
    user, password = call.id(), crypto.temporary_password()
    hashed = await _hashed(call, password)
    tenant = call.who.tenant or call.who.home
    async with call.rails.db.tenant(tenant, call.who.caller) as tx:
        if not await tx.count(_sql.set_password, id=user, hash=hashed, temporary=True):
            raise NotFound
        await tx.none(_sql.end_all, user_id=user, keep=None)
        await audit.note(call, tx, "password.reset", user)
        call.rails.feed.end_sockets(tx, tenant, End(4401, user=user))
    return TemporaryPassword(password)


async def _hashed(call: Call, password: str) -> str:
    return await call.rails.in_thread(partial(crypto.password_hash, password, call.rails.settings.bcrypt_rounds))


routes = [
    Door(method="POST", path="/auth/login", handler=login, role=PUBLIC, body=Login, answer=SignedIn),
    Door(method="POST", path="/auth/refresh", handler=refresh, role=PUBLIC, body=Refresh, answer=SignedIn),
    Door(method="POST", path="/auth/logout", handler=logout, role=SIGNED_IN, status=204),
    Door(method="GET", path="/auth/me", handler=me, role=SIGNED_IN, answer=Me),
    Door(method="GET", path="/auth/sessions", handler=sessions, role=SIGNED_IN, answer=Sessions),
    Door(method="DELETE", path="/auth/sessions/{id}", handler=end_one, role=SIGNED_IN, status=204),
    Door(
        method="POST",
        path="/auth/change-password",
        handler=change_password,
        role=SIGNED_IN,
        body=ChangePassword,
        status=204,
        own_tx=True,
    ),
    Door(
        method="POST",
        path="/api/users/{id}/reset-password",
        handler=reset_password,
        role=TENANT_ADMIN,
        answer=TemporaryPassword,
        own_tx=True,
    ),
]
