"""The page on which a person plays the customer."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from .actors import DORA_DIALLED, HOTEL, TEXT, Crm, Meta


async def told(lines: AsyncIterator[str], name: str) -> Any:
    """The data of the next event, which must be of this name."""
    found = [await asyncio.wait_for(anext(lines), 5) for _ in range(3)]
    assert found[0] == f"event: {name}"
    return json.loads(found[1].removeprefix("data: "))


async def test_the_page_shows_answers_and_blue_ticks_live(crm: Crm, fake: Meta) -> None:
    wamid = (await fake.say(text="Oi"))["wamid"]
    watched = {"number": HOTEL, "as": DORA_DIALLED}
    async with fake.client.stream("GET", "/phone/feed", params=watched) as feed:
        lines = feed.aiter_lines()
        assert (await told(lines, "chat"))["bubbles"][0]["wamid"] == wamid
        await fake.send({"status": "read", "message_id": wamid, "typing_indicator": {"type": "text"}})
        assert (await told(lines, "bubble"))["state"] == "read"
        assert await told(lines, "typing") is None
        await fake.send(TEXT)
        assert (await told(lines, "bubble"))["node"] == {"body": "Oi, Dora"}


async def test_the_page_tells_when_the_crm_refuses_and_when_it_takes_it_after_all(crm: Crm, fake: Meta) -> None:
    crm.answers = [503]
    async with fake.client.stream("GET", "/phone/feed", params={"number": HOTEL, "as": "554898448722"}) as feed:
        lines = feed.aiter_lines()
        await told(lines, "chat")
        await fake.say(text="Oi")
        seen = [await told(lines, "bubble") for _ in range(3)]
    assert [bubble["state"] for bubble in seen] == ["sending", "refused", "accepted"]
    assert [bubble["note"] for bubble in seen] == [None, "503", None]


async def test_a_customer_whose_phone_is_withheld_can_be_played_by_bsuid(crm: Crm, fake: Meta) -> None:
    watched = {"number": HOTEL, "as": "BR.1502576394655843"}
    async with fake.client.stream("GET", "/phone/feed", params=watched) as feed:
        me = (await told(feed.aiter_lines(), "chat"))["me"]
    assert (me["waId"], me["bsuid"]) == (None, "BR.1502576394655843")
    await fake.say(text="Oi", bsuid=me["bsuid"], **{"from": me["waId"]})
    assert "from" not in crm.values()[0]["messages"][0]
    assert (await fake.client.get("/phone/feed", params={"number": HOTEL})).status_code == 400


async def test_a_template_is_shown_filled_in(crm: Crm, fake: Meta) -> None:
    parts = [{"type": "BODY", "text": "Olá {{nome}}!"}, {"type": "FOOTER", "text": "Hotel"}]
    named = {"name": "ola", "language": "pt_BR", "category": "UTILITY"}
    await fake.post("templates", wabaId="102290129340398", components=parts, **named)
    given = [{"type": "text", "parameter_name": "nome", "text": "Dora"}]
    filled = [{"type": "body", "parameters": given}]
    template = {"name": "ola", "language": {"code": "pt_BR"}, "components": filled}
    await fake.send({"type": "template", "template": template})
    watched = {"number": HOTEL, "as": DORA_DIALLED}
    async with fake.client.stream("GET", "/phone/feed", params=watched) as feed:
        chat = await told(feed.aiter_lines(), "chat")
    assert chat["bubbles"][0]["preview"] == {"body": "Olá Dora!", "footer": "Hotel", "buttons": []}


async def test_media_is_shown_without_a_bearer(crm: Crm, fake: Meta) -> None:
    kind = {"Content-Type": "image/png"}
    where = {"phoneNumberId": HOTEL}
    stored = (await fake.client.post("/_fake/media", params=where, content=b"png", headers=kind)).json()
    shown = await fake.client.get(f"/phone/media/{stored['id']}")
    assert (shown.content, shown.headers["Content-Type"]) == (b"png", "image/png")
    assert (await fake.client.get("/phone/media/404")).status_code == 400


async def test_the_page_comes_whole_from_this_server(fake: Meta) -> None:
    assert (await fake.client.get("/")).headers["Location"] == "/phone"
    page = await fake.client.get("/phone")
    assert 'lang="pt-BR"' in page.text
    assert "https://" not in page.text
    for name in ("phone.css", "phone.js", "bubble.js"):
        assert (await fake.client.get(f"/phone/page/{name}")).status_code == 200
    assert (await fake.client.get("/phone/feed", params={"number": "404"})).status_code == 400
