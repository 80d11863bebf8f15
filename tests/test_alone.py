"""Reading without a transaction: the caller enters in the statement, is refused as ever, and leaves nothing."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import httpx
import pytest

from crm.conversations.shapes import ConversationRow, UnreadRow
from crm.core import access, sql
from crm.core.config import Settings
from crm.core.db import Database, Transaction
from crm.core.errors import TenantSuspended, Unauthenticated
from crm.core.tx import Caller, Tx
from tests.people import Sql
from tests.system import Guest, Hotel, System, eventually

_lists, _conversations, _access = sql.load("lists"), sql.load("conversations"), sql.load("access")


@pytest.fixture
async def narrow(settings: Settings) -> AsyncIterator[Database]:
    """One connection: what a statement left behind, the next would find."""
    database = await Database.open(settings, 5, size=1)
    yield database
    await database.close()


@pytest.fixture
async def hotel(system: System) -> Hotel:
    return await system.hotel("Sozinha")


def caller(client: httpx.AsyncClient, settings: Settings) -> Caller:
    """Whose token a client carries."""
    return access.known(client.headers["authorization"].removeprefix("Bearer "), settings.jwt_secret).caller


@pytest.fixture
def alone(narrow: Database, hotel: Hotel, settings: Settings) -> Transaction:
    """The attendant's reading."""
    return narrow.tenant(UUID(hotel.id), caller(hotel.attendant, settings), alone=True)


async def count(tx: Tx) -> int:
    """What may go alone."""
    return (await tx.one(_lists.unread, UnreadRow, own=uuid4())).total


async def visit(alone: Transaction, asks: bool) -> None:
    """Go in and out, with a question or without."""
    async with alone as tx:
        if asks:
            await count(tx)


async def written(guest: Guest) -> UUID:
    """A conversation of the guest's."""
    await guest.writes("Olá")
    found = await eventually(lambda: guest.hotel.conversation_of(guest.wa_id))
    return UUID(found["id"])


async def test_a_reading_begins_no_transaction(alone: Transaction) -> None:
    texts: list[str] = []
    async with alone as tx:
        tx.connection.add_query_logger(lambda record: texts.append(record.query))
        assert await count(tx) == 0
        assert not tx.connection.is_in_transaction()
    assert [text for text in texts if "crm.entered" not in text] == []
    assert len(texts) == 1


async def test_it_sees_its_own_hotel_and_not_another(
    narrow: Database, guest: Guest, hotel: Hotel, settings: Settings
) -> None:
    conversation = await written(guest)
    for place, seen in ((guest.hotel, 1), (hotel, 0)):
        async with narrow.tenant(UUID(place.id), caller(place.attendant, settings), alone=True) as tx:
            assert len(await tx.many(_conversations.of, ConversationRow, ids=[conversation])) == seen


async def test_nothing_of_it_is_left_to_the_next_on_the_connection(
    narrow: Database, guest: Guest, settings: Settings
) -> None:
    conversation = await written(guest)
    async with narrow.tenant(UUID(guest.hotel.id), caller(guest.hotel.attendant, settings), alone=True) as tx:
        await tx.many(_conversations.of, ConversationRow, ids=[conversation])
        text = _conversations.of.text
        assert await tx.connection.fetchval("SELECT current_setting('app.tenant_id')") == ""
        assert await tx.connection.fetch(text, [conversation]) == []


async def test_a_query_that_may_not_go_alone_begins_the_transaction(alone: Transaction) -> None:
    async with alone as tx:
        await count(tx)
        assert await tx.value(_access.viewer) in (None, "")
        assert tx.connection.is_in_transaction()
        assert await count(tx) == 0


@pytest.mark.parametrize("asks", [True, False])
async def test_a_session_that_ended_is_refused(alone: Transaction, hotel: Hotel, asks: bool) -> None:
    assert (await hotel.attendant.post("/auth/logout")).status_code == 204
    with pytest.raises(Unauthenticated):
        await visit(alone, asks)


@pytest.mark.parametrize("asks", [True, False])
async def test_a_suspended_hotel_is_refused(alone: Transaction, hotel: Hotel, as_owner: Sql, asks: bool) -> None:
    await as_owner("UPDATE tenants SET status = 'SUSPENDED' WHERE id = $1", UUID(hotel.id))
    with pytest.raises(TenantSuspended):
        await visit(alone, asks)


async def test_behind_a_bouncer_nothing_goes_alone(hotel: Hotel, settings: Settings, narrow: Database) -> None:
    """It may give another connection between the two halves of a statement."""
    bounced = Database(narrow._app, narrow._system, bouncer=True)
    async with bounced.tenant(UUID(hotel.id), caller(hotel.attendant, settings), alone=True) as tx:
        assert tx.connection.is_in_transaction()
