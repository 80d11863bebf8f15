"""Who sees a file that goes out: who sees a message that carries it, and until one does, who uploaded it."""

from uuid import UUID

import pytest

from tests.people import Sql
from tests.system import System
from tests.test_media import PNG
from tests.test_media_doors import upload
from tests.test_visibility import OWN, SEEN, Desk, furnished


@pytest.fixture(scope="module")
async def desk(system: System) -> Desk:
    return await furnished(system)


async def _sent(desk: Desk, kind: str) -> str:
    """The id of a picture that the hotel's admin uploaded and sent to that customer."""
    file = (await upload(desk.hotel.admin, PNG)).json()["id"]
    url = f"/api/conversations/{desk.keys[kind]}/messages"
    answer = await desk.hotel.admin.post(url, json={"type": "image", "mediaId": file})
    assert answer.status_code == 201, answer.text
    return str(file)


@pytest.mark.parametrize("policy", SEEN)
async def test_a_file_that_went_out_is_seen_with_a_message_that_carries_it(desk: Desk, policy: str) -> None:
    await desk.restrict(policy)
    files = {kind: await _sent(desk, kind) for kind in desk.keys}
    for door in ("", "/thumbnail"):
        seen = {k: (await desk.hotel.attendant.get(f"/api/media/{files[k]}{door}")).status_code for k in files}
        assert seen == {kind: 200 if kind in SEEN[policy] else 404 for kind in files}
        assert (await desk.hotel.admin.get(f"/api/media/{files['others']}{door}")).status_code == 200


async def test_a_file_that_nobody_has_sent_is_its_uploaders(desk: Desk) -> None:
    await desk.restrict(OWN)
    bruno, key = desk.hotel.attendant, desk.keys["nobodys"]
    mine, hers = [(await upload(person, PNG)).json()["id"] for person in (bruno, desk.eva)]
    assert [(await bruno.get(f"/api/media/{file}")).status_code for file in (mine, hers)] == [200, 404]
    url = f"/api/conversations/{key}/messages"
    sent = [await bruno.post(url, json={"type": "image", "mediaId": file}) for file in (hers, mine)]
    assert [answer.status_code for answer in sent] == [422, 201]
    assert sent[0].json()["errors"][0]["pointer"] == "/mediaId"
    assert (await desk.eva.get(f"/api/media/{mine}")).status_code == 200


@pytest.mark.parametrize(("kind", "seen"), [("nobodys", 200), ("others", 404)])
async def test_a_card_of_a_carousel_is_seen_with_its_message(
    desk: Desk, as_owner: Sql, kind: str, seen: int
) -> None:
    await desk.restrict(OWN)
    file = (await upload(desk.hotel.admin, PNG)).json()["id"]
    await as_owner(
        "INSERT INTO message_files (tenant_id, message_id, media_id) VALUES ($1, $2, $3)",
        *(UUID(key) for key in (desk.hotel.id, desk.messages[kind], file)),
    )
    assert (await desk.hotel.attendant.get(f"/api/media/{file}")).status_code == seen
