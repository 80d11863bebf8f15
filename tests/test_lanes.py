"""Turns: a lane is worked by one at a time, and no tenant takes another's turn."""

import asyncio
from collections import Counter
from uuid import UUID, uuid4

from crm.lanes import AT_ONCE, OF_ONE_TENANT, Lanes

A, B = UUID(int=1), UUID(int=2)


class Desk:
    """Works lanes until told that they may end; keeps what ran and how much at once."""

    def __init__(self) -> None:
        self.lanes = Lanes(self.work)
        self.begun: list[tuple[UUID, UUID]] = []
        self.most: Counter[UUID] = Counter()
        self.running: Counter[UUID] = Counter()
        self.may_end = asyncio.Event()

    async def work(self, tenant: UUID, conversation: UUID) -> None:
        self.begun.append((tenant, conversation))
        self.running[tenant] += 1
        self.most |= self.running
        await self.may_end.wait()
        self.running[tenant] -= 1


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def ended(desk: Desk) -> None:
    while len(desk.lanes):  # noqa: ASYNC110
        await asyncio.sleep(0)


async def test_a_lane_runs_once_at_a_time_and_once_more_when_asked_meanwhile() -> None:
    desk, lane = Desk(), uuid4()
    desk.lanes.want(A, lane)
    await settled()
    for _ in range(5):
        desk.lanes.want(A, lane)
    await settled()
    assert (desk.begun, desk.lanes.runs(A, lane)) == ([(A, lane)], True)
    desk.may_end.set()
    await settled()
    assert (desk.begun, len(desk.lanes)) == ([(A, lane)] * 2, 0)


async def test_a_lane_that_is_looked_for_again_runs_no_second_time() -> None:
    desk, lane = Desk(), uuid4()
    for _ in range(3):
        desk.lanes.want_idle(A, lane)
        await settled()
    desk.may_end.set()
    await ended(desk)
    assert desk.begun == [(A, lane)]


async def test_a_tenant_with_thousands_of_lanes_leaves_room_for_another() -> None:
    desk, late = Desk(), uuid4()
    for _ in range(5000):
        desk.lanes.want(A, uuid4())
    desk.lanes.want(B, late)
    await settled()
    assert (B, late) in desk.begun
    assert desk.most[A] == OF_ONE_TENANT < AT_ONCE
    desk.may_end.set()
    await ended(desk)
    assert (len(desk.begun), len(set(desk.begun)), desk.most[A]) == (5001, 5001, OF_ONE_TENANT)


async def test_tenants_take_turns() -> None:
    desk, tenants = Desk(), [UUID(int=number) for number in range(1, 9)]
    for tenant in tenants:
        for _ in range(20):
            desk.lanes.want(tenant, uuid4())
    await settled()
    assert len(desk.begun) == AT_ONCE
    desk.may_end.set()
    await ended(desk)
    rest = [tenant for tenant, _ in desk.begun[AT_ONCE + 40 : AT_ONCE + 40 + len(tenants)]]
    assert sorted(rest) == tenants


async def test_work_that_fails_leaves_its_lane_free() -> None:
    ran = []

    async def broken(_tenant: UUID, _conversation: UUID) -> None:
        ran.append(1)
        raise LookupError

    lanes, lane = Lanes(broken), uuid4()
    for _ in range(2):
        lanes.want(A, lane)
        [task] = lanes._running.values()
        await asyncio.gather(task, return_exceptions=True)
    assert (len(ran), len(lanes)) == (2, 0)


async def test_a_desk_that_closes_begins_nothing_and_gives_up_what_takes_too_long() -> None:
    desk = Desk()
    for _ in range(100):
        desk.lanes.want(A, uuid4())
    await settled()
    await desk.lanes.close(0.01)
    desk.lanes.want(B, uuid4())
    await settled()
    assert (len(desk.begun), len(desk.lanes)) == (OF_ONE_TENANT, 0)
