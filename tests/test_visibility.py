"""Who sees which conversation: each policy at every door, in SQL, at the socket as it sends and as it resumes."""

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from crm.app import doors
from crm.core.http import Door
from ops.dev.home import Home
from tests.people import Sql
from tests.sockets import Ear, listening, token_of
from tests.system import Guest, Hotel, System, eventually, unique_phone
from tests.test_doors import knock, named
from tests.test_media import held

OWN, DEPARTMENT = "own_and_unassigned", "own_unassigned_and_department"
WAITS = "SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'departments'::regclass"
# Bruno's, nobody's, Eva's in Bruno's department, Eva's in another one: what Bruno sees of the four.
SEEN = {
    "all": {"own", "nobodys", "colleagues", "others"},
    DEPARTMENT: {"own", "nobodys", "colleagues"},
    OWN: {"own", "nobodys"},
}


class Desk:
    """A hotel with Bruno and Eva, and one conversation of each kind."""

    def __init__(self, hotel: Hotel, eva: httpx.AsyncClient) -> None:
        self.hotel, self.eva = hotel, eva
        self.guests: dict[str, Guest] = {}
        self.keys: dict[str, str] = {}
        self.messages: dict[str, str] = {}

    async def restrict(self, to: str) -> None:
        answer = await self.hotel.admin.patch("/api/tenant", json={"settings": {"visibility": to}})
        assert answer.status_code == 200, answer.text

    async def add(self, kind: str, who: str | None, department: str | None) -> None:
        guest = Guest(self.hotel, unique_phone())
        self.guests[kind] = guest
        self.messages[kind] = (await guest.writes(f"de {kind}"))["id"]
        self.keys[kind] = (await guest.conversation())["id"]
        body = {"userId": who, "departmentId": department}
        await self.hotel.admin.post(f"/api/conversations/{self.keys[kind]}/assign", json=body)

    async def arrives(self, kind: str, text: str = "oi", node: dict[str, Any] | None = None) -> None:
        """Their customer writes; the attendant may not see it."""
        guest = self.guests[kind]
        sent = guest.message(node) if node else guest.message(text=text)
        assert (await self.hotel.webhook(guest.body(sent))).status_code == 200

    async def listed(self, **query: Any) -> set[str]:
        page = (await self.hotel.attendant.get("/api/conversations", params=query)).json()
        assert page["pagination"]["total"] == len(page["data"])
        return {kind for kind, key in self.keys.items() if key in {item["id"] for item in page["data"]}}


@pytest.fixture(scope="module")
async def desk(system: System) -> Desk:
    return await furnished(system)


async def furnished(system: System) -> Desk:
    """A desk with all four."""
    hotel = await system.hotel("Reserved")
    person = {
        "name": "Eva",
        "email": f"eva@{hotel.slug}.example",
        "role": "ATTENDANT",
        "password": "eva-of-the-night",
    }
    eva = (await hotel.admin.post("/api/users", json=person)).json()["user"]["id"]
    bruno = (await hotel.attendant.get("/auth/me")).json()["user"]["id"]
    made = await hotel.admin.post("/api/departments", json={"name": "Recepção", "memberIds": [bruno, eva]})
    desk = Desk(hotel, await system.sign_in(person["email"], person["password"], hotel.slug))
    await desk.add("own", bruno, None)
    await desk.add("nobodys", None, None)
    await desk.add("colleagues", eva, made.json()["id"])
    sales = await hotel.admin.post("/api/departments", json={"name": "Vendas", "memberIds": [eva]})
    await desk.add("others", eva, sales.json()["id"])
    return desk


@pytest.mark.parametrize("policy", SEEN)
async def test_the_list_its_total_and_its_filters_show_what_the_policy_lets_see(desk: Desk, policy: str) -> None:
    await desk.restrict(policy)
    assert await desk.listed() == SEEN[policy]
    assert await desk.listed(status="OPEN", unread="true") == SEEN[policy]
    assert await desk.listed(assignedTo="me") == {"own"}
    assert await desk.listed(assignedTo="none") == {"nobodys"}
    page = (await desk.hotel.admin.get("/api/conversations")).json()
    assert page["pagination"]["total"] == len(page["data"]) == 4
    assert (await desk.hotel.attendant.get("/api/unread")).json()["total"] == len(SEEN[policy])


async def test_what_is_taken_while_a_list_is_read_is_left_out_of_it(desk: Desk, home: Home) -> None:
    """The page's places are found by one statement and shown by another, which waits here for the departments."""
    await desk.restrict(OWN)
    people = (await desk.hotel.attendant.get("/api/people")).json()["data"]
    eva = next(person["id"] for person in people if person["name"] == "Eva")
    took = "UPDATE conversations SET assigned_to = $2 WHERE id = $1"
    owner = await asyncpg.connect(home.database_url("owner"))
    try:
        async with owner.transaction():
            await owner.execute("LOCK TABLE departments")
            asked = asyncio.create_task(desk.hotel.attendant.get("/api/conversations?status=OPEN"))
            await eventually(lambda: owner.fetchrow(WAITS))
            await owner.execute(took, desk.keys["nobodys"], eva)
        answer = await asked
    finally:
        await owner.execute(took, desk.keys["nobodys"], None)
        await owner.close()
    assert (answer.status_code, [item["id"] for item in answer.json()["data"]]) == (200, [desk.keys["own"]])


@pytest.mark.parametrize("policy", [OWN, DEPARTMENT])
async def test_pages_and_cursors_of_a_restricted_list_miss_and_repeat_nothing(desk: Desk, policy: str) -> None:
    await desk.restrict(policy)
    by_page = [
        (await desk.hotel.attendant.get("/api/conversations", params={"limit": 1, "page": number})).json()["data"]
        for number in range(1, len(SEEN[policy]) + 2)
    ]
    cursor, by_cursor = None, []
    while len(by_cursor) < 9:
        query = {"limit": 1, **({"cursor": cursor} if cursor else {})}
        page = (await desk.hotel.attendant.get("/api/conversations", params=query)).json()
        by_cursor += [item["id"] for item in page["data"]]
        if not (cursor := page["pagination"]["nextCursor"]):
            break
    assert by_cursor == [item["id"] for page in by_page for item in page]
    assert {kind for kind, key in desk.keys.items() if key in by_cursor} == SEEN[policy]


of_a_conversation = [
    door for door in doors if door.path.startswith("/api/conversations/{id}") and not door.path.endswith("/claim")
]
of_a_message = [door for door in doors if door.path.startswith("/api/messages/{id}")]


@pytest.mark.parametrize("door", [*of_a_conversation, *of_a_message], ids=named)
async def test_at_every_door_what_is_out_of_sight_is_not_there(desk: Desk, door: Door) -> None:
    await desk.restrict(OWN)
    ids = desk.messages if door in of_a_message else desk.keys
    for kind in ("others", "colleagues"):
        answer = await knock(desk.hotel.attendant, door, id=ids[kind])
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        seen = await knock(desk.hotel.admin, door, id=ids[kind]) if door.method == "GET" else None
        assert seen is None or seen.status_code == 200


async def test_who_loses_a_claim_is_told_who_has_it_though_it_is_hidden(desk: Desk) -> None:
    await desk.restrict(OWN)
    answer = await desk.hotel.attendant.post(f"/api/conversations/{desk.keys['others']}/claim")
    assert (answer.status_code, answer.json()["assignedTo"]["name"]) == (409, "Eva")
    to = {"to": f"+{desk.guests['others'].wa_id}", "content": "Olá"}
    for url, body in (("/api/messages/send", to), ("/api/conversations", {"to": to["to"]})):
        answer = await desk.hotel.attendant.post(url, json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "already_assigned"), answer.text


async def _heard_of(ear: Ear, desk: Desk) -> set[str]:
    """From whom a message is heard, until the one that everybody hears."""
    found: set[str] = set()
    while "nobodys" not in found:
        key = (await ear.hear("message:new"))["data"]["conversation"]["id"]
        found |= {kind for kind in desk.keys if desk.keys[kind] == key}
    return found


@pytest.mark.parametrize("policy", SEEN)
async def test_a_socket_is_told_what_its_person_sees_and_resumes_to_the_same(desk: Desk, policy: str) -> None:
    await desk.restrict(policy)
    async with listening(desk.hotel.attendant) as ear:
        for kind in ("own", "colleagues", "others", "nobodys"):
            await desk.arrives(kind)
        assert await _heard_of(ear, desk) == SEEN[policy]
        await ear.say("resume", {"since": ear.ready["seq"]})
        assert await _heard_of(ear, desk) == SEEN[policy]


async def test_what_is_given_away_is_gone_from_the_screens_of_those_who_see_it_no_more(desk: Desk) -> None:
    await desk.restrict(OWN)
    eva = (await desk.eva.get("/auth/me")).json()["user"]["id"]
    await desk.add("given", None, None)
    async with listening(desk.hotel.attendant) as bruno, listening(desk.hotel.admin) as alice:
        for ear in (alice, bruno):
            await ear.say("conversation:join", desk.keys["given"])
            await ear.hear("conversation:joined")
        url = f"/api/conversations/{desk.keys['given']}"
        assert (await desk.hotel.attendant.post(f"{url}/assign", json={"userId": eva})).status_code == 200
        gone = await bruno.hear("conversation:gone")
        assert gone["data"] == {"conversationId": desk.keys["given"]}
        frames = [await alice.frame()]
        while sum(frame["event"] == "presence" for frame in frames) < 2:  # Bruno came, and went
            frames.append(await alice.frame())
        assert "conversation:gone" not in {frame["event"] for frame in frames}
        assert [len(frame["data"]["viewers"]) for frame in frames if frame["event"] == "presence"] == [2, 1]
        for event in ("typing", "conversation:join"):
            await bruno.say(event, {"conversationId": desk.keys["given"]})
            assert (await bruno.hear("error"))["data"]["code"] == "not_found"
        await desk.arrives("given", "segredo")
        assert "message:new" in {frame["event"] for frame in await _frames(alice, "segredo")}
        assert [frame["event"] for frame in await bruno.heard() if "segredo" in str(frame)] == []
    assert (await desk.hotel.attendant.get(url)).status_code == 404
    assert (await desk.eva.get(url)).status_code == 200


async def test_a_fresh_token_brings_what_its_person_sees_now(desk: Desk, as_owner: Sql) -> None:
    await desk.restrict("all")
    silently = "UPDATE tenants SET settings = settings || jsonb_build_object('visibility', $2::text) WHERE id = $1"
    async with listening(desk.hotel.attendant) as bruno, listening(desk.hotel.admin) as alice:
        await as_owner(silently, UUID(desk.hotel.id), OWN)
        await bruno.say("auth", {"token": token_of(desk.hotel.attendant)})
        await bruno.heard()
        await desk.arrives("others", "oculto")
        await _frames(alice, "oculto")
        assert [frame["event"] for frame in await bruno.heard() if "oculto" in str(frame)] == []


async def _frames(ear: Ear, text: str) -> list[dict[str, Any]]:
    found = []
    while not found or text not in str(found[-1]):
        found.append(await ear.frame())
    assert "conversation:gone" not in {frame["event"] for frame in found}
    return found


async def test_a_change_of_policy_or_department_brings_the_sockets_back(desk: Desk) -> None:
    await desk.restrict(DEPARTMENT)
    async with listening(desk.hotel.attendant) as ear:
        await desk.restrict(OWN)
        assert await ear.closed() == 1012
    async with listening(desk.hotel.attendant) as ear:
        made = (await desk.hotel.admin.get("/api/departments")).json()["data"][0]
        members = [person["id"] for person in made["members"] if person["name"] != "Bruno"]
        answer = await desk.hotel.admin.patch(f"/api/departments/{made['id']}", json={"memberIds": members})
        assert [person["name"] for person in answer.json()["members"]] == ["Eva"]
        assert await ear.closed() == 1012
    everybody = [person["id"] for person in made["members"]]
    await desk.hotel.admin.patch(f"/api/departments/{made['id']}", json={"memberIds": everybody})


async def test_an_unknown_policy_is_refused_by_name(desk: Desk) -> None:
    for wrong in ({"visibility": "nobody"}, {"reopenHours": -1}, {"reopenHours": "x"}):
        answer = await desk.hotel.admin.patch("/api/tenant", json={"settings": wrong})
        assert {error["pointer"] for error in answer.json()["errors"]} == {f"/settings/{next(iter(wrong))}"}


async def test_a_picture_of_a_hidden_conversation_is_not_there(desk: Desk, system: System) -> None:
    await desk.restrict(OWN)
    picture = await held(system, desk.hotel)
    async with listening(desk.hotel.admin) as alice:
        await desk.arrives("others", node={"type": "image", "image": {"mime_type": "image/png", "id": picture}})
        media = (await alice.hear("message:new"))["data"]["message"]["media"]["id"]

    async def fetched() -> bool:
        return (await desk.hotel.admin.get(f"/api/media/{media}")).status_code == 200

    await eventually(fetched)
    for door in ("", "/thumbnail"):
        assert (await desk.hotel.attendant.get(f"/api/media/{media}{door}")).status_code == 404


@pytest.mark.parametrize(("kind", "seen"), [("own", True), ("others", False)])
async def test_unblocking_tells_those_who_see_the_conversation(desk: Desk, kind: str, seen: bool) -> None:
    await desk.restrict(OWN)
    url, key = f"/api/contacts/{await _contact(desk, kind)}", desk.keys[kind]
    await desk.hotel.admin.patch(url, json={"blocked": True})
    await desk.arrives(kind, f"bloqueada {kind}")
    await eventually(lambda: _kept(desk, kind))
    async with listening(desk.hotel.attendant) as bruno, listening(desk.hotel.admin) as alice:
        assert (await desk.hotel.attendant.patch(url, json={"blocked": False})).status_code == 200
        await desk.arrives("nobodys")
        assert (await _told_of(alice), await _told_of(bruno)) == ({key}, {key} if seen else set())
    shown = (await desk.hotel.admin.get(f"/api/conversations/{key}")).json()
    assert shown["lastMessage"]["preview"] == f"bloqueada {kind}"


async def _told_of(ear: Ear) -> set[str]:
    """Which conversations are told anew, until the message that everybody hears."""
    found: set[str] = set()
    while (frame := await ear.frame())["event"] != "message:new":
        found |= {frame["data"]["conversation"]["id"]} if frame["event"] == "conversation:updated" else set()
    return found


async def _contact(desk: Desk, kind: str) -> str:
    return str((await desk.hotel.admin.get(f"/api/conversations/{desk.keys[kind]}")).json()["contact"]["id"])


async def _kept(desk: Desk, kind: str) -> bool:
    url = f"/api/conversations/{desk.keys[kind]}/messages"
    return bool((await desk.hotel.admin.get(url)).json()["data"][0]["content"] == f"bloqueada {kind}")


async def test_a_merge_moves_also_what_the_merger_does_not_see(desk: Desk) -> None:
    await desk.restrict(OWN)
    gone, into = [await _contact(desk, kind) for kind in ("others", "own")]
    other = f"/api/conversations/{desk.keys['others']}"
    for one, to in ((gone, into), (into, gone)):  # Bruno does not see it and would get what comes next
        answer = await desk.hotel.attendant.post(f"/api/contacts/{one}/merge", json={"intoId": to})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert (await desk.hotel.admin.post(f"{other}/close")).status_code == 200
    async with listening(desk.hotel.attendant) as bruno, listening(desk.hotel.admin) as alice:
        answer = await desk.hotel.attendant.post(f"/api/contacts/{gone}/merge", json={"intoId": into})
        assert answer.status_code == 200, answer.text
        await desk.arrives("nobodys")
        heard = [await _told_of(ear) for ear in (alice, bruno)]
    moved = (await desk.hotel.admin.get(f"/api/conversations/{desk.keys['others']}")).json()
    assert moved["contact"]["id"] == into
    assert heard == [{desk.keys["own"], desk.keys["others"]}, {desk.keys["own"]}]
    assert (await desk.hotel.attendant.post(f"/api/contacts/{gone}/unmerge")).status_code == 200
    back = (await desk.hotel.admin.get(f"/api/conversations/{desk.keys['others']}")).json()
    assert back["contact"]["id"] == gone
    assert (await desk.hotel.admin.post(f"{other}/reopen")).status_code == 200


async def test_a_guest_of_a_hidden_conversation_is_deleted_by_nobody(desk: Desk) -> None:
    await desk.restrict(OWN)
    answer = await desk.hotel.attendant.delete(f"/api/contacts/{await _contact(desk, 'others')}")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


async def test_opening_again_beside_a_hidden_conversation_says_who_has_the_contact(system: System) -> None:
    desk = await furnished(system)
    again = {"settings": {"visibility": OWN, "reopenHours": 0}}
    assert (await desk.hotel.admin.patch("/api/tenant", json=again)).status_code == 200
    url = f"/api/conversations/{desk.keys['own']}"
    assert (await desk.hotel.attendant.post(f"{url}/close")).status_code == 200
    await desk.arrives("own")

    async def newer() -> str | None:
        found = (await desk.hotel.admin.get("/api/conversations?assignedTo=none")).json()["data"]
        return next((item["id"] for item in found if item["id"] != desk.keys["nobodys"]), None)

    eva = (await desk.eva.get("/auth/me")).json()["user"]
    given = f"/api/conversations/{await eventually(newer)}/assign"
    assert (await desk.hotel.admin.post(given, json={"userId": eva["id"]})).status_code == 200
    refused = await desk.hotel.attendant.post(f"{url}/reopen")
    assert (refused.status_code, refused.json()["code"]) == (409, "already_assigned")
    assert refused.json()["assignedTo"] == {"id": eva["id"], "name": "Eva"}
