"""What the doctor looks with: a few connections of its own, which are made when first used."""

import httpx
import msgspec
from redis.asyncio import Redis

from crm.core import queue
from crm.core.config import Settings
from crm.core.db import Database

STATEMENT_SECONDS, HTTP_SECONDS = 5, 4


class Patient(msgspec.Struct, frozen=True):
    """The settings, the database, Redis, and the API's address."""

    settings: Settings
    db: Database
    redis: Redis
    http: httpx.AsyncClient
    api_url: str

    async def close(self) -> None:
        """Close everything."""
        await self.http.aclose()
        await self.redis.aclose()
        await self.db.close()


async def admit(settings: Settings, api_url: str) -> Patient:
    """Open nothing yet. Raises ValueError: an address that is none."""
    return Patient(
        settings=settings,
        db=await Database.open(settings, STATEMENT_SECONDS, 4),
        redis=queue.connect(settings.redis),
        http=httpx.AsyncClient(timeout=HTTP_SECONDS),
        api_url=api_url or f"http://127.0.0.1:{settings.port}",
    )
