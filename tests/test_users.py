"""People of a hotel: registered, changed, shut out, given a new password."""

import asyncio
from typing import Any

import httpx
import pytest

from ops.dev.home import Home
from tests.held import holding
from tests.system import PASSWORD, Hotel, System, eventually
from tests.visitors import enter, fresh, login, me, pointers, refresh, told

_SHAPE = {"id", "email", "name", "role", "tenantId", "active", "mustChangePassword"}


def _new(**more: Any) -> dict[str, Any]:
    return {"name": "Lia", "email": f"{fresh('lia')}@aurora.example", "role": "ATTENDANT", **more}


@pytest.mark.parametrize("door", ["/auth/register", "/api/users"])
async def test_without_a_password_a_temporary_one_is_made_and_must_be_changed(
    stranger: httpx.AsyncClient, hotel_a: Hotel, door: str
) -> None:
    new = _new()
    made = await hotel_a.admin.post(door, json=new)
    body = made.json()
    assert (made.status_code, body.keys()) == (201, {"user", "temporaryPassword"})
    expected = {**new, "id": body["user"]["id"], "tenantId": hotel_a.id, "active": True, "mustChangePassword": True}
    assert body["user"] == expected
    tokens = await enter(stranger, new["email"], hotel_a.slug, body["temporaryPassword"])
    assert tokens["user"]["mustChangePassword"] is True
    change = {"currentPassword": body["temporaryPassword"], "newPassword": PASSWORD}
    stranger.headers["Authorization"] = f"Bearer {tokens['accessToken']}"
    assert (await stranger.post("/auth/change-password", json=change)).status_code == 204
    assert (await stranger.get("/auth/me")).json()["user"]["mustChangePassword"] is False


@pytest.mark.parametrize("door", ["/auth/register", "/api/users"])
async def test_a_given_password_is_not_shown_again(hotel_a: Hotel, door: str) -> None:
    made = await hotel_a.admin.post(door, json=_new(password=PASSWORD, role="TENANT_ADMIN"))
    assert (made.status_code, made.json().keys()) == (201, {"user"})
    assert (made.json()["user"]["role"], made.json()["user"]["mustChangePassword"]) == ("TENANT_ADMIN", False)
    assert PASSWORD not in made.text


async def test_an_email_counts_once_in_a_hotel_whatever_its_case(hotel_a: Hotel, hotel_b: Hotel) -> None:
    new = _new()
    made = (await hotel_a.admin.post("/api/users", json=new)).json()["user"]
    for door in ("/auth/register", "/api/users"):
        again = await hotel_a.admin.post(door, json={**new, "email": new["email"].upper()})
        assert (*told(again), again.json()["existingId"]) == (409, "conflict", made["id"])
    assert (await hotel_b.admin.post("/api/users", json=new)).status_code == 201


async def test_an_email_signs_in_whatever_its_case(stranger: httpx.AsyncClient, hotel_a: Hotel) -> None:
    name = fresh("lia")
    new = _new(email=f"{name}@AURORA.example", password=PASSWORD)
    made = (await hotel_a.admin.post("/api/users", json=new)).json()["user"]
    tokens = await enter(stranger, f"{name.upper()}@Aurora.Example", hotel_a.slug)
    assert (made["email"], tokens["user"]["email"]) == (f"{name}@aurora.example",) * 2


async def test_everything_wrong_with_a_new_person_is_named(hotel_a: Hotel) -> None:
    wrong = {"name": "", "email": "no-at", "role": "SUPER_ADMIN", "password": "short", "tenantId": hotel_a.id}
    answer = await hotel_a.admin.post("/api/users", json=wrong)
    assert pointers(answer) == {"/name", "/email", "/role", "/password", "/tenantId"}


async def test_attendants_neither_see_nor_make_people(bruno: httpx.AsyncClient, eva: dict[str, Any]) -> None:
    path = f"/api/users/{eva['id']}"
    answers = [await bruno.get("/api/users"), await bruno.post("/api/users", json=_new())]
    answers += [await bruno.post("/auth/register", json=_new()), await bruno.patch(path, json={"name": "X"})]
    answers += [await bruno.post(f"{path}/reset-password")]
    assert [told(answer) for answer in answers] == [(403, "forbidden")] * 5


async def test_the_list_shows_everybody_of_the_hotel_by_name_and_no_hash(system: System) -> None:
    hotel = await system.hotel("Listado")
    await hotel.admin.post("/api/users", json=_new(name="Zoe"))
    answer = await hotel.admin.get("/api/users?limit=100")
    people = answer.json()["data"]
    assert [(person["name"], person["role"]) for person in people] == [
        ("Alice", "TENANT_ADMIN"),
        ("Bruno", "ATTENDANT"),
        ("Zoe", "ATTENDANT"),
    ]
    assert all(person.keys() == _SHAPE for person in people)
    assert "$2b$" not in answer.text


async def test_the_list_has_pages_and_goes_on_by_cursor(system: System) -> None:
    hotel = await system.hotel("Paginas")
    for name in ("Zoe", "Bia", "Bia"):
        await hotel.admin.post("/api/users", json=_new(name=name))
    whole = (await hotel.admin.get("/api/users", params={"limit": 100})).json()["data"]
    assert [person["name"] for person in whole] == ["Alice", "Bia", "Bia", "Bruno", "Zoe"]
    first, second = [
        (await hotel.admin.get("/api/users", params={"limit": 2, "page": page})).json() for page in (1, 2)
    ]
    cursor = first["pagination"].pop("nextCursor")
    assert first == {"data": whole[:2], "pagination": {"page": 1, "limit": 2, "total": 5, "pages": 3}}
    after = (await hotel.admin.get("/api/users", params={"limit": 2, "cursor": cursor})).json()
    assert (after["data"], second["data"]) == (whole[2:4], whole[2:4])
    assert after["pagination"] == {"limit": 2, "nextCursor": second["pagination"]["nextCursor"]}
    last = await hotel.admin.get("/api/users", params={"limit": 2, "cursor": after["pagination"]["nextCursor"]})
    assert last.json() == {"data": whole[4:], "pagination": {"limit": 2, "nextCursor": None}}


async def test_name_role_and_active_are_changed_one_by_one(hotel_a: Hotel, eva: dict[str, Any]) -> None:
    path, expected = f"/api/users/{eva['id']}", dict(eva)
    for change in ({"name": "Eva Maria"}, {"role": "TENANT_ADMIN"}, {"active": False}, {"active": True}, {}):
        expected |= change
        answer = await hotel_a.admin.patch(path, json=change)
        assert (answer.status_code, answer.json()) == (200, expected)
        people = (await hotel_a.attendant.get("/api/people")).json()["data"]
        assert (eva["id"] in [person["id"] for person in people]) is expected["active"]
    for wrong in ({"role": "SUPER_ADMIN"}, {"email": "x@x.example"}, {"active": "no"}, {"name": ""}):
        assert pointers(await hotel_a.admin.patch(path, json=wrong)) == {f"/{next(iter(wrong))}"}


async def test_who_was_shut_out_comes_in_again_when_active(
    stranger: httpx.AsyncClient, hotel_a: Hotel, eva: dict[str, Any]
) -> None:
    path, before = f"/api/users/{eva['id']}", await enter(stranger, eva["email"], hotel_a.slug)
    await hotel_a.admin.patch(path, json={"active": False})
    assert told(await login(stranger, eva["email"], slug=hotel_a.slug)) == (401, "invalid_credentials")
    await hotel_a.admin.patch(path, json={"active": True})
    assert told(await me(stranger, before["accessToken"])) == (401, "unauthenticated")
    assert told(await refresh(stranger, before["refreshToken"])) == (401, "unauthenticated")
    await enter(stranger, eva["email"], hotel_a.slug)


async def test_a_changed_role_counts_after_the_next_refresh(
    stranger: httpx.AsyncClient, hotel_a: Hotel, eva: dict[str, Any]
) -> None:
    tokens = await enter(stranger, eva["email"], hotel_a.slug)
    await hotel_a.admin.patch(f"/api/users/{eva['id']}", json={"role": "TENANT_ADMIN"})
    renewed = (await refresh(stranger, tokens["refreshToken"])).json()
    assert renewed["user"]["role"] == "TENANT_ADMIN"
    stranger.headers["Authorization"] = f"Bearer {renewed['accessToken']}"
    assert (await stranger.get("/api/users")).status_code == 200


async def test_a_visiting_super_admin_gives_and_takes_roles(
    hotel_a: Hotel, root: httpx.AsyncClient, eva: dict[str, Any]
) -> None:
    visit, path = {"X-Tenant-Slug": hotel_a.slug}, f"/api/users/{eva['id']}"
    for role in ("TENANT_ADMIN", "ATTENDANT"):
        assert (await root.patch(path, json={"role": role}, headers=visit)).json()["role"] == role


@pytest.mark.parametrize("change", [{"active": False}, {"role": "ATTENDANT"}])
async def test_an_admin_cannot_lock_out_oneself(hotel_a: Hotel, change: dict[str, Any]) -> None:
    mine = (await hotel_a.admin.get("/auth/me")).json()["user"]["id"]
    refused = await hotel_a.admin.patch(f"/api/users/{mine}", json=change)
    assert pointers(refused) == {f"/{next(iter(change))}"}
    renamed = await hotel_a.admin.patch(f"/api/users/{mine}", json={"name": "Alice", "role": "TENANT_ADMIN"})
    assert renamed.status_code == 200
    assert (await hotel_a.admin.get("/auth/me")).status_code == 200


async def test_a_reset_password_ends_every_session_and_must_be_changed(
    stranger: httpx.AsyncClient, hotel_a: Hotel, eva: dict[str, Any]
) -> None:
    tokens = await enter(stranger, eva["email"], hotel_a.slug)
    reset = await hotel_a.admin.post(f"/api/users/{eva['id']}/reset-password")
    assert (reset.status_code, reset.json().keys()) == (200, {"temporaryPassword"})
    assert told(await me(stranger, tokens["accessToken"])) == (401, "unauthenticated")
    assert told(await refresh(stranger, tokens["refreshToken"])) == (401, "unauthenticated")
    assert told(await login(stranger, eva["email"], PASSWORD, hotel_a.slug)) == (401, "invalid_credentials")
    again = await enter(stranger, eva["email"], hotel_a.slug, reset.json()["temporaryPassword"])
    assert again["user"]["mustChangePassword"] is True


async def test_people_of_another_hotel_do_not_exist(
    hotel_a: Hotel, hotel_b: Hotel, root: httpx.AsyncClient
) -> None:
    theirs = (await hotel_b.attendant.get("/auth/me")).json()["user"]["id"]
    platforms = (await root.get("/auth/me")).json()["user"]["id"]
    for person in (theirs, platforms, "not-a-uuid"):
        path = f"/api/users/{person}"
        assert told(await hotel_a.admin.patch(path, json={"active": False})) == (404, "not_found")
        assert told(await hotel_a.admin.post(f"{path}/reset-password")) == (404, "not_found")
    assert (await hotel_b.attendant.get("/auth/me")).status_code == 200
    assert (await root.get("/auth/me")).status_code == 200


async def test_two_admins_who_take_each_others_role_at_once_leave_one(system: System, home: Home) -> None:
    """The first one's transaction is not yet committed; the second one is an admin still, as far as he knows."""
    hotel = await system.hotel("Duplo")
    made = await hotel.admin.post("/api/users", json=_new(password=PASSWORD, role="TENANT_ADMIN"))
    other = f"/api/users/{made.json()['user']['id']}"
    taken = "UPDATE users SET role = 'ATTENDANT' WHERE email = $1"
    async with holding(home, taken, hotel.logins["admin"]) as held:
        taking = asyncio.create_task(hotel.admin.patch(other, json={"role": "ATTENDANT"}))
        await eventually(held.waits)
    assert told(await taking) == (401, "unauthenticated")
    admin = await system.sign_in(made.json()["user"]["email"], PASSWORD, hotel.slug)
    assert (await admin.get("/auth/me")).json()["user"]["role"] == "TENANT_ADMIN"
