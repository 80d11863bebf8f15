"""One fake, one listening CRM and one pywa for the whole run; each test registers the hotel anew."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pywa_async import WhatsApp
from pywa_async.types import Message, MessageStatus, RawUpdate
from starlette.applications import Starlette
from starlette.routing import Route

from ops import fake_meta
from tests.system import calling

from .actors import HOTEL, SECRET, TOKEN, WABA, Crm, Meta, Rewritten, serving


@pytest.fixture(scope="session")
async def fake() -> AsyncIterator[Meta]:
    settings = fake_meta.Settings(status_delays_ms=(10, 20, 30), retry_delays=(0.02, 0.05))
    async with serving(fake_meta.app(settings)) as url, calling(base_url=url) as client:
        yield Meta(client)


@pytest.fixture(scope="session")
async def listener() -> AsyncIterator[tuple[Crm, str]]:
    crm = Crm()
    async with serving(Starlette(routes=[Route("/webhook", crm.webhook, methods=["POST"])])) as url:
        yield crm, f"{url}/webhook"


@pytest.fixture
async def crm(fake: Meta, listener: tuple[Crm, str]) -> AsyncIterator[Crm]:
    """A hotel whose webhooks end in plain hands."""
    crm, url = listener
    await fake.register(url)
    yield crm
    await fake.post("reset")
    crm.posts, crm.answers = [], []


@pytest.fixture(scope="session")
async def pywas_server(fake: Meta) -> AsyncIterator[tuple[WhatsApp, str]]:
    """A pywa client that sends to the fake, with pywa's own webhook server."""
    session, server = calling(transport=Rewritten(fake.client.base_url)), Starlette()
    secrets = {"token": TOKEN, "app_secret": SECRET, "verify_token": "verify-me"}
    place = {"server": server, "webhook_endpoint": "/webhook"}
    wa = WhatsApp(HOTEL, waba_id=WABA, session=session, **place, **secrets)
    for decorate in (wa.on_message(), wa.on_message_status()):
        decorate(hear)
    wa.on_raw_update()(hear_raw)
    async with session, serving(server) as url:
        yield wa, f"{url}/webhook"


@pytest.fixture
async def pywa(fake: Meta, pywas_server: tuple[WhatsApp, str]) -> AsyncIterator[WhatsApp]:
    """The same hotel, whose webhooks end in pywa's hands."""
    wa, url = pywas_server
    wa._server.state.heard, wa._server.state.raw = asyncio.Queue(), asyncio.Queue()
    await fake.register(url, verifyToken="verify-me")
    yield wa
    await fake.post("reset")


async def hear(wa: WhatsApp, update: Message | MessageStatus) -> None:
    wa._server.state.heard.put_nowait(update)


async def hear_raw(wa: WhatsApp, update: RawUpdate) -> None:
    wa._server.state.raw.put_nowait(update)
