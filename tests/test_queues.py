"""SAQ's own page: for super admins only, by token or by a cookie that nobody else's page can use."""

import base64
import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.own import add_root, away, own_system
from tests.sockets import short_lived, token_of
from tests.system import PASSWORD, Hotel, System, calling
from tests.visitors import fresh

PAGE, KEEPER = "/admin/queues", "keeper@platform.example"
HTML = {"Accept": "text/html"}


@pytest.fixture(scope="module", autouse=True)
async def keeper(system: System) -> None:
    """A super admin of this module's own, who signs in often."""
    await add_root(system.settings, KEEPER)


@pytest.fixture
async def browser(system: System) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody with a browser: keeps cookies, says where a form is from."""
    async with calling(base_url=system.url, headers={**HTML, "Origin": system.url}) as client:
        yield client


async def enters(browser: httpx.AsyncClient, email: str, password: str) -> httpx.Response:
    """Sign in on the form."""
    return await browser.post(f"{PAGE}/sign-in", data={"email": email, "password": password})


@pytest.fixture
async def admin(browser: httpx.AsyncClient, system: System) -> httpx.AsyncClient:
    """A super admin past the form."""
    answer = await enters(browser, KEEPER, PASSWORD)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}/")
    return browser


async def test_a_super_admin_sees_the_page_and_all_it_loads(admin: httpx.AsyncClient) -> None:
    page = await admin.get(f"{PAGE}/")
    assert (await admin.get(PAGE)).text == page.text
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = page.headers["content-security-policy"]
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) >= 3
    for path in loaded:
        answer = await admin.get(path)
        assert (answer.status_code, path.startswith(f"{PAGE}/static/")) == (200, True), path
        assert answer.headers["content-type"].split(";")[0] in ("text/css", "text/javascript")
    [inline] = re.findall(r"<script>(.+?)</script>", page.text)
    assert base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode() in policy


async def test_the_page_knows_both_queues_by_token_too(admin: httpx.AsyncClient, root: httpx.AsyncClient) -> None:
    for person in (admin, root):
        queues = (await person.get(f"{PAGE}/api/queues")).json()["queues"]
        assert {queue["name"] for queue in queues} == {"inbound", "outbound"}
        assert (await person.get(f"{PAGE}/api/queues/inbound")).json()["queue"]["name"] == "inbound"


@pytest.mark.parametrize("path", ["/api/queues/nope", "/api/queues/inbound/jobs/nope", "/nope", "/static/nope.js"])
async def test_what_is_not_there_is_not_found(admin: httpx.AsyncClient, path: str) -> None:
    assert (await admin.get(PAGE + path)).status_code == 404


@pytest.mark.parametrize("path", ["", "/", "/api/queues", "/static/app.js", "/queues/inbound", "/health"])
async def test_nobody_else_gets_anything(path: str, system: System, hotel_a: Hotel) -> None:
    expired = short_lived(system.root, system.settings.jwt_secret, -5)
    tokens = {"": 401, "x.y.z": 401, expired: 401, token_of(hotel_a.admin): 403, token_of(hotel_a.attendant): 403}
    for token, status in tokens.items():
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with calling(base_url=system.url, headers=headers) as client:
            answer = await client.get(PAGE + path)
            assert (answer.status_code, answer.json()["status"]) == (status, status), token
            cookie = await client.get(PAGE + path, headers={"Cookie": f"crm_admin={token}", "Authorization": ""})
            assert cookie.status_code in (401, 403)


async def test_a_refresh_token_is_no_access_token(system: System) -> None:
    tokens = (await system.login(KEEPER, PASSWORD)).json()
    async with system.client(tokens["refreshToken"]) as client:
        assert (await client.get(f"{PAGE}/api/queues")).status_code == 401


async def test_a_browser_without_a_session_gets_the_form_in_its_language(browser: httpx.AsyncClient) -> None:
    page = await browser.get(f"{PAGE}/")
    assert (page.status_code, "Senha" in page.text, "<script" in page.text) == (401, True, False)
    assert "Password" in (await browser.get(f"{PAGE}/", headers={"Accept-Language": "en"})).text


async def test_a_wrong_password_and_a_hotels_admin_stay_outside(browser: httpx.AsyncClient, hotel_a: Hotel) -> None:
    for email, password in ((f"{fresh('x')}@x.example", PASSWORD), (hotel_a.logins["admin"], PASSWORD), ("x", "")):
        answer = await enters(browser, email, password)
        assert (answer.status_code, "incorretos" in answer.text) == (401, True)
    assert browser.cookies == httpx.Cookies()


async def test_a_form_of_another_site_signs_nobody_in_and_does_nothing(
    admin: httpx.AsyncClient, system: System
) -> None:
    for origin in ("https://evil.example", "null", ""):
        headers = {"Origin": origin}
        form = {"email": KEEPER, "password": PASSWORD}
        assert (await admin.post(f"{PAGE}/sign-in", data=form, headers=headers)).status_code == 403
        headers["Accept"] = "*/*"
        answer = await admin.post(f"{PAGE}/api/queues/inbound/jobs/x/abort", headers=headers)
        assert answer.status_code == 403
    assert (await admin.post(f"{PAGE}/api/queues/inbound/jobs/x/abort")).status_code == 404


async def test_the_cookie_is_for_this_page_alone_and_ends_with_the_session(admin: httpx.AsyncClient) -> None:
    told = (await enters(admin, KEEPER, PASSWORD)).headers["set-cookie"].lower()
    for word in ("httponly", "samesite=strict", f"path={PAGE}", "max-age=900"):
        assert word in told
    cookie = {"Cookie": f"crm_admin={admin.cookies['crm_admin']}"}
    assert (await admin.post(f"{PAGE}/sign-out")).status_code == 303
    assert (await admin.get(f"{PAGE}/api/queues", headers={**cookie, "Accept": "*/*"})).status_code == 401
    assert (await admin.get("/api/tenants", headers={**cookie, "Accept": "*/*"})).status_code == 401


async def test_without_redis_the_page_says_so(tmp_path: Path) -> None:
    async with own_system(tmp_path) as system:
        assert system.home.redis
        with away(system.home.redis):
            answer = await system.root.get(f"{PAGE}/api/queues")
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert (await system.root.get(f"{PAGE}/api/queues")).status_code == 200
