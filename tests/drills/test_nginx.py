"""The real nginx with ops/nginx in front of the real API: what strangers, guests and people of hotels get."""

import json
import socket
import ssl
import warnings
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from crm.core.config import Settings
from tests.drills import door as doors
from tests.drills.door import DOMAIN, HOTELS, MEGABYTE, PROGRAM, SPOOFED, WEBHOOK, Door, address
from tests.people import Sql
from tests.sockets import at_socket, heard_by, token_of
from tests.system import PASSWORD, Guest, Hotel, System, calling, signature
from tests.visitors import bearer, fresh, login, proxied

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="nginx is missing: apt-get install nginx")


@pytest.fixture(scope="module")
async def door(system: System, settings: Settings) -> AsyncIterator[Door]:
    """In front of an API that trusts it, and knows the hotels' domain."""
    async with proxied(settings, base_domains=HOTELS) as url:
        with doors.opened(url) as door:
            yield door


@pytest.fixture
async def visitor(door: Door) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody at an address that nobody came from yet."""
    async with door.visitor(address()) as client:
        yield client


async def test_plain_http_is_sent_to_https_and_strangers_nowhere(door: Door) -> None:
    async with calling(base_url=f"http://127.0.0.1:{door.plain}") as client:
        for host in (DOMAIN, f"aurora.{HOTELS}"):
            answer = await client.get("/inbox?a=1", headers={"Host": host})
            assert (answer.status_code, answer.headers["Location"]) == (301, f"https://{host}/inbox?a=1")
        strange = await client.get("/inbox", headers={"Host": "evil.test"})
    assert (strange.status_code, "Location" in strange.headers) == (404, False)


async def test_the_proof_of_the_certificate_is_served_over_plain_http(door: Door) -> None:
    place = door.acme / ".well-known" / "acme-challenge"
    place.mkdir(parents=True)
    (place / "proof").write_text("yes")
    (door.acme / "secret").write_text("no")
    async with calling(base_url=f"http://127.0.0.1:{door.plain}", headers={"Host": DOMAIN}) as client:
        assert (await client.get("/.well-known/acme-challenge/proof")).text == "yes"
        assert (await client.get("/.well-known/acme-challenge/..%2f..%2fsecret")).status_code != 200
        assert (await client.get("/.well-known/acme-challenge/other")).status_code == 404


async def test_every_answer_says_to_stay_on_tls_once(visitor: httpx.AsyncClient) -> None:
    hsts = ("strict-transport-security", "max-age=63072000; includeSubDomains")
    for path in ("/health", "/inbox", "/auth/me", "/nothing", "/metrics"):
        answer = await visitor.get(path)
        assert [pair for pair in answer.headers.multi_items() if pair[0] == hsts[0]] == [hsts], path
        assert answer.headers.get("server") == "nginx"  # and no version
        assert len(answer.headers.get_list("x-request-id")) == 1


OLD, NEW = ("TLSv1", "TLSv1_1"), ("TLSv1_2", "TLSv1_3")


@pytest.mark.parametrize("version", [*OLD, *NEW])
def test_only_tls_1_2_and_1_3_are_spoken(door: Door, version: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")  # else this end would refuse the old ones
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    said = "TLSV1_ALERT_PROTOCOL_VERSION" if version in OLD else version.replace("_", ".")
    assert greeted(door, context, DOMAIN) == said


@pytest.mark.parametrize("name", [None, "evil.test", "127.0.0.1"])
def test_who_asks_for_no_name_of_ours_sees_no_certificate(door: Door, name: str | None) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    assert greeted(door, context, name) == "TLSV1_UNRECOGNIZED_NAME"
    assert greeted(door, context, f"aurora.{HOTELS}") == "TLSv1.3"


def greeted(door: Door, context: ssl.SSLContext, name: str | None) -> str | None:
    """Which TLS is spoken after a handshake, or the alert by which it is refused."""
    try:
        line = socket.create_connection(("127.0.0.1", door.tls))
        with line, context.wrap_socket(line, server_hostname=name) as wrapped:
            return wrapped.version()
    except ssl.SSLError as error:
        return error.reason


async def test_a_socket_is_upgraded_and_a_guests_message_comes_through_it(
    door: Door, hotel_a: Hotel, guest: Guest
) -> None:
    where: dict[str, Any] = {"host": "127.0.0.1", "port": door.tls, "ssl": door.trust()}
    origin = {"origin": f"https://{DOMAIN}"}  # as a browser says, which the API compares with the Host it is told
    async with at_socket(f"https://{DOMAIN}", token_of(hotel_a.attendant), **where, **origin) as ear:
        await ear.hear("ready")
        await guest.writes("Chega pela porta da frente")
        assert await heard_by(ear, "message:new", "Chega pela porta da frente")


async def test_a_webhook_comes_in_and_one_too_large_for_the_api_is_refused_by_it(
    visitor: httpx.AsyncClient, hotel_a: Hotel, guest: Guest
) -> None:
    raw = json.dumps(guest.body(guest.message())).encode()
    answer = await visitor.post(WEBHOOK, content=raw, headers=signature(raw, hotel_a.secret))
    assert answer.status_code == 200
    large = b" " * (3 * MEGABYTE + 1)
    answer = await visitor.post(WEBHOOK, content=large, headers=signature(large, hotel_a.secret))
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


async def test_a_large_file_goes_up_and_comes_down(visitor: httpx.AsyncClient, hotel_a: Hotel) -> None:
    visitor.headers.update(bearer(token_of(hotel_a.attendant)))
    content = b"%PDF-1.7\n" + b"x" * (30 * MEGABYTE)
    made = await visitor.post("/api/media", files={"file": ("folheto.pdf", content, "application/pdf")})
    assert made.status_code == 201, made.text
    got = await visitor.get(f"/api/media/{made.json()['id']}")
    assert got.content == content


async def test_who_guesses_is_counted_by_the_true_address_and_written_down_with_it(
    door: Door, hotel_a: Hotel, as_owner: Sql
) -> None:
    whence = address()
    async with door.visitor(whence) as client:
        tries = [
            (await login(client, f"{fresh('x')}@a.example", "errada-errada", hotel_a.slug, **spoofed(number)))
            for number in range(6)
        ]
    assert [answer.status_code for answer in tries] == [401] * 5 + [429]
    assert tries[-1].json()["code"] == "rate_limited"
    [row] = await as_owner("SELECT count(*) AS lines FROM audit_log WHERE ip = $1", whence)
    assert row["lines"] == 5


def spoofed(number: int) -> dict[str, str]:
    """Another address each time."""
    return {**SPOOFED, "X-Forwarded-For": f"81.9.9.{number}", "X-Real-IP": f"81.9.9.{number}"}


async def test_pages_are_compressed_and_what_is_secret_is_not(visitor: httpx.AsyncClient, hotel_a: Hotel) -> None:
    for path in ("/inbox", "/inbox/chat.css", "/docs"):
        answer = await visitor.get(path)
        assert (answer.status_code, answer.headers.get("content-encoding")) == (200, "gzip"), path
    tag = (await visitor.get("/inbox")).headers["etag"]
    assert (await visitor.get("/inbox", headers={"If-None-Match": tag})).status_code == 304
    visitor.headers.update(bearer(token_of(hotel_a.attendant)))
    codes = await visitor.get("/api/meta-errors")
    assert len(codes.content) > 1000
    assert "content-encoding" not in codes.headers


async def test_a_name_below_the_hotels_domain_names_the_hotel(door: Door, hotel_a: Hotel) -> None:
    async with door.visitor(address(), f"{hotel_a.slug}.{HOTELS}") as client:
        answer = await login(client, hotel_a.logins["attendant"], PASSWORD)
    assert (answer.status_code, answer.json()["tenant"]["slug"]) == (200, hotel_a.slug)


async def test_with_the_api_away_people_are_told_so_and_when_to_come_again() -> None:
    with doors.opened("http://127.0.0.1:9") as door:
        async with door.visitor() as client:
            answer = await client.get("/api/contacts")
        doors.until(lambda: "connect() failed" in door.log.read_text())
    assert (answer.status_code, answer.json()["code"]) == (502, "unavailable")
    assert answer.headers["Retry-After"] == "5"
