"""The shapes of signing in: rows, requests, answers."""

from datetime import datetime
from uuid import UUID

import msgspec

from crm.core import crypto
from crm.core.access import Role, TenantStatus
from crm.core.db import PLATFORM
from crm.core.fields import AnyPassword, Email, Password
from crm.core.page import Stamp


class PersonRow(msgspec.Struct, frozen=True):
    """A person with what signing in needs."""

    id: UUID
    email: str
    name: str
    role: Role
    must_change_password: bool
    active: bool
    password_hash: str
    tenant_id: UUID
    tenant_slug: str
    tenant_name: str
    tenant_status: TenantStatus


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
    role: Role
    tenant_id: UUID | None
    must_change_password: bool


class TenantOut(msgspec.Struct, frozen=True):
    """Where they work."""

    id: UUID
    slug: str
    name: str
    status: TenantStatus


class SignedIn(msgspec.Struct, frozen=True, rename="camel"):
    """Two tokens, and whose they are."""

    access_token: str
    refresh_token: str
    user: UserOut
    tenant: TenantOut | None
    token_type: str = "Bearer"  # noqa: S105
    expires_in: int = crypto.ACCESS_SECONDS


class Me(msgspec.Struct, frozen=True):
    """The caller, the hotel they work in or visit, and what they may do there."""

    user: UserOut
    tenant: TenantOut | None
    permissions: list[str]


class SessionOut(msgspec.Struct, frozen=True, rename="camel"):
    """One of the caller's sessions."""

    id: UUID
    ip: str
    user_agent: str
    current: bool
    created_at: Stamp
    last_used_at: Stamp
    expires_at: Stamp


class Sessions(msgspec.Struct, frozen=True):
    """The caller's open sessions, newest first."""

    data: list[SessionOut]


class TemporaryPassword(msgspec.Struct, frozen=True, rename="camel"):
    """Shown once; it must be changed."""

    temporary_password: str


def user_out(person: PersonRow) -> UserOut:
    """The person as the contract writes it."""
    tenant = None if person.tenant_id == PLATFORM else person.tenant_id
    return UserOut(person.id, person.email, person.name, person.role, tenant, person.must_change_password)


def tenant_out(person: PersonRow) -> TenantOut | None:
    """Their hotel, None for the platform."""
    if person.tenant_id == PLATFORM:
        return None
    return TenantOut(person.tenant_id, person.tenant_slug, person.tenant_name, person.tenant_status)
