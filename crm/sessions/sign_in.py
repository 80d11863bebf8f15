"""Signing in, and staying in by refresh: with limits on guessing, and reuse of a token detected."""

from functools import cache, partial
from uuid import UUID

from crm import audit
from crm.core import access, crypto, metrics, sql
from crm.core.access import NamedByHeader, NamedByQuery, TenantRow
from crm.core.db import PLATFORM
from crm.core.errors import InvalidCredentials, RateLimited, TenantSuspended, TokenExpired, Unauthenticated
from crm.core.feed import End
from crm.core.fields import normal_email
from crm.core.http import PUBLIC, Call, Door
from crm.core.limit import LOGIN
from crm.core.tx import Tx
from crm.sessions.shapes import Login, PersonRow, Refresh, SignedIn, tenant_out, user_out

_sql = sql.load("sessions")


@cache
def _nobody(rounds: int) -> str:
    """A hash to compare with when there is no such user, so that the answer takes as long."""
    return crypto.password_hash(crypto.temporary_password(), rounds)


async def login(call: Call) -> SignedIn:
    """Sign in where the address says. Raises as sign_in, and TenantNotFound."""
    return await sign_in(call, await access.tenant_before_login(call.request, call.rails))


async def sign_in(call: Call, tenant: TenantRow | None) -> SignedIn:
    """Sign in at a tenant, None: the platform, by e-mail and password of the body.

    Raises InvalidCredentials, RateLimited (5 failures in 15 minutes), TenantSuspended.
    """
    home, email = tenant.id if tenant else PLATFORM, normal_email(call.body.email)
    keys = (f"login:{home}:{email}", f"login:{call.ip}")
    try:
        async with call.rails.limits.attempt(LOGIN, *keys):
            person = await _person(call, home, email)
    except RateLimited:
        metrics.logins.labels("limited").inc()
        raise
    if person.tenant_status not in ("TRIAL", "ACTIVE"):
        raise TenantSuspended
    async with call.rails.db.tenant(home) as tx:
        await audit.note_sign_in(call, tx, "login.ok", person.id, person.role, email)
        signed_in = await _begin(call, tx, person)
    metrics.logins.labels("ok").inc()
    return signed_in


async def _person(call: Call, home: UUID, email: str) -> PersonRow:
    """The person who knows the password. Raises InvalidCredentials."""
    async with call.rails.db.tenant(home) as tx:
        person = await tx.maybe(_sql.person_by_email, PersonRow, email=email)
    if await proved(call, person, call.body.password) and person is not None:
        return person
    metrics.logins.labels("refused").inc()
    async with call.rails.db.tenant(home) as tx:
        await audit.note_sign_in(call, tx, "login.refused", None, None, email)
    raise InvalidCredentials


async def proved(call: Call, person: PersonRow | None, password: str) -> bool:
    """Whether this is an active person's password; takes as long when there is nobody."""
    rounds = call.rails.settings.bcrypt_rounds
    hashed = person.password_hash if person else await call.rails.in_thread(partial(_nobody, rounds))
    right = await call.rails.in_thread(partial(crypto.password_matches, password, hashed))
    return right and person is not None and person.active


async def _begin(call: Call, tx: Tx, person: PersonRow) -> SignedIn:
    """Open a session; the oldest beyond twenty end. Raises InvalidCredentials: another password is set by now."""
    jti = crypto.new_jti()
    session = await tx.value(
        _sql.begin,
        user_id=person.id,
        proved=person.password_hash,
        hash=crypto.token_hash(jti),
        ip=call.ip,
        agent=call.request.headers.get("user-agent", "")[:300].replace("\x00", ""),
        seconds=crypto.REFRESH_SECONDS,
    )
    if session is None:
        raise InvalidCredentials
    await tx.none(_sql.end_oldest, user_id=person.id)
    await tx.none(_sql.forget)
    return _signed_in(call, person, session, jti)


def _signed_in(call: Call, person: PersonRow, session: UUID, jti: str) -> SignedIn:
    settings = call.rails.settings
    tenant = None if person.tenant_id == PLATFORM else person.tenant_id
    ends = (person.id, tenant, person.role, session)
    return SignedIn(
        crypto.token(crypto.claims(*ends, "access", crypto.new_jti()), settings.jwt_secret),
        crypto.token(crypto.claims(*ends, "refresh", jti), settings.jwt_refresh_secret),
        user_out(person),
        tenant_out(person),
    )


async def refresh(call: Call) -> SignedIn:
    """New tokens for the newest refresh token; one used before ends its whole session. Raises TenantMismatch."""
    try:
        claims = crypto.verified(call.body.refresh_token, call.rails.settings.jwt_refresh_secret, "refresh")
    except crypto.ExpiredToken as error:
        raise TokenExpired from error
    except crypto.BadToken as error:
        raise Unauthenticated from error
    await access.placed(call.request, call.rails, access.named(claims))
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


_signing_in = partial(Door, method="POST", role=PUBLIC, headers=NamedByHeader, answer=SignedIn)
routes = [
    _signing_in(path="/auth/login", handler=login, body=Login, reads=NamedByQuery),
    _signing_in(path="/auth/refresh", handler=refresh, body=Refresh),
]
