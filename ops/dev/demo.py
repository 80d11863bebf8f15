"""The demo hotel, made over the public API as any client would make it."""

from contextlib import suppress
from typing import Any

import httpx

ROOT_EMAIL = "root@crm.example"
SLUG = "aurora"
TENANT = {
    "name": "Hotel Aurora",
    "slug": SLUG,
    "email": "contato@aurora.example",
    "adminName": "Alice",
    "adminEmail": "alice@aurora.example",
    "adminPassword": "aurora-demo-1",
}
ATTENDANT = {
    "name": "Bruno",
    "email": "bruno@aurora.example",
    "role": "ATTENDANT",
    "password": "aurora-demo-2",
}
CHANNEL = {
    "name": "Recepção",
    "whatsappPhoneNumberId": "106540352242922",
    "whatsappBusinessAccountId": "102290129340398",
    "whatsappAccessToken": "demo-token",
    "displayPhoneNumber": "+55 48 3222-1000",
}
LOGINS = {
    "tenantSlug": SLUG,
    "admin": {"email": TENANT["adminEmail"], "password": TENANT["adminPassword"]},
    "attendant": {"email": ATTENDANT["email"], "password": ATTENDANT["password"]},
}


Headers = dict[str, str]


class DemoError(Exception):
    """The API or the fake Meta refused a step; the text carries its answer."""


def seed(url: str, root_password: str) -> None:
    """Make the hotel, its attendant and its channel; what is there already is left as it is."""
    with httpx.Client(base_url=url, trust_env=False, timeout=20) as http:
        if _is_seeded(http):
            return
        root = _login(http, ROOT_EMAIL, root_password)
        _post(http, "/api/tenants", TENANT, root)
        alice = _login(http, TENANT["adminEmail"], TENANT["adminPassword"], {"X-Tenant-Slug": SLUG})
        _post(http, "/auth/register", ATTENDANT, alice)
        _post(http, "/api/channels", CHANNEL, alice)


def _is_seeded(http: httpx.Client) -> bool:
    """Another home that shares this database may have made it, under a super admin whose password we lack."""
    with suppress(DemoError):
        alice = _login(http, TENANT["adminEmail"], TENANT["adminPassword"], {"X-Tenant-Slug": SLUG})
        channels = http.get("/api/channels?limit=100", headers=alice)
        return channels.is_success and CHANNEL["whatsappPhoneNumberId"] in channels.text
    return False


def register(graph_url: str, url: str) -> None:
    """Tell the fake Meta about the channel's number; it forgets when it ends, so at each start."""
    number = {
        "phoneNumberId": CHANNEL["whatsappPhoneNumberId"],
        "wabaId": CHANNEL["whatsappBusinessAccountId"],
        "displayPhoneNumber": CHANNEL["displayPhoneNumber"],
        "verifiedName": TENANT["name"],
        "accessToken": CHANNEL["whatsappAccessToken"],
        "webhookUrl": f"{url}/webhooks/whatsapp",
    }
    with httpx.Client(base_url=graph_url, trust_env=False) as http:
        _post(http, "/_fake/numbers", number)


def _login(http: httpx.Client, email: str, password: str, headers: Headers | None = None) -> Headers:
    answer = _post(http, "/auth/login", {"email": email, "password": password}, headers)
    return {"Authorization": f"Bearer {answer.json()['accessToken']}"}


def _post(http: httpx.Client, path: str, body: dict[str, Any], headers: Headers | None = None) -> httpx.Response:
    """409 is fine: it says that the thing is there already."""
    try:
        answer = http.post(path, json=body, headers=headers)
    except httpx.TransportError as error:
        raise DemoError(f"POST {path}: {error!r}") from error
    if not answer.is_success and answer.status_code != httpx.codes.CONFLICT:
        raise DemoError(f"POST {path}: {answer.status_code} {answer.text}")
    return answer
