"""The drain: a hotel that cannot be worked now waits by itself, and holds up no other."""

import asyncio

from ops.dev.home import Home
from tests.held import DOOR, holding
from tests.people import Sql
from tests.system import Guest, Hotel, System, eventually, unique_phone


async def test_a_hotel_whose_door_is_held_holds_up_no_other(system: System, home: Home, as_owner: Sql) -> None:
    slow, quick = await system.hotel("Parado"), await system.hotel("Ligeiro")
    stuck, guest = Guest(slow, unique_phone()), Guest(quick, unique_phone())
    waiting = "SELECT count(*) FROM webhook_waiting WHERE lane = $1"

    async def left(hotel: Hotel) -> int:
        return int((await as_owner(waiting, hotel.number_id))[0][0])

    async def worked() -> bool:
        return await left(quick) == 0

    async with holding(home, DOOR, slow.id):
        node = stuck.message(text="parado")
        assert (await slow.webhook(stuck.body(node))).status_code == 200
        for number in range(60):
            assert (await quick.webhook(guest.body(guest.message(text=f"n {number}")))).status_code == 200
        await eventually(worked, 20)  # the first turn waits as long as a lock may be waited for
        for number in range(3):
            assert (await guest.writes(f"depois {number}"))["content"] == f"depois {number}"
            await eventually(worked)
        assert await left(slow) == 1
    await eventually(lambda: stuck.seen(node["id"]))


async def test_what_waits_aside_comes_in_the_order_it_was_told(system: System, home: Home) -> None:
    hotel = await system.hotel("Ordem")
    guest = Guest(hotel, unique_phone())
    nodes = [guest.message(text=f"n {number}") for number in range(12)]
    async with holding(home, DOOR, hotel.id):
        for node in nodes:
            assert (await hotel.webhook(guest.body(node))).status_code == 200
        await asyncio.sleep(6)
    await eventually(lambda: guest.seen(nodes[-1]["id"]))
    told = [message["content"] for message in await guest.history()]
    assert told == [f"n {number}" for number in range(11, -1, -1)]
