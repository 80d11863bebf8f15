"""An installation as ops/install leaves it, from a copy of this checkout, and its people."""

import json
import os
import shutil
import ssl
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import yaml

from ops.dev.processes import free_port
from tests.containers.engine import ROOT, Engine
from tests.system import calling, signature

DOMAIN, ROOT_EMAIL, VERSION = "crm.hotel.test", "root@hotel.test", "test"
PASSWORD = "corredor-verde-7431"  # not the tests' own: ops/install takes it for a placeholder
NAMES = Path("/run/containers/networks/aardvark-dns")  # podman's, the same for all engines of a host
NUMBER, ACCOUNT = "106540352242922", "102290129340398"
IMAGES = {
    f"{name.upper()}_IMAGE": f"localhost/standin:{name}" for name in ("postgres", "redis", "nginx", "certbot")
}
LIMITS = {
    "nofile": {"soft": 4096, "hard": 8192},
    "nproc": {"soft": 2048, "hard": 2048},
}  # runc may not raise them here


def free_subnets() -> list[str]:
    """Two that no network of this host has. A killed run leaves its bridges behind, and its containers' names too:
    another network of the same addresses would be told them.
    """
    taken = subprocess.run(["ip", "-4", "route"], capture_output=True, text=True, check=True).stdout
    taken += "".join(path.read_text() for path in NAMES.glob("*_*"))
    return [f"172.29.{n}.0/24" for n in range(21, 255) if f"172.29.{n}." not in taken][:2]


class Site:
    """`install()` runs ops/install; `compose` speaks to what it started."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine, self.folder = engine, folder
        self.http, self.https = free_port(), free_port()
        inside, outside = free_subnets()
        listed = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.split("\n")
        for name in filter(None, listed):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
        services = yaml.safe_load((folder / "compose.prod.yml").read_text())["services"]
        (folder / "limits.yml").write_text(
            json.dumps({"services": {name: {"ulimits": LIMITS} for name in services}})
        )
        wrapper = folder / "compose-here"
        wrapper.write_text('#!/bin/bash\nexec docker compose --ansi=never "${@:1:2}" -f limits.yml "${@:3}"\n')
        wrapper.chmod(0o755)
        engine.env |= IMAGES | {
            "COMPOSE": str(wrapper), "CRM_PROJECT": f"crm{os.getpid()}", "CRM_IMAGE": "localhost/crm",
            "VERSION": VERSION, "HTTP_PORT": f"127.0.0.1:{self.http}", "HTTPS_PORT": f"127.0.0.1:{self.https}",
            "CRM_SUBNET_INSIDE": inside, "CRM_SUBNET_OUTSIDE": outside,
            "ACME_SERVER": "http://127.0.0.1:9/none", "CRM_ADMIN_PASSWORD": PASSWORD, "WAIT_SECONDS": "90",
        }  # fmt: skip

    def install(self) -> str:
        """ops/install without a person; what it said."""
        told = ["--domain", DOMAIN, "--email", "ops@hotel.test", "--admin", ROOT_EMAIL]
        return self.engine.run("ops/install", *told, cwd=self.folder, stdin=subprocess.DEVNULL).stdout

    def compose(self, *words: str, check: bool = True) -> str:
        return self.engine.run("ops/compose", *words, cwd=self.folder, check=check).stdout

    def secret(self, name: str) -> str:
        return (self.folder / "secrets" / name).read_text().strip()

    def container(self, service: str) -> str:
        return self.compose("ps", "--all", "-q", service).strip()

    def inspected(self, service: str, template: str) -> str:
        return self.engine.run("podman", "inspect", "-f", template, self.container(service)).stdout.strip()

    def remove(self) -> None:
        self.compose("--profile", "*", "down", "-v", "-t", "5", check=False)

    @property
    def trust(self) -> ssl.SSLContext:
        """That certificate alone with which nginx began."""
        return ssl.create_default_context(cafile=str(self.folder / "state/certs/fullchain.pem"))

    def client(self, token: str | None = None, **headers: str) -> httpx.AsyncClient:
        """Through nginx, under the installation's name."""

        async def name(request: httpx.Request) -> None:
            request.extensions["sni_hostname"] = DOMAIN

        headers |= {"Host": DOMAIN} | ({"Authorization": f"Bearer {token}"} if token else {})
        url = f"https://127.0.0.1:{self.https}"
        return calling(base_url=url, verify=self.trust, headers=headers, event_hooks={"request": [name]})

    async def sign_in(self, email: str, slug: str | None = None) -> str:
        """An access token."""
        async with self.client(**({"X-Tenant-Slug": slug} if slug else {})) as client:
            answer = await client.post("/auth/login", json={"email": email, "password": PASSWORD})
            assert answer.status_code == 200, answer.text
            return str(answer.json()["accessToken"])

    async def hotel(self) -> str:
        """A hotel with one number; its admin's token."""
        new = {"name": "Aurora", "slug": "aurora", "email": "alice@hotel.test", "adminPassword": PASSWORD}
        async with self.client(await self.sign_in(ROOT_EMAIL)) as root:
            made = await root.post("/api/tenants", json={**new, "adminName": "Alice"})
            assert made.status_code == 201, made.text
        token = await self.sign_in("alice@hotel.test", "aurora")
        numbers = {"whatsappPhoneNumberId": NUMBER, "whatsappBusinessAccountId": ACCOUNT}
        async with self.client(token) as alice:
            made = await alice.post(
                "/api/channels", json={"name": "Recepção", "whatsappAccessToken": "token-of-nobody", **numbers}
            )
            assert made.status_code == 201, made.text
        return token

    def webhook(self, wa_id: str, wamid: str, text: str) -> dict[str, Any]:
        """What Meta posts when a guest writes: the words of httpx' `post`."""
        said = {
            "from": wa_id,
            "id": wamid,
            "timestamp": str(int(time.time())),
            "type": "text",
            "text": {"body": text},
        }
        value = {
            "messaging_product": "whatsapp",
            "metadata": {"display_phone_number": "554832221000", "phone_number_id": NUMBER},
            "contacts": [{"profile": {"name": "Dora"}, "wa_id": wa_id}],
            "messages": [said],
        }
        entry = [{"id": ACCOUNT, "changes": [{"field": "messages", "value": value}]}]
        raw = json.dumps({"object": "whatsapp_business_account", "entry": entry}).encode()
        return {"content": raw, "headers": signature(raw, self.secret("whatsapp_app_secret"))}
