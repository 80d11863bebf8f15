"""Reading an account's templates from Meta: asked for, daily, after an unknown name, after a refused send."""

import logging
import random
from collections.abc import Callable
from uuid import UUID

import msgspec

from crm import contacts
from crm.core import meta, sql
from crm.core.apart import apart
from crm.core.feed import Event
from crm.core.meta import MetaError
from crm.core.rails import Rails
from crm.core.tx import Tx
from crm.templates.graph import Account, Node
from crm.templates.merging import merge
from crm.templates.shapes import AccountRow, AccountSynced, DueAccountRow, TemplateRow, updated

log = logging.getLogger(__name__)
_sql = sql.load("templates")

DAY, HOUR, _AGAIN, _SPREAD = 86_400, 3600, 900, 3600  # seconds
_TURN = 5  # accounts a worker reads in one turn: a bounded rate, whatever falls due at once


class Kept(msgspec.Struct, frozen=True):
    """What a list changed here."""

    added: list[TemplateRow]
    changed: list[TemplateRow]
    gone: list[TemplateRow]

    @property
    def events(self) -> list[Event]:
        """What sockets hear of it."""
        gone = [updated(one, status="DELETED") for one in self.gone]
        return [*map(updated, self.added), *map(updated, self.changed), *gone]


async def accounts(tx: Tx, account: str | None = None) -> list[AccountRow]:
    """The hotel's accounts that some token may ask, or the one named."""
    return await tx.many(_sql.accounts, AccountRow, account=account)


async def sync(rails: Rails, tenant: UUID, row: AccountRow) -> AccountSynced:
    """Read the account's whole list and keep it; what was found. Raises MetaError, and says when to try again."""
    try:
        listed = await Account(rails, tenant, row).listed()
    except MetaError as error:
        await _end(rails, tenant, row, _rest(error), done=False)
        raise
    async with rails.db.tenant(tenant) as tx:
        kept = await _keep(tx, row, listed)
        wait = DAY + random.uniform(0, _SPREAD)  # noqa: S311 (jitter: not all accounts in one minute)
        await tx.none(_sql.ended, account=row.waba_id, wait=wait, done=True, started=row.started)
        await rails.feed.append(tx, kept.events)
    return AccountSynced(row.waba_id, len(kept.added), len(kept.changed), len(kept.gone))


def _rest(error: MetaError) -> float:
    """Seconds before the account is tried again by itself."""
    return 6 * HOUR if error.rule.people else max(error.after, error.rule.wait, _AGAIN)


async def _end(rails: Rails, tenant: UUID, row: AccountRow, wait: float, done: bool) -> None:
    async with rails.db.tenant(tenant) as tx:
        await tx.none(_sql.ended, account=row.waba_id, wait=wait, done=done, started=row.started)


async def _keep(tx: Tx, row: AccountRow, listed: list[Node], name: str | None = None) -> Kept:
    """Write Meta's list down, of the whole account or of one name: what is new, another, or no longer there."""
    await contacts.hold(tx)  # Meta's webhooks lock these, and when the account is read next, in any order
    known = await tx.many(_sql.held, TemplateRow, account=row.waba_id, name=name)
    merged = merge(known, listed, row.started)
    added = await tx.many(_sql.add, TemplateRow, account=row.waba_id, listed=merged.added)
    changed = [await write(tx, one) for one in merged.changed]
    if merged.gone:
        await tx.count(_sql.drop, ids=[one.id for one in merged.gone])
    return Kept(added, changed, merged.gone)


async def write(tx: Tx, row: TemplateRow) -> TemplateRow:
    """Keep what became of a template that this transaction holds."""
    whole = msgspec.structs.asdict(row)
    return await tx.one(_sql.write, TemplateRow, **{name: whole[name] for name in _sql.write.params})


async def want(tx: Tx, account: str) -> None:
    """A webhook named a template that is not here: have the account read soon."""
    await tx.none(_sql.want, account=account)


async def sync_due(rails: Rails, go_on: Callable[[], bool] = lambda: True) -> int:
    """A turn of the worker: read the accounts that are due, one after another; how many were."""
    async with rails.db.system(alone=True) as tx:
        due = await tx.many(_sql.due, DueAccountRow, max=_TURN)
    read = 0
    for one in due:
        with apart("templates", one.tenant_id):
            if go_on() and await _claimed(rails, one):
                read += await _sync_one(rails, one)
    return read


async def _claimed(rails: Rails, due: DueAccountRow) -> bool:
    async with rails.db.tenant(due.tenant_id) as tx:
        return bool(await tx.count(_sql.claim, account=due.waba_id))


async def _sync_one(rails: Rails, due: DueAccountRow) -> int:
    async with rails.db.tenant(due.tenant_id) as tx:
        found = await accounts(tx, due.waba_id)
    for row in found:
        try:
            await sync(rails, due.tenant_id, row)
        except MetaError as error:
            told = {"tenantId": str(due.tenant_id), "account": due.waba_id, "code": error.code}
            log.warning("templates could not be read", extra=told)
    return len(found)


async def resync_after(rails: Rails, tenant: UUID, account: str, name: str) -> bool:
    """A send was refused over its template (132000, 132001): look that one up; whether it was another than known.

    Not again within five minutes, whoever asks; False then, and when Meta cannot be asked.
    """
    async with rails.db.tenant(tenant) as tx:
        known = await tx.count(_sql.check_again, account=account, name=name)
        found = await accounts(tx, account) if known else []
    for row in found:
        try:
            listed = await Account(rails, tenant, row).listed(name)
        except MetaError as error:
            log.warning("a refused template could not be read", extra={"account": account, "code": error.code})
            return False
        async with rails.db.tenant(tenant) as tx:
            kept = await _keep(tx, row, listed, name)
            await rails.feed.append(tx, kept.events)
        return bool(kept.events)
    return False


def failed(row: AccountRow, error: MetaError) -> AccountSynced:
    """An account that could not be read."""
    told = meta.told(error.code, error.title, error.detail, error.rule.action, error.subcode)
    return AccountSynced(row.waba_id, error=told)
