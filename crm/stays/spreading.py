"""A rule that was added, changed or removed is brought to the stays: a few days of departures in one transaction.

The door only writes the day to begin with. So it answers at once, and nobody waits for a lock on a season's stays.
"""

from datetime import date, timedelta
from uuid import UUID

from crm import contacts
from crm.core import sql
from crm.core.rails import Rails
from crm.stays.shapes import ChangedRuleRow

_sql = sql.load("stays")

_STRETCH = timedelta(days=7)  # of departures marked in one transaction


async def spread(rails: Rails, tenant: UUID) -> bool:
    """Mark the next stretch of stays for a rule that changed; whether there was such a rule."""
    async with rails.db.tenant(tenant) as tx:
        await contacts.hold(tx)  # who merges two guests locks several stays, too, in another order
        rule = await tx.maybe(_sql.changed_rule, ChangedRuleRow)
        if rule is None:
            return False
        first: date | None = await tx.value(_sql.next_end, since=rule.look_from)
        until = first and first + _STRETCH
        if first:
            await tx.none(_sql.look_at, since=first, until=until)
        await tx.none(_sql.looked, id=rule.id, since=until)
    return True
