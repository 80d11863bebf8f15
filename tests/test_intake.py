"""Raw webhooks on their way into Postgres: what may wait for it is bounded, and nobody waits for ever."""

import asyncio

import asyncpg
import pytest

from crm.core import rails
from crm.core.config import Settings
from crm.core.errors import Unavailable
from crm.intake import BACKLOG_BYTES, Intake, Post
from ops.dev.home import Home
from tests.people import Sql

BODY = b'{"pad": "' + b"x" * (1024 * 1024) + b'"}'


async def test_while_postgres_is_slow_no_more_waits_than_memory_allows(settings: Settings, home: Home) -> None:
    laid = await rails.lay(settings)
    intake, owner = Intake(laid), await asyncpg.connect(home.database_url("owner"))
    async with owner.transaction():
        await owner.execute("LOCK TABLE webhook_events IN ACCESS EXCLUSIVE MODE")
        posts = [asyncio.create_task(intake.store(Post(BODY, None, ""))) for _ in range(100)]
        await asyncio.sleep(0.3)
        refused = [post for post in posts if post.done()]
        assert {type(post.exception()) for post in refused} == {Unavailable}
        assert (len(posts) - len(refused) - 1) * len(BODY) <= BACKLOG_BYTES
    await asyncio.gather(*(post for post in posts if post not in refused))
    await intake.store(Post(BODY, None, ""))  # there is room again
    await owner.close()
    await laid.close()


async def test_what_is_stored_is_told_one_by_one_and_a_cancelled_request_harms_none(
    settings: Settings, as_owner: Sql
) -> None:
    laid = await rails.lay(settings)
    intake, mark = Intake(laid), b'{"mark": "one by one"}'
    posts = [asyncio.create_task(intake.store(Post(mark, None, ""))) for _ in range(5)]
    await asyncio.sleep(0)
    posts[2].cancel()
    kept = posts[:2] + posts[3:]
    await asyncio.gather(*kept)
    with pytest.raises(asyncio.CancelledError):
        await posts[2]
    [row] = await as_owner("SELECT count(*) FROM webhook_events WHERE body = $1", mark)
    assert row[0] >= len(kept)
    await laid.close()
