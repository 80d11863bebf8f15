"""The doors of templates: what the hotel has, new ones by Meta's rules, deleting, reading all again."""

from functools import partial
from typing import Any
from uuid import UUID

import msgspec

from crm import audit
from crm.core import sql
from crm.core.access import ATTENDANT, TENANT_ADMIN
from crm.core.errors import Conflict, NotFound, Problem, ValidationFailed, invalid
from crm.core.http import Call, Door
from crm.core.meta import MetaError
from crm.core.page import Page, containing, turned
from crm.core.tx import Tx
from crm.template_texts import component
from crm.templates import samples, syncing
from crm.templates.drafts import DRAFTS
from crm.templates.graph import EXISTS, Account, Node, problem
from crm.templates.parts import word
from crm.templates.rules import check
from crm.templates.shapes import (
    AccountSynced,
    ChannelQuery,
    Create,
    DeleteQuery,
    Draft,
    Drafts,
    Synced,
    TemplateList,
    TemplateOut,
    TemplateRow,
    shown,
    updated,
)

_sql = sql.load("templates")


class Asked(msgspec.Struct, frozen=True):
    """What was asked of Meta before the transaction opens, and how it ended."""

    account: str
    new: Create
    answer: Node | None = None
    refused: Problem | None = None


async def page(call: Call) -> Page[TemplateOut]:
    """The hotel's templates, newest first."""
    query: TemplateList = call.query
    before, before_id = query.start
    filters = {
        "status": query.status and query.status.upper(),
        "channel": query.channel_id,
        "search": containing(query.search),
    }
    rows = await call.tx.many(
        _sql.page,
        TemplateRow,
        before=before,
        before_id=before_id,
        skip=query.skip,
        max=query.limit + 1,
        **filters,
    )
    total = None if query.cursor else await call.tx.value(_sql.total, **filters)
    return turned(query, rows, total, shown, lambda row: (row.created_at, row.id))


async def get(call: Call) -> TemplateOut:
    """One template. Raises NotFound."""
    return shown(await _get(call.tx, call.id()))


async def _get(tx: Tx, template: UUID) -> TemplateRow:
    row = await tx.maybe(_sql.get, TemplateRow, id=template)
    if row is None:
        raise NotFound
    return row


async def _account(call: Call, tx: Tx, account: str) -> Account:
    """The account with a token that may ask. Raises Conflict when the hotel has none for it."""
    assert call.who.tenant is not None
    for row in await syncing.accounts(tx, account):
        return Account(call.rails, call.who.tenant, row)
    raise Conflict(
        "Nenhum canal desta conta tem um token de acesso: cadastre um.",
        "No channel of this account has an access token: write one.",
        action="update_token",
    )


async def ask_for(call: Call) -> Asked:
    """Before `create`: the rules, then Meta. Raises ValidationFailed, Conflict."""
    return await _ask_for(call, call.body.normal, call.body.channel_id)


async def ask_for_draft(call: Call) -> Asked:
    """Before `create`, of a ready-made draft. Raises NotFound, Conflict."""
    draft = next((one for one in DRAFTS if one.name == call.request.path_params["name"]), None)
    if draft is None:
        raise NotFound
    return await _ask_for(call, _of(draft), call.query.channel_id)


def _of(draft: Draft) -> Create:
    return Create(draft.name, draft.language, draft.category, draft.components, draft.parameter_format)


async def _ask_for(call: Call, new: Create, channel: UUID | None) -> Asked:
    """One wrong by the rules, or known here, spends no call. What Meta refuses is told by `create`, so that a
    repetition with the same Idempotency-Key is answered as the first was.
    """
    faults = check(new)
    if faults:
        raise ValidationFailed(errors=faults)
    async with call.opened() as tx:
        waba = await tx.value(_sql.account_of, channel=channel)
        if waba is None:
            raise invalid("/channelId", "canal inexistente: cadastre um número", "no such channel: add a number")
        known = {"account": waba, "name": new.name, "language": new.language}
        asked = Asked(waba, new)
        if await tx.value(_sql.id_of, **known) is not None:
            return asked
        account = await _account(call, tx, waba)
        rows = await samples.found(tx, new)
    assert call.who.tenant is not None
    try:
        shown = await samples.handed(call.rails, call.who.tenant, account, new, rows)
        return msgspec.structs.replace(asked, answer=await _made(account, shown))
    except MetaError as error:
        return msgspec.structs.replace(asked, refused=problem(error, new.components))


async def _made(account: Account, new: Create) -> Node:
    """Meta's answer; when it was lost, or a twin of this came first, what Meta's list says. Raises MetaError."""
    try:
        return await account.create(new)
    except MetaError as error:
        if error.rule.retry != "uncertain" and error.subcode != EXISTS:
            raise
        for row in await account.listed(new.name):
            if row["language"] == new.language and _says(row["components"]) == _says(new.components):
                return {"id": row["graph_id"], "status": row["status"], "category": row["category"]}
        raise


def _says(components: list[Node]) -> Any:
    """What tells one template from another of its name: Meta may write the rest its own way."""
    return component(components, "BODY").get("text")


async def create(call: Call) -> TemplateOut:
    """Keep what Meta took, with the category it chose. Raises Conflict, ValidationFailed, Unavailable."""
    asked: Asked = call.prepared
    new = asked.new
    if asked.refused is not None:
        raise asked.refused
    if asked.answer is None:
        raise await _taken(call.tx, asked)
    row = await call.tx.one(
        _sql.made,
        TemplateRow,
        account=asked.account,
        graph_id=str(asked.answer["id"]) if asked.answer.get("id") else None,
        name=new.name,
        language=new.language,
        category=word(asked.answer.get("category")) or new.category,
        status=word(asked.answer.get("status")) or "PENDING",
        parameter_format=new.parameter_format,
        components=new.components,
    )
    await audit.note(call, call.tx, "template.created", row.id, name=row.name, language=row.language)
    await call.rails.feed.append(call.tx, [updated(row)])
    return shown(row)


async def _taken(tx: Tx, asked: Asked) -> Conflict:
    known = {"account": asked.account, "name": asked.new.name, "language": asked.new.language}
    found = await tx.value(_sql.id_of, **known)
    more: dict[str, Any] = {"existingId": str(found)} if found else {}
    return Conflict(
        "Já existe um modelo com este nome neste idioma.",
        "A template of this name exists in this language.",
        **more,
    )


async def ask_to_delete(call: Call) -> TemplateRow:
    """Before `delete`: Meta first. Raises NotFound, Conflict, ValidationFailed, Unavailable."""
    async with call.opened() as tx:
        row = await _get(tx, call.id())
        account = await _account(call, tx, row.waba_id)
    try:
        await _delete(account, row, call.query.all)
    except MetaError as error:
        raise problem(error) from error
    return row


async def _delete(account: Account, row: TemplateRow, whole: bool) -> None:
    """Without Meta's id the call would take every language: then it is looked up first. Raises MetaError."""
    if whole:
        await account.delete(row.name, None)
        return
    ids = [row.graph_id] if row.graph_id else []
    if not ids:
        listed = await account.listed(row.name)
        ids = [one["graph_id"] for one in listed if one["language"] == row.language and one["graph_id"]]
    for graph_id in ids:
        await account.delete(row.name, graph_id)


async def delete(call: Call) -> None:
    """Take out one language, or all of the name."""
    row: TemplateRow = call.prepared
    which = None if call.query.all else row.id
    gone = await call.tx.many(_sql.forget, TemplateRow, account=row.waba_id, name=row.name, id=which)
    await audit.note(call, call.tx, "template.deleted", row.id, name=row.name, all=call.query.all)
    await call.rails.feed.append(call.tx, [updated(one, status="DELETED") for one in gone])


async def sync(call: Call) -> Synced:
    """Read every account's templates again. Raises Conflict, RateLimited, Unavailable when none could be read."""
    assert call.who.tenant is not None
    async with call.opened() as tx:
        accounts = await syncing.accounts(tx)
        await audit.note(call, tx, "templates.synced")
    found: list[AccountSynced] = []
    last: MetaError | None = None
    for row in accounts:
        try:
            found.append(await syncing.sync(call.rails, call.who.tenant, row))
        except MetaError as error:
            last = error
            found.append(syncing.failed(row, error))
    if last is not None and all(one.error for one in found):
        raise problem(last)
    added, changed, gone = (sum(getattr(one, name) for one in found) for name in ("added", "changed", "gone"))
    return Synced(added, changed, gone, found)


async def drafts(_call: Call) -> Drafts:
    """Ready-made templates of a hotel's day."""
    return Drafts(list(DRAFTS))


_admin = partial(Door, role=TENANT_ADMIN)
_new = partial(_admin, method="POST", handler=create, answer=TemplateOut, status=201)
routes = [
    Door(
        method="GET",
        path="/api/templates",
        handler=page,
        role=ATTENDANT,
        query=TemplateList,
        answer=Page[TemplateOut],
    ),
    _new(path="/api/templates", body=Create, before=ask_for),
    _admin(method="POST", path="/api/templates/sync", handler=sync, answer=Synced, own_tx=True),
    Door(method="GET", path="/api/templates/drafts", handler=drafts, role=ATTENDANT, answer=Drafts),
    _new(path="/api/templates/drafts/{name}/submit", query=ChannelQuery, before=ask_for_draft),
    Door(method="GET", path="/api/templates/{id}", handler=get, role=ATTENDANT, answer=TemplateOut),
    _admin(
        method="DELETE",
        path="/api/templates/{id}",
        handler=delete,
        query=DeleteQuery,
        before=ask_to_delete,
        status=204,
    ),
]
