"""Rules by which guests are written to around their stay: declared by an admin, followed by the worker."""

from crm import audit
from crm.core import sql
from crm.core.access import ATTENDANT, TENANT_ADMIN
from crm.core.errors import Conflict, NotFound, invalid
from crm.core.http import Call, Door
from crm.stays.shapes import Rule, RuleRow, Rules

_sql = sql.load("stays")
MOST = 50  # rules of a hotel
_AGO = 61  # days after its end in which a stay may still be written to


async def page(call: Call) -> Rules:
    """The hotel's rules."""
    return Rules(await call.tx.many(_sql.rules, RuleRow))


async def add(call: Call) -> RuleRow:
    """Add a rule; stays that are there already follow it too. Raises ValidationFailed, Conflict."""
    new: Rule = call.body
    if (new.content is None) == (new.template is None):
        raise invalid("/template", "diga template ou content, um dos dois", "give template or content, one of them")
    row = await call.tx.maybe(
        _sql.add_rule,
        RuleRow,
        name=new.name,
        anchor=new.anchor,
        offset_days=new.offset_days,
        at=new.at,
        content=new.content,
        template=new.template,
        most=MOST,
    )
    if row is None:
        raise Conflict(f"No máximo {MOST} regras.", f"At most {MOST} rules.")
    await call.tx.none(_sql.look_at_all, days=_AGO)
    await audit.note(call, call.tx, "stay_message.added", row.id, name=row.name)
    return row


async def remove(call: Call) -> None:
    """Follow a rule no more: what it has scheduled is canceled. Raises NotFound."""
    if not await call.tx.count(_sql.remove_rule, id=call.id()):
        raise NotFound
    await call.tx.none(_sql.look_at_all, days=_AGO)
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
        once=True,
    ),
    Door(method="DELETE", path="/api/stay-messages/{id}", handler=remove, role=TENANT_ADMIN, status=204),
]
