"""Who is calling and in which tenant (contract, section 2): from the verified token, never from the client."""

import ipaddress
import time
from functools import lru_cache
from typing import Final, Literal
from uuid import UUID

import msgspec
from starlette.requests import HTTPConnection

from crm.core import crypto, sql
from crm.core.config import split
from crm.core.db import PLATFORM
from crm.core.errors import TenantMismatch, TenantNotFound, TokenExpired, Unauthenticated
from crm.core.rails import Rails
from crm.core.tx import Caller

_sql = sql.load("access")

SUPER_ADMIN: Final = "SUPER_ADMIN"
TENANT_ADMIN: Final = "TENANT_ADMIN"
ATTENDANT: Final = "ATTENDANT"
Role = Literal["SUPER_ADMIN", "TENANT_ADMIN", "ATTENDANT"]
TenantStatus = Literal["TRIAL", "ACTIVE", "SUSPENDED", "CANCELED"]
RESERVED = {"www", "api", "app", "admin"}
_slugs: dict[str, UUID] = {}  # a slug never changes, and only found ones are kept


class TenantRow(msgspec.Struct, frozen=True):
    """A tenant as its address names it."""

    id: UUID
    slug: str
    name: str
    status: str


class NamedByQuery(msgspec.Struct, frozen=True):
    """Where somebody signs in, in the query."""

    tenant: str | msgspec.UnsetType = msgspec.UNSET


class NamedByHeader(msgspec.Struct, frozen=True):
    """The same in a header, which comes first."""

    tenant: str | msgspec.UnsetType = msgspec.field(default=msgspec.UNSET, name="X-Tenant-Slug")


class Who(msgspec.Struct, frozen=True):
    """A caller: `home` is where the user lives, `tenant` where the request acts (None: the platform)."""

    user: UUID
    role: str
    session: UUID
    home: UUID
    tenant: UUID | None
    expires: int

    @property
    def caller(self) -> Caller:
        """The caller as the database checks it."""
        return Caller(self.home, self.user, self.session, self.role)

    @property
    def visiting(self) -> bool:
        """Whether a super admin acts inside a tenant."""
        return self.role == SUPER_ADMIN and self.tenant is not None


def bearer(connection: HTTPConnection) -> str:
    """The token of the Authorization header. Raises Unauthenticated."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated
    return token


def known(token: str, secret: str) -> Who:
    """The caller an access token names. Raises Unauthenticated, TokenExpired."""
    who = _verified(token, secret)
    if who.expires <= time.time():
        raise TokenExpired
    return who


@lru_cache(maxsize=2048)  # a token is verified once, 50 µs; that it has not expired, each time
def _verified(token: str, secret: str) -> Who:
    try:
        claims = crypto.verified(token, secret, "access")
    except crypto.ExpiredToken as error:
        raise TokenExpired from error
    except crypto.BadToken as error:
        raise Unauthenticated from error
    return named(claims)


def named(claims: crypto.Claims) -> Who:
    """Whom a token names."""
    return Who(claims.sub, claims.role, claims.sid, claims.tid or PLATFORM, claims.tid, claims.exp)


async def who(connection: HTTPConnection, rails: Rails) -> Who:
    """The caller, standing in the right tenant. Raises Unauthenticated, TenantMismatch, TenantNotFound."""
    return await placed(connection, rails, known(bearer(connection), rails.settings.jwt_secret))


async def placed(connection: HTTPConnection, rails: Rails, found: Who) -> Who:
    """The caller in the tenant that the address names, if it does. Raises TenantMismatch, TenantNotFound."""
    slug = connection.headers.get("x-tenant-slug", "").lower()
    if not slug:
        return found
    tenant = await _tenant_id(rails, slug)
    if found.role == SUPER_ADMIN:
        if tenant is None:
            raise TenantNotFound
        return msgspec.structs.replace(found, tenant=tenant)
    if tenant != found.tenant:
        raise TenantMismatch
    return found


async def _tenant_id(rails: Rails, slug: str) -> UUID | None:
    if slug not in _slugs:
        found = await tenant_by_slug(rails, slug)
        if found is None:
            return None
        _slugs[slug] = found.id
    return _slugs[slug]


async def tenant_by_slug(rails: Rails, slug: str) -> TenantRow | None:
    """The tenant of this slug, whatever its status."""
    async with rails.db.system(alone=True) as tx:
        return await tx.maybe(_sql.tenant_by_slug, TenantRow, slug=slug.replace("\x00", ""))


async def tenant_before_login(connection: HTTPConnection, rails: Rails) -> TenantRow | None:
    """The tenant a login is for, None for the platform. Raises TenantNotFound when an address names none."""
    slug = (
        connection.headers.get("x-tenant-slug")
        or connection.query_params.get("tenant")
        or subdomain(connection.headers.get("host", ""), rails.settings.base_domains)
    )
    if not slug:
        return None
    found = await tenant_by_slug(rails, slug.lower())
    if found is None:
        raise TenantNotFound
    return found


def subdomain(host: str, base_domains: str) -> str | None:
    """The first label of a host below a configured base domain, unless reserved."""
    name = host.rpartition(":")[0] or host
    for base in split(base_domains):
        label = name.lower().removesuffix(f".{base.lower()}")
        if label != name.lower() and "." not in label and label not in RESERVED:
            return label
    return None


async def note_visit(rails: Rails, who: Who, request: str, ip: str, request_id: str) -> None:
    """Write a super admin's request into the log of the tenant it enters."""
    if who.tenant is not None:
        async with rails.db.tenant(who.tenant, who.caller) as tx:
            action = request.replace("\x00", "%00")  # Postgres has no NUL in a text
            await tx.none(_sql.admin_acted, actor=who.user, action=action, ip=ip, request=request_id)


def address(connection: HTTPConnection, trusted: str) -> str:
    """The client's address: X-Forwarded-For counts only when a trusted proxy wrote it, read from the right."""
    peer = connection.client.host if connection.client else "unknown"
    forwarded = split(connection.headers.get("x-forwarded-for", ""))
    while forwarded and _within(peer, trusted):
        peer = forwarded.pop()
    return peer


@lru_cache(maxsize=4096)
def _within(peer: str, trusted: str) -> bool:
    try:
        ip = ipaddress.ip_address(peer)
        return any(ip in ipaddress.ip_network(net, strict=False) for net in split(trusted))
    except ValueError:
        return False
