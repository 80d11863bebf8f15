"""The hotels of a torture, made over the API, with numbers that the fake Meta knows."""

from typing import Any

import httpx

from ops.torture.books import Books, Hotel, Person
from ops.torture.rig import ROOT_EMAIL, ROOT_PASSWORD, Rig

_PASSWORD = "torture-people-1"


def found(rig: Rig, books: Books, secret: str, hotels: int, people: int) -> None:
    """So many hotels, each with a number, an attendant and customers of its own."""
    with httpx.Client(base_url=rig.urls[0], timeout=20, trust_env=False) as http:
        root = _signed_in(http, ROOT_EMAIL, ROOT_PASSWORD)
        for number in range(hotels):
            hotel = _found_one(http, root, number)
            hotel.people = [Person(number, f"5548{number + 1}{one:07d}") for one in range(people)]
            books.hotels.append(hotel)
            _register(rig, hotel, secret, rig.urls[number % 2])


def _found_one(http: httpx.Client, root: dict[str, str], number: int) -> Hotel:
    slug, account = f"hotel-{number}", f"2{number:014d}"
    admin = f"admin@{slug}.example"
    new = {"name": f"Hotel {number}", "slug": slug, "email": admin, "adminPassword": _PASSWORD}
    tenant = _post(http, "/api/tenants", new, root)["tenant"]["id"]
    alice = _signed_in(http, admin, _PASSWORD, slug)
    hotel = Hotel(tenant, slug, f"1{number:014d}", account, _PASSWORD)
    bruno = {"name": "Bruno", "email": hotel.attendant, "role": "ATTENDANT", "password": _PASSWORD}
    _post(http, "/auth/register", bruno, alice)
    channel = {
        "whatsappPhoneNumberId": hotel.number_id,
        "whatsappBusinessAccountId": account,
        "whatsappAccessToken": f"token-of-{slug}",
    }
    _post(http, "/api/channels", channel, alice)
    return hotel


def _register(rig: Rig, hotel: Hotel, secret: str, url: str) -> None:
    number = {
        "phoneNumberId": hotel.number_id,
        "wabaId": hotel.waba_id,
        "displayPhoneNumber": "+55 48 3222-1000",
        "accessToken": f"token-of-{hotel.slug}",
        "appSecret": secret,
        "webhookUrl": f"{url}/webhooks/whatsapp",
        "window": "off",
    }
    with httpx.Client(trust_env=False) as http:
        _post(http, f"{rig.graph_url}/_fake/numbers", number, {})


def _signed_in(http: httpx.Client, email: str, password: str, slug: str | None = None) -> dict[str, str]:
    head = {"X-Tenant-Slug": slug} if slug else {}
    token = _post(http, "/auth/login", {"email": email, "password": password}, head)["accessToken"]
    return {"Authorization": f"Bearer {token}"}


def _post(http: httpx.Client, url: str, body: dict[str, Any], headers: dict[str, str]) -> Any:
    answer = http.post(url, json=body, headers=headers)
    answer.raise_for_status()
    return answer.json()
