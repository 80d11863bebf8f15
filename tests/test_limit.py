"""Five failed logins in fifteen minutes, by account and by address, with Redis or without."""

import asyncio
from typing import Any

import httpx
import msgspec
import pytest

from crm.core import limit, queue
from crm.core.config import Settings
from crm.core.errors import InvalidCredentials, RateLimited, Unavailable
from crm.core.limit import LOGIN, Limits
from tests.own import ROOT_EMAIL
from tests.system import PASSWORD, Hotel, System, calling
from tests.visitors import bearer, fresh, login, proxied, public_address, visitor


async def test_the_sixth_failure_of_an_account_is_limited_from_everywhere(
    proxied_url: str, hotel_a: Hotel, hotel_b: Hotel, eva: dict[str, Any]
) -> None:
    answers = []
    for _ in range(6):
        async with visitor(proxied_url) as client:
            answers.append(await login(client, eva["email"].upper(), "wrong", hotel_a.slug))
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert answers[5].json()["code"] == "rate_limited"
    assert 800 <= int(answers[5].headers["Retry-After"]) <= 900
    async with visitor(proxied_url) as client:
        assert (await login(client, eva["email"], PASSWORD, hotel_a.slug)).status_code == 429
        assert (await login(client, eva["email"], "wrong", hotel_b.slug)).status_code == 401


async def test_the_sixth_failure_from_an_address_is_limited_for_every_account(
    stranger: httpx.AsyncClient, hotel_a: Hotel, hotel_b: Hotel
) -> None:
    hotels = [hotel_a.slug, hotel_b.slug, None] * 2
    answers = [await login(stranger, f"{fresh('ghost')}@limit.example", "wrong", slug) for slug in hotels]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert 1 <= int(answers[5].headers["Retry-After"]) <= 900


async def test_successes_do_not_count(stranger: httpx.AsyncClient, hotel_a: Hotel, eva: dict[str, Any]) -> None:
    words = ["wrong"] * 4 + [PASSWORD] * 6 + ["wrong", "wrong"]
    answers = [await login(stranger, eva["email"], word, hotel_a.slug) for word in words]
    assert [answer.status_code for answer in answers] == [401] * 4 + [200] * 6 + [401, 429]


async def test_colleagues_behind_one_address_may_sign_in_at_the_same_moment(
    stranger: httpx.AsyncClient, hotel_a: Hotel, eva: dict[str, Any]
) -> None:
    answers = await asyncio.gather(*(login(stranger, eva["email"], slug=hotel_a.slug) for _ in range(8)))
    assert [answer.status_code for answer in answers] == [200] * 8


async def test_guesses_made_at_once_get_no_more_tries(
    stranger: httpx.AsyncClient, hotel_a: Hotel, eva: dict[str, Any]
) -> None:
    answers = await asyncio.gather(*(login(stranger, eva["email"], f"guess-{n}", hotel_a.slug) for n in range(12)))
    assert sorted(answer.status_code for answer in answers) == [401] * 5 + [429] * 7


async def test_an_address_made_up_before_the_proxys_own_does_not_dodge(stranger: httpx.AsyncClient) -> None:
    mine, answers = stranger.headers["X-Forwarded-For"], []
    for _ in range(6):
        stranger.headers["X-Forwarded-For"] = f"{public_address()}, {mine}"
        answers.append(await login(stranger, f"{fresh('ghost')}@limit.example", "wrong"))
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]


async def test_a_peer_that_is_no_trusted_proxy_cannot_choose_its_address(proxied_url: str) -> None:
    transport, answers = httpx.AsyncHTTPTransport(local_address="127.0.9.9"), []
    async with calling(base_url=proxied_url, transport=transport) as client:
        for _ in range(6):
            forged = {"X-Forwarded-For": public_address(), "X-Real-IP": public_address()}
            answers.append(await login(client, f"{fresh('ghost')}@limit.example", "wrong", **forged))
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]


async def test_wrong_current_passwords_are_limited_too(
    stranger: httpx.AsyncClient, hotel_a: Hotel, eva: dict[str, Any]
) -> None:
    token = (await login(stranger, eva["email"], slug=hotel_a.slug)).json()["accessToken"]
    change = {"currentPassword": "wrong", "newPassword": "outra-senha-2"}
    path, headers = "/auth/change-password", bearer(token)
    answers = [await stranger.post(path, json=change, headers=headers) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert (await hotel_a.attendant.post(path, json=change, headers=headers)).status_code == 429  # from elsewhere


async def test_tries_while_the_database_is_away_do_not_count(proxied_url: str, settings: Settings) -> None:
    ghost, nowhere = f"{fresh('ghost')}@limit.example", "postgresql://nobody@127.0.0.1:1/crm"
    async with (
        proxied(settings, database_url=nowhere, database_system_url=nowhere) as broken,
        visitor(broken) as client,
        visitor(proxied_url, **{"X-Forwarded-For": client.headers["X-Forwarded-For"]}) as same,
    ):
        answers = [await login(client, ghost) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [503] * 6
        assert "Retry-After" in answers[0].headers
        assert (await login(same, ghost, "wrong")).status_code == 401


async def test_a_login_works_and_is_limited_while_redis_is_away(system: System, settings: Settings) -> None:
    away = msgspec.structs.replace(settings, redis_url="redis://127.0.0.1:1/0")
    async with proxied(away) as url, visitor(url) as client:
        ghost = f"{fresh('ghost')}@limit.example"
        assert (await login(client, ROOT_EMAIL)).status_code == 200
        answers = [await login(client, ghost, "wrong") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert 1 <= int(answers[5].headers["Retry-After"]) <= 900


async def test_without_redis_a_good_try_is_given_back() -> None:
    limits = Limits(queue.connect("redis://127.0.0.1:1/0"))
    for _ in range(8):
        async with limits.attempt(LOGIN, "key"):
            pass
    for _ in range(5):
        with pytest.raises(InvalidCredentials):
            async with limits.attempt(LOGIN, "key"):
                raise InvalidCredentials
    with pytest.raises(RateLimited) as refused:
        async with limits.attempt(LOGIN, "key"):
            pass
    assert 1 <= int(refused.value.headers["Retry-After"]) <= 900


async def test_a_redis_that_does_not_answer_is_not_asked_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limit, "DEAF", 60.0)
    asked: list[asyncio.StreamWriter] = []

    def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(writer)
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        limits = Limits(queue.connect(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"))
        async with limits.attempt(LOGIN, "first"):
            at_first = len(asked)
        async with limits.attempt(LOGIN, "second"):
            pass
    assert 0 < at_first == len(asked)


async def test_who_comes_when_too_many_wait_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limit, "QUEUE", 1)
    limits = Limits(queue.connect("redis://127.0.0.1:1/0"))
    async with limits.attempt(LOGIN, "first"):
        with pytest.raises(Unavailable):
            async with limits.attempt(LOGIN, "second"):
                pass
    async with limits.attempt(LOGIN, "second"):
        pass


async def test_good_tries_in_flight_at_two_processes_are_no_failures(settings: Settings) -> None:
    processes, key = [Limits(queue.connect(settings.redis)) for _ in range(2)], fresh("address")

    async def sign_in(number: int) -> None:
        async with processes[number % 2].attempt(LOGIN, key):
            await asyncio.sleep(0.5)

    assert await asyncio.gather(*(sign_in(number) for number in range(12))) == [None] * 12


async def test_who_is_cut_off_while_he_leaves_keeps_no_room(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three that were kept, and nobody signs in at this process any more."""
    client = queue.connect(settings.redis)
    limits = Limits(client)
    for _ in range(3):
        with monkeypatch.context() as patch, pytest.raises(asyncio.CancelledError):
            async with limits.attempt(LOGIN, fresh("cut")):
                patch.setattr(limits, "_add", _cut_off)
    async with asyncio.timeout(5), limits.attempt(LOGIN, fresh("next")):
        pass
    await client.aclose()


async def _cut_off(*_: Any) -> list[int]:
    raise asyncio.CancelledError
