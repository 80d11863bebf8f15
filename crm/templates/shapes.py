"""The shapes of templates: rows, requests, answers, and how a row is told."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec

from crm.core.feed import Event
from crm.core.page import PageQuery, Stamp, maybe_stamp, stamp

Search = Annotated[str, msgspec.Meta(max_length=100)]
_Word = Annotated[str, msgspec.Meta(max_length=40)]


class TemplateRow(msgspec.Struct, frozen=True):
    """A template as stored; status, category and quality are Meta's words in capitals."""

    id: UUID
    waba_id: str
    graph_id: str | None
    name: str
    language: str
    category: str
    status: str
    parameter_format: str
    components: list[dict[str, Any]]
    quality: str | None
    reason: str | None
    advice: str | None
    previous_category: str | None
    next_category: str | None
    category_changes_at: datetime | None
    status_at: datetime | None
    created_at: datetime
    updated_at: datetime
    synced_at: datetime | None


class AccountRow(msgspec.Struct, frozen=True):
    """An account of the hotel (a WABA), a sealed token that may ask it, and the time by Postgres."""

    waba_id: str
    access_token: bytes
    started: datetime


class DueAccountRow(msgspec.Struct, frozen=True):
    """An account whose templates are to be read."""

    tenant_id: UUID
    waba_id: str


class Create(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A new template in Meta's own words. What is wrong in it is told all at once by `rules.check`."""

    name: str
    language: str
    category: str
    components: list[Any]
    parameter_format: str = "POSITIONAL"
    channel_id: UUID | None = None

    @property
    def normal(self) -> "Create":
        """The same as Meta writes it: en-US is en_US, categories are in capitals."""
        return msgspec.structs.replace(
            self,
            language=self.language.replace("-", "_"),
            category=self.category.upper(),
            parameter_format=self.parameter_format.upper(),
        )


class TemplateList(PageQuery, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """Filters of the list; `search` looks into names and texts."""

    status: _Word | None = None
    channel_id: UUID | None = None
    search: Search | None = None


class ChannelQuery(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Over which number's account; the oldest number's without."""

    channel_id: UUID | None = None


class DeleteQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`all`: every language of the name."""

    all: bool = False


class TemplateOut(msgspec.Struct, frozen=True, rename="camel"):
    """A template as it is shown. `reason` and `advice` say why it cannot be sent, in Meta's words.

    `nextCategory` and `categoryChangesAt` tell a change that Meta has announced.
    """

    id: UUID
    whatsapp_template_id: str | None
    whatsapp_business_account_id: str
    name: str
    language: str
    category: str
    status: str
    parameter_format: str
    components: list[dict[str, Any]]
    quality: str | None
    reason: str | None
    advice: str | None
    previous_category: str | None
    next_category: str | None
    category_changes_at: Stamp | None
    created_at: Stamp
    updated_at: Stamp
    synced_at: Stamp | None


class AccountSynced(msgspec.Struct, frozen=True, rename="camel"):
    """What a sync found in one account; `error` is Meta's when it could not be read."""

    whatsapp_business_account_id: str
    added: int = 0
    changed: int = 0
    gone: int = 0
    error: dict[str, Any] | None = None


class Synced(msgspec.Struct, frozen=True):
    """What a sync of the whole hotel found."""

    added: int
    changed: int
    gone: int
    accounts: list[AccountSynced]


class Draft(msgspec.Struct, frozen=True, rename="camel"):
    """A template ready to be submitted; `title` is for people."""

    name: str
    title: str
    category: str
    components: list[dict[str, Any]]
    language: str = "pt_BR"
    parameter_format: str = "POSITIONAL"


class Drafts(msgspec.Struct, frozen=True):
    """All drafts."""

    data: list[Draft]


def shown(row: TemplateRow) -> TemplateOut:
    """The row as it is shown."""
    return TemplateOut(
        row.id,
        row.graph_id,
        row.waba_id,
        row.name,
        row.language,
        row.category,
        row.status,
        row.parameter_format,
        row.components,
        row.quality,
        row.reason,
        row.advice,
        row.previous_category,
        row.next_category,
        maybe_stamp(row.category_changes_at),
        stamp(row.created_at),
        stamp(row.updated_at),
        maybe_stamp(row.synced_at),
    )


def updated(row: TemplateRow, **changes: Any) -> Event:
    """What sockets hear of a template."""
    return Event("template:updated", None, {"template": shown(msgspec.structs.replace(row, **changes))})
