"""Hotels: the platform makes, lists and suspends them; an admin names and sets up the own one."""

from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from crm import audit
from crm.core import access, body, crypto, sql
from crm.core.access import SUPER_ADMIN, TENANT_ADMIN
from crm.core.access import TenantStatus as Status
from crm.core.errors import Conflict, FieldError, NotFound, invalid
from crm.core.feed import COME_BACK, End
from crm.core.fields import Email, Name, Password, Slug, normal_email
from crm.core.http import Call, Door
from crm.core.page import Page, PageQuery, Stamp, containing, stamp, turned
from crm.core.tx import Tx

_sql = sql.load("tenants")
SETTINGS_LIMIT = 64 * 1024  # bytes, as JSON
RESERVED = access.RESERVED | {"platform"}


class TenantRow(msgspec.Struct, frozen=True):
    """A tenant as stored."""

    id: UUID
    slug: str
    name: str
    email: str
    status: Status
    plan: str
    locale: str
    timezone: str
    settings: dict[str, Any]
    trial_ends_at: datetime
    created_at: datetime


class TenantOut(msgspec.Struct, frozen=True, rename="camel"):
    """A tenant as the contract shows it."""

    id: UUID
    slug: str
    name: str
    email: str
    status: Status
    plan: str
    locale: str
    timezone: str
    settings: dict[str, Any]
    trial_ends_at: Stamp
    created_at: Stamp


class Create(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A new hotel and its first admin; without adminEmail the hotel's own e-mail is the admin's."""

    name: Name
    slug: Slug
    email: Email
    admin_name: Name | None = None
    admin_email: Email | None = None
    admin_password: Password | None = None
    plan: Annotated[str, msgspec.Meta(min_length=1, max_length=50)] | None = None

    @staticmethod
    def misfits(given: dict[str, Any]) -> list[FieldError]:
        """A slug that is the platform's own (for crm.core.body)."""
        slug = given.get("slug")
        if isinstance(slug, str) and slug in RESERVED:
            return [FieldError("/slug", "este endereço é reservado", "this slug is reserved")]
        return []


class AdminOut(msgspec.Struct, frozen=True):
    """The first admin of a new tenant."""

    id: UUID
    email: str


class Created(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A new tenant; the temporary password is shown here and never again."""

    tenant: TenantOut
    admin: AdminOut
    temporary_password: str | msgspec.UnsetType = msgspec.UNSET


class TenantList(PageQuery, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """Filters of the platform's list."""

    status: Status | None = None
    search: Annotated[str, msgspec.Meta(max_length=100)] | None = None


class PatchByPlatform(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What the platform may change; the slug is forever."""

    name: Name | None = None
    email: Email | None = None
    plan: Annotated[str, msgspec.Meta(min_length=1, max_length=50)] | None = None


class HotelSettings(msgspec.Struct, frozen=True, rename="camel"):
    """The settings that the system itself reads; a frontend may keep others beside them.

    visibility: which conversations an attendant sees. reopenHours: so long after it was closed a message opens a
    conversation again; later it begins a new one. retentionDays: for how long messages say what they said; null for
    ever, and no less than 30: so long raw webhooks are kept.
    """

    visibility: Literal["all", "own_and_unassigned", "own_unassigned_and_department"] = "all"
    reopen_hours: Annotated[int, msgspec.Meta(ge=0, le=8760)] = 24
    retention_days: Annotated[int, msgspec.Meta(ge=30, le=3650)] | None = None


class PatchOwn(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What an admin may change of the own hotel."""

    name: Name | None = None
    locale: Literal["pt-BR", "en"] | None = None
    timezone: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    settings: dict[str, Any] | None = None

    @staticmethod
    def misfits(given: dict[str, Any]) -> list[FieldError]:
        """A time zone nobody knows, and settings that the system cannot read (for crm.core.body)."""
        zone, settings = given.get("timezone"), given.get("settings")
        errors = body.problems(settings, HotelSettings, "/settings") if isinstance(settings, dict) else []
        if isinstance(zone, str) and not _is_zone(zone):
            errors.append(FieldError("/timezone", "fuso horário IANA desconhecido", "unknown IANA time zone"))
        return errors


def shown(row: TenantRow) -> TenantOut:
    """The row as the contract writes it."""
    times = {"trial_ends_at": stamp(row.trial_ends_at), "created_at": stamp(row.created_at)}
    return TenantOut(**{**msgspec.structs.asdict(row), **times})


async def insert(tx: Tx, new: Create) -> TenantRow:
    """Add the tenant. Raises Conflict (slug taken, with existingId)."""
    plan = new.plan or "trial"
    row = await tx.maybe(_sql.insert, TenantRow, slug=new.slug, name=new.name, email=new.email, plan=plan)
    if row is None:
        taken = await tx.value(_sql.id_of_slug, slug=new.slug)
        raise Conflict("Este slug já está em uso.", "This slug is taken.", existingId=str(taken))
    return row


async def choose_password(call: Call) -> tuple[str, str]:
    """The admin's password as given, or a temporary one, with its hash."""
    password = call.body.admin_password or crypto.temporary_password()
    hashing = partial(crypto.password_hash, password, call.rails.settings.bcrypt_rounds)
    return password, await call.rails.in_thread(hashing)


async def create(call: Call) -> Created:
    """A tenant and its first admin in one transaction: both or none."""
    new: Create = call.body
    password, hashed = call.prepared
    email, tx = normal_email(new.admin_email or new.email), call.tx
    row = await insert(tx, new)
    await tx.none(_sql.step_into, tenant=str(row.id))
    temporary = new.admin_password is None
    admin = await tx.value(
        _sql.insert_admin, email=email, name=new.admin_name or new.name, hash=hashed, temporary=temporary
    )
    await audit.note(call, tx, "tenant.created", row.id)
    await tx.none(_sql.step_into, tenant=str(call.who.home))
    extra = {"temporary_password": password} if temporary else {}
    return Created(shown(row), AdminOut(admin, email), **extra)


async def page(call: Call) -> Page[TenantOut]:
    """All hotels, newest first."""
    query: TenantList = call.query
    before, before_id = query.start
    filters = {"status": query.status, "search": containing(query.search)}
    rows = await call.tx.many(
        _sql.page,
        TenantRow,
        before=before,
        before_id=before_id,
        skip=query.skip,
        max=query.limit + 1,
        **filters,
    )
    total = None if query.cursor else await call.tx.value(_sql.total, **filters)
    return turned(query, rows, total, shown, lambda row: (row.created_at, row.id))


async def get(call: Call) -> TenantOut:
    """One hotel, for the platform. Raises NotFound."""
    return await found(call.tx, call.id())


async def get_own(call: Call) -> TenantOut:
    """The caller's own hotel."""
    return await found(call.tx, call.tx.tenant)


async def found(tx: Tx, tenant: UUID | None) -> TenantOut:
    """A hotel as the contract shows it. Raises NotFound."""
    row = await tx.maybe(_sql.get, TenantRow, id=tenant)
    if row is None:
        raise NotFound
    return shown(row)


async def patch(call: Call) -> TenantOut:
    """Change name, e-mail or plan. Raises NotFound."""
    change: PatchByPlatform = call.body
    row = await call.tx.maybe(_sql.patch, TenantRow, id=call.id(), **msgspec.structs.asdict(change))
    if row is None:
        raise NotFound
    await audit.note(call, call.tx, "tenant.changed", row.id, **_given(change))
    return shown(row)


async def patch_own(call: Call) -> TenantOut:
    """Change name, language, time zone or settings. Raises ValidationFailed."""
    change: PatchOwn = call.body
    if "visibility" in (change.settings or {}):
        # Who sees what has changed: everybody's sockets sign in again.
        call.rails.feed.end_sockets(call.tx, call.place, End(COME_BACK))
    row = await call.tx.one(_sql.patch_own, TenantRow, **msgspec.structs.asdict(change))
    if len(msgspec.json.encode(row.settings)) > SETTINGS_LIMIT:
        raise invalid("/settings", "no máximo 64 KiB no total", "at most 64 KiB in all")
    await audit.note(call, call.tx, "tenant.changed", row.id, fields=sorted(_given(change)))
    return shown(row)


def _given(change: msgspec.Struct) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(change).items() if value is not None}


def _is_zone(name: str) -> bool:
    try:
        return bool(ZoneInfo(name))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False


async def move(call: Call, to: Status) -> TenantOut:
    """Set the status; a suspended hotel is refused from its next request on, its sockets are closed."""
    row = await call.tx.maybe(_sql.move, TenantRow, id=call.id(), status=to)
    if row is None:
        raise NotFound
    await audit.note(call, call.tx, f"tenant.{to.lower()}", row.id)
    if to in ("SUSPENDED", "CANCELED"):
        call.rails.feed.end_sockets(call.tx, row.id, End(4403))
    return shown(row)


_MOVES: dict[str, Status] = {"activate": "ACTIVE", "suspend": "SUSPENDED", "cancel": "CANCELED"}
routes = [
    Door(
        method="POST",
        path="/api/tenants",
        handler=create,
        role=SUPER_ADMIN,
        body=Create,
        answer=Created,
        status=201,
        before=choose_password,
    ),
    Door(
        method="GET",
        path="/api/tenants",
        handler=page,
        role=SUPER_ADMIN,
        query=TenantList,
        answer=Page[TenantOut],
    ),
    Door(method="GET", path="/api/tenants/{id}", handler=get, role=SUPER_ADMIN, answer=TenantOut),
    Door(
        method="PATCH",
        path="/api/tenants/{id}",
        handler=patch,
        role=SUPER_ADMIN,
        body=PatchByPlatform,
        answer=TenantOut,
    ),
    *(
        Door(
            method="POST",
            path=f"/api/tenants/{{id}}/{verb}",
            handler=partial(move, to=status),
            role=SUPER_ADMIN,
            answer=TenantOut,
        )
        for verb, status in _MOVES.items()
    ),
    Door(method="GET", path="/api/tenant", handler=get_own, role=TENANT_ADMIN, answer=TenantOut),
    Door(
        method="PATCH",
        path="/api/tenant",
        handler=patch_own,
        role=TENANT_ADMIN,
        body=PatchOwn,
        answer=TenantOut,
    ),
]
