"""The installation's own door: ops/nginx as it stands, run by Debian's nginx in front of an API of the tests."""

import itertools
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil

from ops.dev import processes
from tests.system import calling

CONF = Path(__file__).parents[2] / "ops" / "nginx"
PROGRAM = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
DOMAIN, HOTELS = "crm.test", "hotels.test"
USER = "www-data"  # nobody special, as in the container
WEBHOOK, MEGABYTE = "/webhooks/whatsapp", 1024 * 1024
SPOOFED = {
    "X-Forwarded-For": "6.6.6.6, 7.7.7.7",
    "X-Real-IP": "6.6.6.6",
    "Forwarded": "for=6.6.6.6",
    "X-Forwarded-Host": "evil.test",
    "X-Forwarded-Proto": "http",
}
_numbers = itertools.count()


def address() -> str:
    """An address of the loopback that nobody came from yet."""
    number = next(_numbers)
    return f"127.1.{number // 250}.{number % 250 + 1}"


class Door:
    """A running nginx. `places` maps what ops/nginx says to where it is here."""

    def __init__(self, folder: Path, api: str, **env: str) -> None:
        self.folder, self.env = folder, env
        self.certs, self.colour, self.acme = (folder / name for name in ("certs", "colour", "acme"))
        self.plain, self.tls, self.inside = (processes.free_port() for _ in range(3))
        self.log, self.process = folder / "log", None
        for made in (self.certs, self.colour, self.acme):
            made.mkdir(exist_ok=True)
        self.point_at(api)
        self._copy()
        self.log.touch()  # nginx opens its standard output by name: it must be its own, as containers see to it
        for path in [folder, *folder.rglob("*")]:
            if os.geteuid() == 0:
                shutil.chown(path, USER)

    def _copy(self) -> None:
        """ops/nginx with this door's ports and folders, each replaced where it stands and nowhere missed."""
        shutil.copytree(CONF, self.folder / "nginx")
        here = {
            r"listen 8080": f"listen 127.0.0.1:{self.plain}",
            r"listen 8443": f"listen 127.0.0.1:{self.tls}",
            r"listen 127\.0\.0\.1:8081": f"listen 127.0.0.1:{self.inside}",
            r"(?<= )/tmp/crm/": f"{self.folder}/scratch/",
            r"(?<= )/certs/": f"{self.certs}/",
            r"(?<= )/colour/": f"{self.colour}/",
            r"(?<=root )/acme": str(self.acme),
        }
        for written, ours in here.items():
            found = 0
            for path in (self.folder / "nginx").glob("*.conf"):
                text, count = re.subn(written, ours, path.read_text())
                path.write_text(text)
                found += count
            assert found, written

    def point_at(self, api: str) -> None:
        """Write which API is behind, as ops/deploy does."""
        where = api.removeprefix("http://")
        (self.colour / "upstream.conf").write_text(f"server {where} max_fails=0;\n")

    def start(self) -> None:
        """As the container does, and wait until it answers."""
        env = {
            "PATH": f"{Path(PROGRAM or '').parent}:{os.environ['PATH']}",
            "DOMAIN": DOMAIN,
            "BASE_DOMAINS": HOTELS,
            "CERTS": str(self.certs),
            "COLOUR": str(self.colour),
            "SCRATCH": str(self.folder / "scratch"),
            "WATCH_SECONDS": "0.2",
            **self.env,
        }
        user = USER if os.geteuid() == 0 else None
        self.process = processes.start([self.folder / "nginx" / "start"], self.log, env, user)
        until(self.answers)

    def answers(self) -> bool:
        """Whether nginx itself is well, as the container's health check asks."""
        assert self.process
        assert self.process.poll() is None, self.log.read_text()
        try:
            return httpx.get(f"http://127.0.0.1:{self.inside}/", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        """nginx, and what `start` left running beside it, which would end with the container."""
        if self.process:
            processes.stop([self.process])
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGTERM)

    def reload(self) -> None:
        """As ops/deploy does: ask whether the files are good, and have them read."""
        assert self.process
        conf, program = self.folder / "nginx" / "nginx.conf", PROGRAM or ""
        for words in (["-t", "-q"], ["-s", "reload"]):
            asked = subprocess.run([program, "-e", "stderr", "-c", conf, *words], capture_output=True)
            assert asked.returncode == 0, asked.stderr

    def spooled(self) -> list[str]:
        """The files in which bodies lie now; their names are gone already, so the workers are looked at."""
        assert self.process
        workers = psutil.Process(self.process.pid).children(recursive=True)
        links = [link for worker in workers for link in Path(f"/proc/{worker.pid}/fd").iterdir()]
        targets = [os.readlink(link) for link in links if link.is_symlink()]
        return [target for target in targets if target.startswith(f"{self.folder}/scratch/body")]

    def lines(self) -> list[dict[str, Any]]:
        """The access log: what is no word of nginx' own must be JSON."""
        mine = [line for line in self.log.read_bytes().splitlines() if line.startswith(b"{")]
        return [json.loads(line) for line in mine]

    def trust(self) -> ssl.SSLContext:
        """Who trusts the certificate that lies there now, and no other."""
        return ssl.create_default_context(cafile=str(self.certs / "fullchain.pem"))

    def visitor(self, address: str = "127.0.0.1", name: str = DOMAIN, **options: Any) -> httpx.AsyncClient:
        """A client of https://DOMAIN who comes from this address of the loopback."""
        transport = _Here(
            self.tls, verify=self.trust(), local_address=address, limits=httpx.Limits(max_connections=200)
        )
        return calling(base_url=f"https://{name}", transport=transport, **options)


class _Here(httpx.AsyncHTTPTransport):
    """The names of the tests are all at this port of the loopback."""

    def __init__(self, port: int, **options: Any) -> None:
        super().__init__(**options)
        self.port = port

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions = {**request.extensions, "sni_hostname": request.url.host}
        request.url = request.url.copy_with(host="127.0.0.1", port=self.port)
        return await super().handle_async_request(request)


@contextmanager
def opened(api: str, **env: str) -> Iterator[Door]:
    """A door in front of the API at this URL, until the end of the block."""
    folder = Path(tempfile.mkdtemp(prefix="crm-door-"))
    door = Door(folder, api, **env)
    try:
        door.start()
        yield door
    finally:
        door.stop()
        shutil.rmtree(folder, ignore_errors=True)


def until(check: Callable[[], Any], seconds: float = 10.0) -> Any:
    """What `check` answers as soon as it is true; fails loudly when it never is."""
    ends = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < ends, f"never came true: {check}"
        time.sleep(0.02)
    return found
