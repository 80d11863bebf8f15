"""Meta's signed webhooks: unique text messages of customers who are known and whose conversation is open."""

import hashlib
import hmac
import itertools
import time
from collections.abc import Iterator
from typing import NamedTuple

import asyncpg

from ops.bench import client
from ops.dev.home import Home

_CUSTOMERS = """
SELECT ch.waba_id, ch.phone_number_id, c.wa_id, c.profile_name
FROM tenants AS t
INNER JOIN channels AS ch ON ch.tenant_id = t.id
CROSS JOIN LATERAL (
    SELECT p.wa_id, p.profile_name
    FROM conversations AS v
    INNER JOIN contacts AS p ON p.tenant_id = v.tenant_id AND p.id = v.contact_id
    WHERE v.tenant_id = t.id AND v.channel_id = ch.id AND v.status <> 'CLOSED' AND NOT v.archived
    ORDER BY v.last_message_at DESC
    LIMIT 400
) AS c
WHERE t.plan = 'bench'
ORDER BY hashtext(c.wa_id)
"""
_OF_FIRST = "1000" + "1"  # the number of the first tenant, which has the sockets


class Customer(NamedTuple):
    """Somebody who writes: to which account and number, under which number and name."""

    account: str
    number: str
    wa_id: str
    name: str


class Meta:
    """Signs what customers write. Every message of one Meta shares a prefix, by which it is found again."""

    _runs = itertools.count()

    def __init__(self, secret: str, customers: list[Customer]) -> None:
        self._secret, self._customers = secret.encode(), customers
        self.prefix = f"wamid.bench.{time.time_ns()}.{next(self._runs)}."
        self.sent = 0

    @classmethod
    async def open(cls, home: Home, first_only: bool = False) -> "Meta":
        """With 400 customers of each tenant (or of the first alone), those who wrote last."""
        owner = await asyncpg.connect(home.database_url("owner"))
        customers = [Customer(*row) for row in await owner.fetch(_CUSTOMERS)]
        await owner.close()
        chosen = [one for one in customers if one.number == _OF_FIRST] if first_only else customers
        return cls(home.secrets["whatsappAppSecret"], chosen)

    def stream(self) -> Iterator[bytes]:
        """Requests without end. Shared by all connections: each takes the next."""
        for customer in itertools.cycle(self._customers):
            body = self._body(customer)
            self.sent += 1
            digest = hmac.new(self._secret, body, hashlib.sha256).hexdigest()
            yield client.request(
                "POST",
                "/webhooks/whatsapp",
                {"Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={digest}"},
                body,
            )

    def _body(self, customer: Customer) -> bytes:
        """As Meta writes it: compact, what is not ASCII escaped."""
        name = customer.name.encode("ascii", "backslashreplace").replace(b"\\x", b"\\u00").decode()
        said = f"Ol\\u00e1, h\\u00e1 quartos livres para o feriado? Somos quatro, {self.sent % 9 + 1} noites."
        return (
            f'{{"object":"whatsapp_business_account","entry":[{{"id":"{customer.account}","changes":[{{"value":'
            '{"messaging_product":"whatsapp","metadata":{"display_phone_number":"554832220001",'
            f'"phone_number_id":"{customer.number}"}},"contacts":[{{"profile":{{"name":"{name}"}},'
            f'"wa_id":"{customer.wa_id}"}}],"messages":[{{"from":"{customer.wa_id}",'
            f'"id":"{self.prefix}{self.sent}","timestamp":"{int(time.time())}",'
            f'"text":{{"body":"{said}"}},"type":"text"}}]}},"field":"messages"}}]}}]}}'
        ).encode()


class Books:
    """What the database says of the webhooks, by the owner, who sees every tenant."""

    def __init__(self, owner: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._owner = owner

    @classmethod
    async def open(cls, home: Home) -> "Books":
        return cls(await asyncpg.connect(home.database_url("owner")))

    async def waiting(self) -> int:
        """Raw events that are not worked yet."""
        query = "SELECT count(*) FROM webhook_waiting"
        return int(await self._owner.fetchval(query))

    async def drained(self) -> bool:
        """Whether none waits; the cheaper question, for it is asked while others work."""
        query = "SELECT NOT EXISTS (SELECT FROM webhook_waiting)"
        return bool(await self._owner.fetchval(query))

    async def rows(self, prefix: str) -> tuple[int, int]:
        """How many messages carry the prefix, and how many different wamids they have."""
        query = "SELECT count(*), count(DISTINCT wamid) FROM messages WHERE starts_with(wamid, $1)"
        row = await self._owner.fetchrow(query, prefix)
        assert row is not None
        return row[0], row[1]

    async def close(self) -> None:
        await self._owner.close()
