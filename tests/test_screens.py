"""Who has a conversation open: each screen ends with how it stands, whoever came, went or died meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from crm.core import hub, rails, viewers
from crm.core.rails import Rails
from crm.core.viewers import Viewer, Viewers
from tests.own import away
from tests.sockets import Ear, Frame, listening
from tests.system import Guest, Hotel, System, unique_phone

GHOST = Viewer(UUID(int=7), "Dora")


@pytest.fixture(scope="module")
async def hotel(own: System) -> Hotel:
    return await own.hotel("Telas")


@pytest.fixture(scope="module")
async def laid(own: System) -> AsyncIterator[Rails]:
    laid = await rails.lay(own.settings)
    yield laid
    await laid.close()


@pytest.fixture
async def key(hotel: Hotel) -> str:
    """A conversation that nobody else has open."""
    guest = Guest(hotel, unique_phone())
    await guest.writes()
    return str((await guest.conversation())["id"])


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there is said again twice a second, and forgotten after three."""
    monkeypatch.setattr(hub, "WATCH_SECONDS", 0.2)
    monkeypatch.setattr(hub, "AGAIN_EVERY", 0.5)
    monkeypatch.setattr(viewers, "STAY_SECONDS", 3)


@pytest.mark.parametrize(("sight", "rounds"), [("all", 40), ("own_and_unassigned", 20)])
async def test_who_come_at_the_same_moment_see_each_other(
    hotel: Hotel, second: str, key: str, sight: str, rounds: int
) -> None:
    """Whoever was told who is there, and by whatever way last: it is how it stands."""
    answer = await hotel.admin.patch("/api/tenant", json={"settings": {"visibility": sight}})
    assert answer.status_code == 200, answer.text
    async with (
        listening(hotel.admin) as alice,
        listening(hotel.attendant) as bruno,
        listening(hotel.admin, second) as other,
    ):
        ears = [alice, bruno, other]
        for _ in range(rounds):
            await asyncio.gather(*(ear.say("conversation:join", key) for ear in ears))
            await asyncio.gather(*(sees(ear, ["Alice", "Bruno"]) for ear in ears))
            for frames in await asyncio.gather(*(ear.heard() for ear in ears)):
                assert [_names(frame) for frame in frames][-1:] in ([], [["Alice", "Bruno"]])
            await asyncio.gather(*(ear.say("conversation:leave", key) for ear in ears))
            await asyncio.gather(*(ear.heard() for ear in ears))
            await asyncio.sleep(0.1)  # 50 frames a second are what a socket may say


def _names(frame: Frame) -> list[str] | None:
    """Of those who are there, when a frame says that."""
    there = {"conversation:joined", "presence"}
    return [one["name"] for one in frame["data"]["viewers"]] if frame["event"] in there else None


async def sees(ear: Ear, names: list[str]) -> None:
    """Until it is told that these are there."""
    async with asyncio.timeout(10):
        while _names(await ear.frame(10)) != names:
            pass


async def test_who_redis_forgot_is_seen_again(
    hotel: Hotel, second: str, laid: Rails, key: str, often: None
) -> None:
    """Each process says its own again, and the first to do so does not see the others' people."""
    async with listening(hotel.admin) as alice, listening(hotel.attendant, second) as bruno:
        await bruno.say("conversation:join", key)
        await sees(bruno, ["Bruno"])
        await alice.say("conversation:join", key)
        for ear in (alice, bruno):
            await sees(ear, ["Alice", "Bruno"])
        await Viewers(laid.redis).here(UUID(hotel.id), UUID(key), [GHOST])
        await sees(alice, ["Alice", "Bruno", "Dora"])
        await laid.redis.delete(f"crm:viewers:{hotel.id}:{key}")
        await sees(alice, ["Alice", "Bruno"])


async def test_who_went_with_a_killed_process_is_told_gone(
    hotel: Hotel, laid: Rails, key: str, often: None
) -> None:
    await Viewers(laid.redis).here(UUID(hotel.id), UUID(key), [GHOST])
    async with listening(hotel.admin) as alice:
        await alice.say("conversation:join", key)
        await sees(alice, ["Alice", "Dora"])
        await sees(alice, ["Alice"])


async def test_what_another_screen_learns_is_shown_on_all(
    hotel: Hotel, laid: Rails, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who died is noticed by a second screen of Alice's before the watch comes by."""
    monkeypatch.setattr(viewers, "STAY_SECONDS", 1)
    await Viewers(laid.redis).here(UUID(hotel.id), UUID(key), [GHOST])
    async with listening(hotel.admin) as one, listening(hotel.admin) as two:
        await one.say("conversation:join", key)
        await sees(one, ["Alice", "Dora"])
        await asyncio.sleep(1.1)
        await two.say("conversation:join", key)
        for ear in (two, one):
            await sees(ear, ["Alice"])


async def test_who_comes_and_goes_while_redis_is_away_is_seen_in_the_same_process(
    own: System, hotel: Hotel, key: str
) -> None:
    async with listening(hotel.admin) as alice, listening(hotel.attendant) as bruno:
        await alice.say("conversation:join", key)
        await sees(alice, ["Alice"])
        with away(own.home.redis):
            await bruno.say("conversation:join", key)
            for ear in (bruno, alice):
                await sees(ear, ["Alice", "Bruno"])
            await bruno.say("conversation:leave", key)
            await sees(alice, ["Alice"])
