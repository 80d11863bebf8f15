"""Postgres goes away and comes back: nothing is acknowledged that is not kept, and nobody restarts anything."""

import asyncio
from typing import Any

import asyncpg
import httpx
import psutil
import pytest

from ops.dev import processes
from tests import scratch
from tests.own import away, program, working
from tests.sockets import at_socket, heard_by, listening, token_of
from tests.system import PASSWORD, Guest, Hotel, System, calling, eventually, unique_phone


@pytest.fixture(scope="module")
async def hotel(own: System) -> Hotel:
    return await own.hotel("Apagao")


@pytest.fixture
async def guest(hotel: Hotel) -> Guest:
    """A customer who has written once."""
    guest = Guest(hotel, unique_phone())
    await guest.writes()
    return guest


def is_unavailable(answer: httpx.Response) -> bool:
    """503 as the contract words it."""
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    problem = answer.json()
    assert (problem["code"], problem["status"]) == ("unavailable", 503)
    return {"type", "title", "detail", "requestId"} <= set(problem) and "asyncpg" not in answer.text


async def health(client: httpx.AsyncClient, path: str) -> tuple[int, dict[str, Any]]:
    answer = await client.get(path)
    return answer.status_code, answer.json()


async def works_again(client: httpx.AsyncClient) -> bool:
    return (await client.get("/api/conversations")).status_code == 200


async def messages_of(guest: Guest) -> set[str]:
    return {item["wamid"] for item in await guest.history()}


async def test_without_postgres_every_door_answers_503_and_the_process_is_up(
    own: System, hotel: Hotel, guest: Guest
) -> None:
    url = f"/api/conversations/{(await guest.conversation())['id']}/messages"
    with away(own.home.postgres):
        assert is_unavailable(await hotel.attendant.get("/api/conversations"))
        assert is_unavailable(await hotel.attendant.post(url, json={"content": "x"}))
        assert is_unavailable(await hotel.webhook(guest.body(guest.message())))
        assert is_unavailable(await own.login(hotel.logins["admin"], PASSWORD, hotel.slug))
        assert await health(hotel.admin, "/health") == (200, {"status": "ok"})
        status, ready = await health(hotel.admin, "/health/ready")
        assert (status, ready["checks"]["postgres"], ready["checks"]["redis"]) == (503, "failing", "ok")
        assert (await hotel.admin.get("/metrics")).status_code == 200
        unsigned = await hotel.webhook(guest.body(guest.message()), secret="wrong")
        assert unsigned.status_code in {401, 503}
    await eventually(lambda: works_again(hotel.attendant))
    assert (await health(hotel.admin, "/health/ready"))[0] == 200


async def test_what_was_acknowledged_before_the_outage_is_there_after_it(own: System, guest: Guest) -> None:
    nodes = [guest.message(text=f"número {number}") for number in range(30)]
    sure = await asyncio.gather(*(guest.hotel.webhook(guest.body(node)) for node in nodes[:10]))
    in_flight = asyncio.gather(*(guest.hotel.webhook(guest.body(node)) for node in nodes[10:]))
    await asyncio.sleep(0.01)
    with away(own.home.postgres):
        statuses = [answer.status_code for answer in (*sure, *await in_flight)]
    assert (set(statuses[:10]), set(statuses) <= {200, 503}) == ({200}, True)
    taken = {node["id"] for node, status in zip(nodes, statuses, strict=True) if status == 200}

    async def all_there() -> bool:
        return await works_again(guest.hotel.attendant) and taken <= await messages_of(guest)

    await eventually(all_there)
    again = [node for node in nodes if node["id"] not in taken] + nodes[:5]
    assert {(await guest.hotel.webhook(guest.body(node))).status_code for node in again} == {200}
    await eventually(lambda: _is_all(guest, {node["id"] for node in nodes}))
    assert len(await guest.history()) == len(nodes) + 1


async def _is_all(guest: Guest, wamids: set[str]) -> bool:
    return wamids <= await messages_of(guest)


async def test_a_send_accepted_before_the_outage_goes_out_once_after_it(own: System, guest: Guest) -> None:
    url = f"/api/conversations/{(await guest.conversation())['id']}/messages"
    accepted = await guest.hotel.attendant.post(url, json={"content": "aceita"})
    with away(own.home.postgres):
        assert accepted.status_code == 201
    await eventually(lambda: works_again(guest.hotel.attendant))
    fresh = await guest.hotel.attendant.post(url, json={"content": "depois"})

    async def settled() -> bool:
        states = {item["id"]: item["status"] for item in await guest.history()}
        return states[fresh.json()["id"]] == "READ" and states[accepted.json()["id"]] not in ("QUEUED", "SENDING")

    await eventually(settled, 70)
    async with calling(base_url=own.graph_url) as client:
        sent = (await client.get("/_fake/sent", params={"phoneNumberId": guest.hotel.number_id})).json()
    assert [one["callback"] for one in _listed(sent)].count(accepted.json()["id"]) == 1


def _listed(sent: Any) -> list[dict[str, Any]]:
    return sent["data"] if isinstance(sent, dict) else sent


async def test_an_open_socket_survives_the_outage_and_hears_what_follows(own: System, guest: Guest) -> None:
    hotel, key = guest.hotel, (await guest.conversation())["id"]
    async with listening(hotel.attendant) as ear:
        with away(own.home.postgres):
            await ear.say("conversation:join", key)
            assert (await ear.hear("error"))["data"]["code"] == "unavailable"
            await ear.say("resume", {"since": 0})
            assert (await ear.hear("error"))["data"]["code"] == "unavailable"
            async with at_socket(hotel.url, token_of(hotel.admin)) as newcomer:
                assert await newcomer.closed() == 1012
        await eventually(lambda: works_again(hotel.attendant))
        message = await guest.writes("de volta")
        await heard_by(ear, "message:new", message["id"])


async def test_killed_connections_are_a_503_at_worst_and_then_all_is_well(
    own: System, hotel: Hotel, guest: Guest
) -> None:
    async def ask() -> int:
        return (await hotel.attendant.get("/api/conversations")).status_code

    own.home.postgres.stop()
    own.home.postgres.start()
    assert set(await asyncio.gather(*(ask() for _ in range(20)))) <= {200, 503}
    await eventually(lambda: works_again(hotel.attendant))
    assert set(await asyncio.gather(*(ask() for _ in range(20)))) == {200}
    await guest.writes("ainda")


async def test_api_and_worker_started_without_postgres_come_up_and_recover(own: System, hotel: Hotel) -> None:
    port = str(processes.free_port())
    env = {"PORT": port, "WHATSAPP_GRAPH_URL": own.graph_url}
    headers = {"Authorization": hotel.attendant.headers["Authorization"]}
    async with calling(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=20) as client:
        with away(own.home.postgres), program(own.home, "api", **env) as log:
            await eventually(lambda: _is_up(client))
            assert is_unavailable(await client.get("/api/conversations")), log.read_text()
            assert (await client.get("/health/ready")).status_code == 503
            async with working(own.settings):
                await asyncio.sleep(0.3)
                own.home.postgres.start()
                await eventually(lambda: works_again(client))
                await Guest(hotel, unique_phone()).writes("recebida")
                assert (await client.get("/health/ready")).status_code == 200


async def _is_up(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/health")).status_code == 200
    except httpx.TransportError:
        return False


async def test_a_postgres_that_says_nothing_is_waited_for_seconds_and_no_longer(
    own: System, hotel: Hotel, guest: Guest
) -> None:
    """Frozen, it still takes connections: only a time limit of ours tells."""
    assert own.home.postgres
    server = psutil.Process(own.home.postgres.pid)
    frozen = [server, *server.children(recursive=True)]
    for process in frozen:
        process.suspend()
    try:
        body = guest.body(lost := guest.message(text="gelado"))
        async with asyncio.timeout(9):
            asked = [hotel.admin.get("/api/conversations") for _ in range(15)]
            answers = await asyncio.gather(*asked, hotel.webhook(body))
    finally:
        for process in frozen:
            process.resume()
    assert all(is_unavailable(answer) for answer in answers)
    await eventually(lambda: works_again(hotel.admin))
    assert (await hotel.webhook(body)).status_code == 200
    assert (await eventually(lambda: guest.seen(lost["id"])))["content"] == "gelado"


async def test_a_postgres_that_writes_nothing_is_unavailable_to_who_writes(
    own: System, hotel: Hotel, guest: Guest
) -> None:
    """A standby by now, or a disk so full that somebody forbade it to write."""
    url = f"/api/conversations/{(await guest.conversation())['id']}/messages"
    body = guest.body(lost := guest.message(text="só leitura"))
    server = await asyncpg.connect(scratch.Scratch(own.home, "crm").url("superuser"))

    async def refused() -> httpx.Response | None:
        answer = await hotel.attendant.post(url, json={"content": "x"})
        return None if answer.status_code == 201 else answer

    try:
        await server.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        await server.execute("SELECT pg_reload_conf()")
        assert is_unavailable(await eventually(refused))
        assert is_unavailable(await hotel.webhook(body))
        assert (await hotel.attendant.get("/api/conversations")).status_code == 200
    finally:
        await server.execute("ALTER SYSTEM RESET default_transaction_read_only")
        await server.execute("SELECT pg_reload_conf()")
        await server.close()
    await eventually(lambda: stored(hotel, body))
    assert (await eventually(lambda: guest.seen(lost["id"])))["content"] == "só leitura"


async def stored(hotel: Hotel, body: Any) -> bool:
    return (await hotel.webhook(body)).status_code == 200


FULL = """
    CREATE SEQUENCE tried;
    GRANT USAGE ON SEQUENCE tried TO PUBLIC;
    CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql VOLATILE AS $$
    BEGIN
        PERFORM nextval('public.tried');
        RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full';
    END $$;
    GRANT EXECUTE ON FUNCTION full_disk() TO PUBLIC;
    CREATE TRIGGER full_disk BEFORE INSERT ON messages EXECUTE FUNCTION full_disk()"""


async def test_what_comes_while_the_disk_is_full_waits_for_room(own: System, hotel: Hotel, guest: Guest) -> None:
    owner = await asyncpg.connect(own.home.database_url("owner"))
    try:
        await owner.execute(FULL)
        assert (await hotel.webhook(guest.body(late := guest.message(text="cheio")))).status_code == 200
        await eventually(lambda: owner.fetchval("SELECT last_value >= 2 FROM tried"))  # one by one, if it is poison
    finally:
        await owner.execute("DROP FUNCTION full_disk CASCADE; DROP SEQUENCE tried")
        await owner.close()
    assert (await eventually(lambda: guest.seen(late["id"])))["content"] == "cheio"
