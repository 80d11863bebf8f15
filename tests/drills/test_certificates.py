"""certbot with ops/certs, nginx with ops/nginx, pebble as the authority: certificates come, and come in time."""

import os
import shutil
import socket
import ssl
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509

from ops.dev import processes
from tests.drills import door as doors
from tests.drills.authority import NEEDED, Authority, signing
from tests.drills.door import DOMAIN, PROGRAM, USER, Door, until

MISSING = [*NEEDED, *([] if PROGRAM else ["nginx"])]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"missing, apt-get install them: {' '.join(MISSING)}")
CERTS = Path(__file__).parents[2] / "ops" / "certs"


class Site:
    """A door that has its first real certificate, and who signed it. `own`: what was served before."""

    def __init__(self, door: Door, authority: Authority) -> None:
        self.door, self.authority, self.own = door, authority, served(door)
        self.first = renew(self)
        assert self.first.returncode == 0, self.first.stderr


@contextmanager
def certified(days: int) -> Iterator[Site]:
    """nginx with nothing behind it: certificates need no API. A turn of certbot takes 3 seconds: tests share."""
    opened = doors.opened("http://127.0.0.1:9")
    with opened as door, signing(door.folder / "authority", door.plain, days) as authority:
        yield Site(door, authority)


@pytest.fixture(scope="module")
def fresh() -> Iterator[Site]:
    """Signed for a year: not due."""
    with certified(365) as site:
        yield site


@pytest.fixture(scope="module")
def due() -> Iterator[Site]:
    """Signed for a week, of which certbot says at once that it is due."""
    with certified(7) as site:
        yield site


@pytest.fixture
def door() -> Iterator[Door]:
    """nginx as it starts the first time."""
    with doors.opened("http://127.0.0.1:9") as door:
        yield door


def renew(site: Site, **env: str) -> subprocess.CompletedProcess[str]:
    """One turn of what runs in certbot's container."""
    user = processes.as_user(USER if os.geteuid() == 0 else None)
    command = [site.door.folder / "bring" / "renew", "once"]
    return subprocess.run(command, env=places(site, **env), capture_output=True, text=True, timeout=60, **user)


def places(site: Site, **env: str) -> dict[str, str]:
    """Its environment, with folders that are there and its own."""
    door, authority = site.door, site.authority
    kept = door.folder / "letsencrypt"
    if not kept.exists():
        kept.mkdir()
        shutil.copytree(CERTS, door.folder / "bring")
        for path in (kept, door.folder / "authority", authority.folder / "cert.pem"):
            path.chmod(0o755)
            if os.geteuid() == 0:
                shutil.chown(path, USER)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(kept),
        "DOMAIN": DOMAIN,
        "ACME_EMAIL": "root@platform.example",
        "ACME_SERVER": authority.url,
        "REQUESTS_CA_BUNDLE": str(authority.folder / "cert.pem"),
        "KEPT": str(kept),
        "ACME": str(door.acme),
        "CERTS": str(door.certs),
        "WORK": str(kept / "work"),
        **env,
    }


def served(door: Door, name: str = DOMAIN) -> x509.Certificate:
    """The certificate that a stranger is shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    line = socket.create_connection(("127.0.0.1", door.tls))
    with line, context.wrap_socket(line, server_hostname=name) as wrapped:
        return x509.load_der_x509_certificate(wrapped.getpeercert(binary_form=True) or b"")


def lying(door: Door) -> x509.Certificate:
    """The certificate that lies where nginx reads it."""
    return x509.load_pem_x509_certificate((door.certs / "fullchain.pem").read_bytes())


def names(certificate: x509.Certificate) -> set[str]:
    """Whom it is for."""
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return set(found.value.get_values_for_type(x509.DNSName))


def is_served(door: Door, certificate: x509.Certificate) -> None:
    """It is what strangers get, soon."""
    until(lambda: served(door) == certificate)


def test_nginx_starts_with_a_certificate_of_its_own_that_is_soon_over(door: Door) -> None:
    first = served(door)
    assert first.issuer == first.subject
    assert names(first) == {DOMAIN, doors.HOTELS, f"*.{doors.HOTELS}"}
    assert (first.not_valid_after_utc - first.not_valid_before_utc).days == 7
    assert stat.S_IMODE((door.certs / "privkey.pem").stat().st_mode) == 0o600


def test_the_first_real_one_is_asked_for_and_served(fresh: Site) -> None:
    door = fresh.door
    is_served(door, lying(door))
    assert "Pebble" in served(door).issuer.rfc4514_string()
    assert served(door) != fresh.own
    assert DOMAIN in names(served(door))
    assert stat.S_IMODE((door.certs / "privkey.pem").stat().st_mode) == 0o600
    assert sorted(path.name for path in door.certs.iterdir()) == ["fullchain.pem", "privkey.pem"]


def test_one_that_is_not_due_is_left_alone_but_a_lost_one_is_brought_again(fresh: Site) -> None:
    before = lying(fresh.door)
    (fresh.door.certs / "fullchain.pem").unlink()
    done = renew(fresh, CERT_DOMAINS=",".join(names(before) - {DOMAIN}))
    assert (done.returncode, lying(fresh.door)) == (0, before), done.stderr


def test_a_hotels_name_is_added_to_it(fresh: Site) -> None:
    hotels = {f"aurora.{doors.HOTELS}", f"brisa.{doors.HOTELS}"}
    done = renew(fresh, CERT_DOMAINS=",".join(hotels))
    assert (done.returncode, names(lying(fresh.door))) == (0, {DOMAIN, *hotels}), done.stderr
    is_served(fresh.door, lying(fresh.door))


def test_one_that_is_due_is_renewed_and_served(due: Site) -> None:
    before = lying(due.door)
    is_served(due.door, before)
    done = renew(due)
    assert (done.returncode, "brought a certificate" in done.stderr) == (0, True), done.stderr
    assert lying(due.door) != before
    is_served(due.door, lying(due.door))


def test_a_failure_leaves_the_old_one_served_and_says_what_to_look_at(due: Site) -> None:
    before = lying(due.door)
    is_served(due.door, before)
    due.authority.lead(DOMAIN, "127.0.0.3")  # where nobody listens
    done = renew(due)
    due.authority.lead(DOMAIN, "127.0.0.1")
    assert done.returncode == 1
    assert f"no certificate for {DOMAIN}: certbot says above why. Does each name lead to this host" in done.stderr
    assert (lying(due.door), served(due.door)) == (before, before)


def test_a_name_that_leads_elsewhere_does_not_keep_the_others_from_renewal(due: Site) -> None:
    before = lying(due.door)
    due.authority.lead("lost.test", "127.0.0.3")
    done = renew(due, CERT_DOMAINS="lost.test")
    assert (done.returncode, names(lying(due.door)), lying(due.door) != before) == (1, {DOMAIN}, True), done.stderr


def test_a_key_that_does_not_fit_is_not_taken(door: Door) -> None:
    """As it is for a moment between two files, or for good when somebody copies the wrong one."""
    first, good = served(door), (door.certs / "privkey.pem").read_bytes()
    other = subprocess.run(
        ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], capture_output=True
    ).stdout
    (door.certs / "privkey.pem").write_bytes(other)
    until(lambda: "goes on with the old ones" in door.log.read_text())
    assert served(door) == first
    (door.certs / "privkey.pem").write_bytes(good)
    assert served(door) == first


def test_it_is_tried_again_for_ever_and_ends_when_told_to(fresh: Site) -> None:
    env = places(fresh, ACME_SERVER="https://127.0.0.1:9/dir", CERT_DOMAINS="new.test", RETRY_SECONDS="1")
    log, user = fresh.door.folder / "renew.log", USER if os.geteuid() == 0 else None
    child = processes.start([fresh.door.folder / "bring" / "renew"], log, env, user)
    until(lambda: log.read_text().count("What is served stays; next try in 1 seconds") == 2, 30)
    processes.stop([child])
    assert child.returncode == 0
