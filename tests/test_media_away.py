"""Media while a part is slow or away: a worker that lives keeps its claim, and bytes to be deleted wait for S3."""

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from uuid import UUID, uuid4

import boto3
import msgspec
import pytest
from moto.server import ThreadedMotoServer

from crm.core import rails
from crm.core.rails import Rails
from crm.core.store import key_of
from crm.media import fetching, keeping
from crm.media.look import look
from tests.meta import becomes
from tests.people import Sql
from tests.scratch import Scratch
from tests.sends import ask
from tests.system import Guest, System, eventually, unique_phone
from tests.test_media import ended, held
from tests.test_media_look import picture
from tests.test_media_room import CLAIMED, slowly, upload

LEASED = "SELECT attempts, lease_until FROM media WHERE graph_id = $1"
TENANT = "INSERT INTO tenants (id, name, slug, email) VALUES (%s, 'Sul', 'sul', 'sul@sul.example')"
WAITS = "SELECT due_at > now() + INTERVAL '50 seconds' FROM media_leftovers"


@pytest.fixture
async def laid(system: System) -> AsyncIterator[Rails]:
    """Rails as a second worker's."""
    laid = await rails.lay(system.settings)
    yield laid
    await laid.close()


async def test_a_worker_that_lives_renews_its_lease_and_no_other_fetches(
    system: System, guest: Guest, laid: Rails, as_owner: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "LEASE_SECONDS", 1.5)
    monkeypatch.setattr(fetching, "RENEW_SECONDS", 0.2)
    name = await held(system, guest.hotel)
    await slowly(system, name, 4)
    message = await guest.writes(node={"type": "image", "image": {"id": name}})
    await eventually(lambda: as_owner(CLAIMED, name))
    await asyncio.sleep(1.7)  # longer than a lease, shorter than the answer
    await fetching.fetch(laid, UUID(guest.hotel.id), UUID(message["media"]["id"]))
    [row] = await as_owner(LEASED, name)
    assert (row["attempts"], row["lease_until"] is not None) == (1, True)
    assert (await ended(guest.hotel, message))["state"] == "READY"
    assert [tuple(row) for row in await as_owner(LEASED, name)] == [(1, None)]


async def test_a_file_that_another_conversation_shows_is_kept(
    system: System, guest: Guest, laid: Rails, as_owner: Sql
) -> None:
    other = Guest(guest.hotel, unique_phone())
    await other.writes()
    await guest.writes()
    file = (await upload(guest.hotel.admin, picture("PNG", (8, 8)) + uuid4().bytes)).json()["id"]
    sent = [(await ask(each, type="image", mediaId=file)).json() for each in (guest, other)]
    for message in sent:
        await becomes(guest.hotel, message, "SENT", "DELIVERED", "READ")
    here, there = (UUID(message["conversationId"]) for message in sent)
    async with laid.db.tenant(UUID(guest.hotel.id)) as tx:
        assert await keeping.forget(tx, [UUID(file)], [here]) == []
        assert await keeping.forget(tx, [UUID(file)], [here, there]) == [UUID(file)]
    shown = await as_owner("SELECT media ->> 'state' AS state FROM messages WHERE media_id = $1", UUID(file))
    assert [row["state"] for row in shown] == ["DELETED", "DELETED"]


def served(port: int) -> ThreadedMotoServer:
    server = ThreadedMotoServer(port=port, verbose=False)
    server.start()
    return server


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[ThreadedMotoServer]]:
    """An S3 server with a bucket; what stands in it outlives a restart on the same port."""
    servers = [served(0)]
    host, port = servers[0].get_host_and_port()
    login = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1"}
    for name, value in {**login, "AWS_ENDPOINT_URL": f"http://{host}:{port}"}.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="away")
    yield servers
    for server in servers:
        server.stop()


async def test_bytes_to_be_deleted_wait_for_s3_and_go_when_it_is_back(
    system: System, migrated: Scratch, s3: list[ThreadedMotoServer]
) -> None:
    apart = await rails.lay(msgspec.structs.replace(migrated.instead(system.settings), media_url="s3://away"))
    tenant, data = uuid4(), picture("PNG", (8, 8)) + uuid4().bytes
    migrated.run(TENANT, tenant)
    seen = look(io.BytesIO(data))
    async with keeping.kept(apart, tenant, uuid4(), seen, io.BytesIO(data)):
        pass
    migrated.run("UPDATE media_leftovers SET due_at = now()")
    _, port = s3[0].get_host_and_port()
    s3.pop().stop()
    await keeping.remove(apart)
    assert migrated.run(WAITS) == [(True,)]
    s3.append(served(port))
    await keeping.remove(apart)  # not due yet
    there = await apart.store.has(key_of(tenant, seen.sha256))
    migrated.run("UPDATE media_leftovers SET due_at = now()")
    await keeping.remove(apart)
    assert (there, await apart.store.has(key_of(tenant, seen.sha256)), migrated.run(WAITS)) == (True, False, [])
    await apart.close()
