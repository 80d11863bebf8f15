"""Rules by which guests are written to around their stay: declared by an admin, followed by the worker."""

from typing import Any
from uuid import UUID

from msgspec import UNSET, UnsetType

from crm import audit, channels
from crm.core import sql
from crm.core.access import ATTENDANT, TENANT_ADMIN
from crm.core.errors import Conflict, NotFound, ValidationFailed, invalid
from crm.core.http import Call, Door
from crm.stays.shapes import ChangeRule, Rule, RuleRow, Rules

_sql = sql.load("stays")
MOST = 50  # rules of a hotel


async def page(call: Call) -> Rules:
    """The hotel's rules."""
    return Rules(await call.tx.many(_sql.rules, RuleRow))


async def add(call: Call) -> RuleRow:
    """Add a rule; stays that are there already follow it too. Raises ValidationFailed, Conflict."""
    new: Rule = call.body
    if (new.content is None) == (new.template is None):
        raise _one_of_them()
    await _check(call, new.channel_id)
    row = await call.tx.maybe(
        _sql.add_rule,
        RuleRow,
        name=new.name,
        anchor=new.anchor,
        offset_days=new.offset_days,
        at=new.at,
        content=new.content,
        template=new.template,
        channel=new.channel_id,
        most=MOST,
    )
    if row is None:
        raise Conflict(f"No máximo {MOST} regras.", f"At most {MOST} rules.")
    await audit.note(call, call.tx, "stay_message.added", row.id, name=row.name)
    return row


def _one_of_them() -> ValidationFailed:
    return invalid("/template", "diga template ou content, um dos dois", "give template or content, one of them")


async def _check(call: Call, channel: UUID | UnsetType | None) -> None:
    """A number named is one of the hotel's. Raises ValidationFailed."""
    if isinstance(channel, UUID):
        await channels.only(call.tx, channel)


async def patch(call: Call) -> RuleRow:
    """Change a rule; what it has scheduled and is still to come follows. Raises NotFound, ValidationFailed."""
    new: ChangeRule = call.body
    given = {**_body(new), "new_channel": new.channel_id is not UNSET, "channel": new.channel_id or None}
    await _check(call, new.channel_id)
    row = await call.tx.maybe(
        _sql.change_rule,
        RuleRow,
        id=call.id(),
        name=new.name,
        anchor=new.anchor,
        offset_days=new.offset_days,
        at=new.at,
        **given,
    )
    if row is None:
        raise NotFound
    await audit.note(call, call.tx, "stay_message.changed", row.id, name=row.name)
    return row


def _body(new: ChangeRule) -> dict[str, Any]:
    """What is sent from now on, if it changes: a text or a template, never both, never none.

    Raises ValidationFailed.
    """
    given = [body for body in (new.content, new.template) if body is not UNSET]
    said = [body for body in given if body is not None]
    if given and len(said) != 1:
        raise _one_of_them()
    return {"new_body": bool(said), "content": new.content or None, "template": new.template or None}


async def remove(call: Call) -> None:
    """Follow a rule no more: what it has scheduled is canceled. Raises NotFound."""
    if not await call.tx.count(_sql.remove_rule, id=call.id()):
        raise NotFound
    await audit.note(call, call.tx, "stay_message.deleted", call.id())


routes = [
    Door(method="GET", path="/api/stay-messages", handler=page, role=ATTENDANT, answer=Rules),
    Door(
        method="POST",
        path="/api/stay-messages",
        handler=add,
        role=TENANT_ADMIN,
        body=Rule,
        answer=RuleRow,
        status=201,
    ),
    Door(
        method="PATCH",
        path="/api/stay-messages/{id}",
        handler=patch,
        role=TENANT_ADMIN,
        body=ChangeRule,
        answer=RuleRow,
    ),
    Door(method="DELETE", path="/api/stay-messages/{id}", handler=remove, role=TENANT_ADMIN, status=204),
]
