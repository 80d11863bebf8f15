"""Hotels: the platform makes, finds and stops them; an admin sets up the own one."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.system import PASSWORD, Hotel, System
from tests.visitors import fresh, login, pointers, told

_SHAPE = {
    "id", "slug", "name", "email", "status", "plan", "locale", "timezone", "settings", "trialEndsAt", "createdAt",
}  # fmt: skip


def _new(**more: Any) -> dict[str, Any]:
    slug = fresh("casa")
    return {"name": "Casa", "slug": slug, "email": f"dono@{slug}.example", **more}


async def _made(root: httpx.AsyncClient, **more: Any) -> dict[str, Any]:
    answer = await root.post("/api/tenants", json=_new(**more))
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def _all(root: httpx.AsyncClient, **params: Any) -> list[str]:
    """The slugs of a filtered list, page after page by cursor."""
    found: list[str] = []
    while True:
        body = (await root.get("/api/tenants", params=params)).json()
        found += [tenant["slug"] for tenant in body["data"]]
        if body["pagination"]["nextCursor"] is None:
            return found
        params["cursor"] = body["pagination"]["nextCursor"]


async def test_a_new_hotel_is_on_trial_for_fourteen_days_and_its_admin_must_change_the_password(
    root: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    made = await _made(root)
    tenant = made["tenant"]
    assert made.keys() == {"tenant", "admin", "temporaryPassword"}
    assert tenant.keys() == _SHAPE
    assert made["admin"].keys() == {"id", "email"}
    assert (tenant["status"], tenant["timezone"], tenant["locale"]) == ("TRIAL", "America/Sao_Paulo", "pt-BR")
    ends, made_at = (datetime.fromisoformat(tenant[name]) for name in ("trialEndsAt", "createdAt"))
    assert ends - made_at == timedelta(days=14)
    signed = (await login(stranger, tenant["email"], made["temporaryPassword"], tenant["slug"])).json()
    assert (signed["user"]["id"], signed["user"]["role"]) == (made["admin"]["id"], "TENANT_ADMIN")
    assert signed["user"]["mustChangePassword"] is True


async def test_a_given_password_is_not_shown_and_need_not_change(
    root: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    made = await _made(root, adminName="Ana", adminEmail="Ana@Casa.Example", adminPassword=PASSWORD, plan="basic")
    assert (made.keys(), made["tenant"]["plan"]) == ({"tenant", "admin"}, "basic")
    assert made["admin"]["email"] == "ana@casa.example"
    user = (await login(stranger, "ANA@casa.example", PASSWORD, made["tenant"]["slug"])).json()["user"]
    assert (user["name"], user["email"], user["mustChangePassword"]) == ("Ana", "ana@casa.example", False)


async def test_what_may_be_left_out_may_be_null(root: httpx.AsyncClient) -> None:
    made = await _made(root, **dict.fromkeys(("adminName", "adminEmail", "adminPassword", "plan")))
    assert (made["tenant"]["plan"], made["admin"]["email"]) == ("trial", made["tenant"]["email"])


async def test_a_slug_belongs_to_one_hotel_and_the_second_learns_whose(root: httpx.AsyncClient) -> None:
    new = _new()
    answers = await asyncio.gather(*(root.post("/api/tenants", json=new) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]
    made = next(answer.json()["tenant"]["id"] for answer in answers if answer.status_code == 201)
    lost = [answer.json() for answer in answers if answer.status_code == 409]
    assert {(problem["code"], problem["existingId"]) for problem in lost} == {("conflict", made)}


@pytest.mark.parametrize(
    "slug",
    [
        "www",
        "api",
        "app",
        "admin",
        "platform",
        "",
        "Casa",
        "casa_1",
        "-casa",
        "casa-",
        "ca.sa",
        "ç",
        "a" * 64,
        "casa\n",
    ],
)
async def test_a_reserved_or_malformed_slug_is_refused(root: httpx.AsyncClient, slug: str) -> None:
    assert pointers(await root.post("/api/tenants", json=_new(slug=slug))) == {"/slug"}


async def test_an_email_with_a_line_break_is_refused(root: httpx.AsyncClient) -> None:
    answer = await root.post(
        "/api/tenants", json=_new(email="dono@casa.example\n", adminEmail="ana@casa.example\n")
    )
    assert pointers(answer) == {"/email", "/adminEmail"}


async def test_the_list_is_searched_by_name_and_slug_and_filtered_by_status(root: httpx.AsyncClient) -> None:
    word = fresh("busca")
    by_name = (await _made(root, name=f"Pousada {word.upper()} Azul"))["tenant"]
    by_slug = (await _made(root, slug=f"x-{word}-x"))["tenant"]
    await root.post(f"/api/tenants/{by_slug['id']}/suspend")
    assert await _all(root, search=word) == [by_slug["slug"], by_name["slug"]]
    assert await _all(root, search=word, status="SUSPENDED") == [by_slug["slug"]]
    assert await _all(root, search=word, status="TRIAL") == [by_name["slug"]]
    assert pointers(await root.get("/api/tenants?status=OPEN&foo=1")) == {"/status", "/foo"}


async def test_pages_and_cursors_walk_the_same_list(root: httpx.AsyncClient) -> None:
    word = fresh("pagina")
    slugs = [(await _made(root, slug=f"{word}-{n}"))["tenant"]["slug"] for n in range(5)][::-1]
    first = (await root.get("/api/tenants", params={"search": word, "limit": 2})).json()
    cursor = first["pagination"].pop("nextCursor")
    assert first["pagination"] == {"page": 1, "limit": 2, "total": 5, "pages": 3}
    assert [tenant["slug"] for tenant in first["data"]] == slugs[:2]
    third = (await root.get("/api/tenants", params={"search": word, "limit": 2, "page": 3})).json()
    assert ([tenant["slug"] for tenant in third["data"]], third["pagination"]["nextCursor"]) == (slugs[4:], None)
    by_cursor = (await root.get("/api/tenants", params={"search": word, "limit": 2, "cursor": cursor})).json()
    assert by_cursor["pagination"].keys() == {"limit", "nextCursor"}
    assert await _all(root, search=word, limit=1) == slugs


async def test_what_like_takes_for_patterns_is_searched_literally(root: httpx.AsyncClient) -> None:
    word = fresh("literal")
    made = {sign: (await _made(root, name=f"{word} {sign}"))["tenant"]["slug"] for sign in ("%", "_", "\\", "x")}
    for sign in ("%", "_", "\\"):
        assert await _all(root, search=f"{word} {sign}") == [made[sign]]


async def test_the_platform_itself_is_no_hotel(root: httpx.AsyncClient) -> None:
    nil = "00000000-0000-0000-0000-000000000000"
    assert "platform" not in await _all(root, limit=100)
    assert told(await root.get(f"/api/tenants/{nil}")) == (404, "not_found")
    assert told(await root.patch(f"/api/tenants/{nil}", json={"name": "X"})) == (404, "not_found")
    assert told(await root.post(f"/api/tenants/{nil}/suspend")) == (404, "not_found")
    inside = {"X-Tenant-Slug": "platform"}
    new = {"name": "X", "email": "x@x.example", "role": "ATTENDANT"}
    assert told(await root.post("/api/users", json=new, headers=inside)) == (404, "tenant_not_found")


async def test_the_platform_reads_and_changes_a_hotel(root: httpx.AsyncClient) -> None:
    made = (await _made(root))["tenant"]
    change = {"name": "Casa Nova", "email": "Nova@casa.example", "plan": "pro"}
    changed = (await root.patch(f"/api/tenants/{made['id']}", json=change)).json()
    assert changed == {**made, "name": "Casa Nova", "email": "nova@casa.example", "plan": "pro"}
    assert (await root.get(f"/api/tenants/{made['id']}")).json() == changed
    assert pointers(await root.patch(f"/api/tenants/{made['id']}", json={"slug": "other"})) == {"/slug"}
    assert told(await root.get("/api/tenants/01890000-0000-7000-8000-000000000000")) == (404, "not_found")


async def test_a_stopped_hotel_is_refused_until_it_is_activated(system: System, root: httpx.AsyncClient) -> None:
    hotel = await system.hotel("Parado")
    for verb, status in (("suspend", "SUSPENDED"), ("cancel", "CANCELED")):
        moved = await root.post(f"/api/tenants/{hotel.id}/{verb}")
        assert (moved.status_code, moved.json()["status"]) == (200, status)
        assert told(await hotel.attendant.get("/api/conversations")) == (403, "tenant_suspended")
        assert (await root.post(f"/api/tenants/{hotel.id}/activate")).json()["status"] == "ACTIVE"
        assert (await hotel.attendant.get("/api/conversations")).status_code == 200


async def test_an_admin_sets_up_the_own_hotel(system: System) -> None:
    hotel = await system.hotel("Arrumado")
    before = (await hotel.admin.get("/api/tenant")).json()
    await hotel.admin.patch("/api/tenant", json={"settings": {"a": 1, "b": "ç"}})
    change = {"name": "Belo", "locale": "en", "timezone": "America/Manaus", "settings": {"a": 2}}
    after = (await hotel.admin.patch("/api/tenant", json=change)).json()
    assert before.keys() == _SHAPE
    assert after == {**before, **change, "settings": {"a": 2, "b": "ç"}}
    assert (await hotel.admin.get("/api/tenant")).json() == after


@pytest.mark.parametrize("zone", ["Marte/Olimpo", "", "../../etc/passwd", "/etc/localtime", "America", "a" * 65])
async def test_a_time_zone_must_exist(alice: httpx.AsyncClient, zone: str) -> None:
    assert pointers(await alice.patch("/api/tenant", json={"timezone": zone})) == {"/timezone"}


async def test_an_admin_changes_neither_plan_nor_status_nor_slug(alice: httpx.AsyncClient) -> None:
    answer = await alice.patch("/api/tenant", json={"plan": "pro", "status": "ACTIVE", "slug": "outro"})
    assert pointers(answer) == {"/plan", "/status", "/slug"}


async def test_attendants_stay_out_of_the_hotels_own_house(bruno: httpx.AsyncClient) -> None:
    answers = [await bruno.get("/api/tenant"), await bruno.patch("/api/tenant", json={"name": "X"})]
    answers += [await bruno.get("/api/tenant/audit"), await bruno.get("/api/tenants")]
    assert [told(answer) for answer in answers] == [(403, "forbidden")] * 4


async def test_admins_stay_out_of_the_platform(alice: httpx.AsyncClient, hotel_a: Hotel) -> None:
    answers = [await alice.get("/api/tenants"), await alice.post("/api/tenants", json=_new())]
    answers += [
        await alice.get(f"/api/tenants/{hotel_a.id}"),
        await alice.post(f"/api/tenants/{hotel_a.id}/activate"),
    ]
    assert [told(answer) for answer in answers] == [(403, "forbidden")] * 4


async def test_a_super_admin_must_say_in_which_hotel_to_act(root: httpx.AsyncClient, hotel_a: Hotel) -> None:
    assert told(await root.get("/api/tenant")) == (403, "forbidden")
    assert told(await root.get("/api/tenant", headers={"X-Tenant-Slug": "nowhere"})) == (404, "tenant_not_found")
    inside = await root.get("/api/tenant", headers={"X-Tenant-Slug": hotel_a.slug})
    assert inside.json()["id"] == hotel_a.id


async def test_settings_hold_64_kib_in_all_and_no_more(system: System) -> None:
    hotel = await system.hotel("Cheio")
    for name, status in (("one", 200), ("two", 422), ("one", 200)):
        answer = await hotel.admin.patch("/api/tenant", json={"settings": {name: "x" * 40_000}})
        assert answer.status_code == status, answer.text
