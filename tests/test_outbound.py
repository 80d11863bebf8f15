"""The river out: order, what goes over the wire, and every way in which an attempt can end."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from crm import messages, outbound
from crm.core import rails, sql
from crm.core.config import Settings
from crm.core.rails import Rails
from ops.dev.home import Home
from tests.held import cut, holding
from tests.meta import accepted, becomes, now, script, send, status, told
from tests.people import Sql
from tests.system import Guest, Hotel, System, eventually, unique_number_id, unique_phone
from tests.test_media_doors import upload
from tests.test_media_look import picture

pytestmark = pytest.mark.usefixtures("brisk")

PERMANENT = [
    (400, 131030, "check_number"),
    (404, 132001, None),
    (400, 100, None),
]
TRANSIENT = [{"status": 500, "code": 131016}, {"status": 503}, {"status": 400, "code": 999, "isTransient": True}]
QUEUE = """INSERT INTO messages (tenant_id, conversation_id, direction, type, status, content, next_attempt_at,
                                 lease_until, attempts)
           VALUES ($1, $2, 'OUTBOUND', 'text', $3, $4, now(), now() + $5 * INTERVAL '1 second', $6)
           RETURNING id, conversation_id"""
FILE = """INSERT INTO messages (tenant_id, conversation_id, channel_id, direction, type, status, content,
                                next_attempt_at, media_id, media)
          SELECT c.tenant_id, c.id, c.channel_id, 'OUTBOUND', 'image', 'QUEUED', '[Imagem]',
              now(), f.id, crm.media_shown(f)
          FROM conversations AS c, media AS f
          WHERE c.tenant_id = $1 AND c.id = $2 AND f.tenant_id = $1 AND f.id = $3
          RETURNING tenant_id, conversation_id, id"""
HURRY = "UPDATE messages SET next_attempt_at = now() - INTERVAL '2 seconds' WHERE id = $1 RETURNING attempts"


@pytest.fixture
async def dora(system: System) -> Guest:
    """A guest who has just written to a hotel that has no other."""
    guest = Guest(await system.hotel("Vazia"), unique_phone())
    await guest.writes()
    return guest


async def _texts(system: System, hotel: Hotel) -> list[str]:
    return [taken["body"]["text"]["body"] for taken in await accepted(system, hotel)]


async def _row(
    as_owner: Sql, guest: Guest, state: str, text: str, lease: int = 0, attempts: int = 0
) -> dict[str, Any]:
    """An outbound row put straight into the table: nobody is woken for it."""
    conversation = (await guest.conversation())["id"]
    [row] = await as_owner(QUEUE, guest.hotel.id, conversation, state, text, lease, attempts)
    return {"id": str(row["id"]), "conversationId": str(row["conversation_id"])}


async def _tried(as_owner: Sql, message: dict[str, Any], attempts: int = 1) -> float:
    """Wait until so many attempts have ended; in how many seconds the next one is due."""
    query = """SELECT extract(EPOCH FROM next_attempt_at - now())::float8 AS due FROM messages
               WHERE id = $1 AND status = 'QUEUED' AND attempts = $2"""
    return float((await eventually(lambda: as_owner(query, message["id"], attempts)))[0]["due"])


async def test_twenty_quick_messages_arrive_in_order(dora: Guest, system: System) -> None:
    conversation = await dora.conversation()
    sent = [await send(dora.hotel, conversation, str(place)) for place in range(20)]
    await becomes(dora.hotel, sent[-1], "SENT", "DELIVERED", "READ")
    assert await _texts(system, dora.hotel) == [str(place) for place in range(20)]


async def test_what_is_sent_at_once_goes_out_in_the_order_that_the_history_shows(
    dora: Guest, system: System
) -> None:
    conversation = await dora.conversation()
    texts = [str(place) for place in range(40)]
    sent = await asyncio.gather(*(send(dora.hotel, conversation, text) for text in texts))
    for message in sent:
        await becomes(dora.hotel, message, "SENT", "DELIVERED", "READ")
    shown = [message["content"] for message in await dora.history() if message["direction"] == "OUTBOUND"]
    assert await _texts(system, dora.hotel) == shown[::-1]
    assert (await dora.conversation())["lastMessage"]["preview"] == shown[0]


async def test_who_began_before_and_came_behind_stands_behind(dora: Guest, laid: Rails) -> None:
    hotel, conversation = UUID(dora.hotel.id), UUID((await dora.conversation())["id"])
    async with laid.db.tenant(hotel) as early:
        await early.value(sql.load("sending").mime_type, file=uuid4())  # its time is that of its first statement
        async with laid.db.tenant(hotel) as late:
            await messages.insert(laid, late, conversation, messages.Send(content="antes"), None)
        row, [told] = await messages.insert(laid, early, conversation, messages.Send(content="depois"), None)
    shown = (await dora.history())[:2]
    assert [message["content"] for message in shown] == ["depois", "antes"]
    assert (told.data["conversation"].last_message.id, shown[0]["id"]) == (row.id, str(row.id))
    assert (await dora.conversation())["lastMessage"]["id"] == str(row.id)


async def test_workers_that_meet_on_a_lane_send_each_message_once(
    dora: Guest, system: System, settings: Settings, as_owner: Sql
) -> None:
    rows = [await _row(as_owner, dora, "QUEUED", str(place)) for place in range(10)]
    laid = await rails.lay(settings)
    tenant, lane = (await as_owner("SELECT tenant_id, conversation_id FROM messages WHERE id = $1", rows[0]["id"]))[
        0
    ]
    await asyncio.gather(*[outbound.run_lane(laid, tenant, lane) for _ in range(5)])
    await becomes(dora.hotel, rows[-1], "SENT", "DELIVERED", "READ")
    assert await _texts(system, dora.hotel) == [str(place) for place in range(10)]
    await laid.close()


async def test_what_goes_over_the_wire(dora: Guest, system: System) -> None:
    message = await send(dora.hotel, await dora.conversation(), "Veja https://exemplo.com.br 😀")
    [taken] = await eventually(lambda: accepted(system, dora.hotel))
    assert taken["body"] == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": f"+{dora.wa_id}",
        "type": "text",
        "text": {"body": "Veja https://exemplo.com.br 😀", "preview_url": True},
        "biz_opaque_callback_data": message["id"],
    }
    assert (await becomes(dora.hotel, message, "READ"))["wamid"] == taken["wamid"]


async def test_a_guest_without_a_phone_is_named_by_bsuid(dora: Guest, system: System, as_owner: Sql) -> None:
    node = {**dora.message(), "from_user_id": "BR.1502576394655843"}
    del node["from"]
    await told(dora.hotel, as_owner, dora.hotel.envelope(messages=[node]))
    listed = (await dora.hotel.attendant.get("/api/conversations")).json()["data"]
    nameless = next(item for item in listed if item["contact"]["waId"] is None)
    await becomes(dora.hotel, await send(dora.hotel, nameless), "READ")
    [taken] = await accepted(system, dora.hotel)
    assert (taken["body"]["recipient"], taken["body"].get("to")) == ("BR.1502576394655843", None)


async def test_the_wa_id_is_learnt_from_metas_answer(system: System) -> None:
    hotel, short = await system.hotel("Vazia"), unique_phone()
    guest = Guest(hotel, f"{short[:4]}9{short[4:]}")
    await guest.writes()
    message = await send(hotel, await guest.conversation())
    await becomes(hotel, message, "READ")
    [conversation] = (await hotel.attendant.get("/api/conversations")).json()["data"]
    assert conversation["contact"]["waId"] == short
    await becomes(hotel, await send(hotel, conversation), "READ")
    assert [taken["to"] for taken in await accepted(system, hotel)] == [f"+{guest.wa_id}", f"+{short}"]


@pytest.mark.parametrize(("http", "code", "action"), PERMANENT)
async def test_a_permanent_refusal_fails_with_what_helps_and_holds_up_nothing(
    http: int, code: int, action: str | None, dora: Guest, system: System
) -> None:
    await script(
        system, dora.hotel, error={"status": http, "code": code, "message": "Não", "details": "Porque não"}
    )
    conversation = await dora.conversation()
    failed = await becomes(dora.hotel, await send(dora.hotel, conversation, "um"), "FAILED")
    error = {"code": code, "title": f"(#{code}) Não", "detail": "Porque não", "action": action}
    assert (failed["error"], bool(failed["failedAt"]), failed["wamid"]) == (error, True, None)
    await becomes(dora.hotel, await send(dora.hotel, conversation, "dois"), "READ")
    assert await _texts(system, dora.hotel) == ["dois"]


@pytest.mark.parametrize("error", TRANSIENT)
async def test_a_passing_fault_is_tried_again_until_it_is_sent(
    error: dict[str, Any], dora: Guest, system: System, as_owner: Sql
) -> None:
    await script(system, dora.hotel, error=error)
    message = await send(dora.hotel, await dora.conversation())
    assert 0 < await _tried(as_owner, message) < 30
    await as_owner(HURRY, message["id"])
    sent = await becomes(dora.hotel, message, "READ")
    assert (sent["error"], len(await accepted(system, dora.hotel))) == (None, 1)


async def test_a_fault_that_does_not_pass_ends_failed(dora: Guest, system: System, as_owner: Sql) -> None:
    await script(system, dora.hotel, times=None, error={"status": 500, "code": 131016})
    message = await _row(as_owner, dora, "QUEUED", "um", attempts=outbound.TRIES - 2)
    await _tried(as_owner, message, outbound.TRIES - 1)
    await as_owner(HURRY, message["id"])
    failed = await becomes(dora.hotel, message, "FAILED")
    assert failed["error"]["code"] == 131016
    assert await accepted(system, dora.hotel) == []


async def test_a_throttled_pair_waits_in_order_and_delays_nobody_else(
    dora: Guest, system: System, as_owner: Sql
) -> None:
    caio = Guest(dora.hotel, unique_phone())
    await caio.writes()
    await script(system, dora.hotel, to=dora.wa_id, error={"status": 400, "code": 131056})
    first, second = [await send(dora.hotel, await dora.conversation(), text) for text in ("um", "dois")]
    assert await _tried(as_owner, first) > 4
    await becomes(dora.hotel, await send(dora.hotel, await caio.conversation(), "Caio"), "READ")
    assert ((await now(dora.hotel, first))["status"], (await now(dora.hotel, second))["status"]) == (
        "QUEUED",
        "QUEUED",
    )
    await as_owner(HURRY, first["id"])
    await becomes(dora.hotel, second, "READ")
    assert await _texts(system, dora.hotel) == ["Caio", "um", "dois"]


@pytest.mark.parametrize(("cut", "taken"), [("before", 0), ("after", 1)])
async def test_a_cut_connection_leaves_the_message_uncertain_and_never_repeats_it(
    cut: str, taken: int, dora: Guest, system: System
) -> None:
    await script(system, dora.hotel, cut=cut, status=False)
    conversation = await dora.conversation()
    message = await becomes(dora.hotel, await send(dora.hotel, conversation, "um"), "UNCERTAIN")
    await becomes(dora.hotel, await send(dora.hotel, conversation, "dois"), "READ")
    await asyncio.sleep(2.5)  # two sweeps
    assert (await now(dora.hotel, message))["status"] == "UNCERTAIN"
    assert (await _texts(system, dora.hotel)).count("um") == taken


async def test_an_uncertain_message_is_settled_by_metas_status(dora: Guest, system: System, as_owner: Sql) -> None:
    await script(system, dora.hotel, cut="after", status=False)
    message = await becomes(dora.hotel, await send(dora.hotel, await dora.conversation()), "UNCERTAIN")
    [taken] = await accepted(system, dora.hotel)
    node = status(taken["wamid"], "delivered", biz_opaque_callback_data=message["id"])
    await told(dora.hotel, as_owner, dora.hotel.envelope(statuses=[node]))
    settled = await now(dora.hotel, message)
    assert (settled["status"], settled["wamid"], settled["error"]) == ("DELIVERED", taken["wamid"], None)


async def _told(hotel: Hotel, message: dict[str, Any], code: int) -> dict[str, Any] | None:
    found = await now(hotel, message)
    return found if found["error"] and found["error"]["code"] == code else None


async def test_a_channel_without_a_token_waits_for_one_and_says_so(system: System) -> None:
    hotel = await system.hotel("Vazia")
    number, account = unique_number_id(), unique_number_id()
    new = {"whatsappPhoneNumberId": number, "whatsappBusinessAccountId": account}
    channel = (await hotel.admin.post("/api/channels", json=new)).json()
    guest = Guest(replace(hotel, number_id=number, waba_id=account, channel_id=channel["id"]), unique_phone())
    await guest.writes()
    message = await send(hotel, await guest.conversation())
    waiting = await eventually(lambda: _told(hotel, message, 190))
    assert (waiting["status"], waiting["error"]["code"], waiting["error"]["action"]) == (
        "QUEUED",
        190,
        "update_token",
    )
    [*_, paused] = (await hotel.admin.get("/api/channels?limit=100")).json()["data"]
    assert (paused["paused"]["until"], paused["paused"]["error"]["action"]) == (None, "update_token")
    token = {"whatsappAccessToken": "EAAG-a-token-that-works"}
    assert (await hotel.admin.patch(f"/api/channels/{channel['id']}", json=token)).json()["paused"] is None
    refused = await eventually(lambda: _told(hotel, message, 100))  # Meta does not know the number
    assert (refused["status"], refused["error"]["action"]) == ("QUEUED", "update_token")
    assert "token não alcança este número" in refused["error"]["detail"]
    checked = (await hotel.admin.post(f"/api/channels/{channel['id']}/check")).json()
    rests = next(str(step) for step in checked["data"] if "em pausa" in str(step))
    assert "token não alcança este número" in rests


async def test_a_deleted_channel_sends_no_more(dora: Guest, system: System) -> None:
    answer = await dora.hotel.admin.delete(f"/api/channels/{dora.hotel.channel_id}")
    assert answer.status_code == 204
    failed = await becomes(dora.hotel, await send(dora.hotel, await dora.conversation()), "FAILED")
    assert failed["error"]["title"] == "the channel is out of use"
    assert "excluído" in failed["error"]["detail"]
    assert await accepted(system, dora.hotel) == []


async def test_what_waits_for_a_channel_that_rests_fails_once_that_is_deleted(dora: Guest, system: System) -> None:
    await script(system, dora.hotel, error={"status": 401, "code": 190, "message": "Session has expired"})
    waiting = await send(dora.hotel, await dora.conversation())
    await eventually(lambda: _told(dora.hotel, waiting, 190))
    await dora.hotel.admin.delete(f"/api/channels/{dora.hotel.channel_id}")
    later = await send(dora.hotel, await dora.conversation())
    failed = [await becomes(dora.hotel, message, "FAILED") for message in (waiting, later)]
    assert [message["error"]["title"] for message in failed] == ["the channel is out of use"] * 2
    assert await accepted(system, dora.hotel) == []


async def test_a_row_nobody_was_woken_for_is_swept_within_seconds(
    dora: Guest, system: System, as_owner: Sql
) -> None:
    message = await _row(as_owner, dora, "QUEUED", "perdida")
    asked = datetime.now(UTC)
    sent = await becomes(dora.hotel, message, "READ")
    assert (datetime.fromisoformat(sent["sentAt"]) - asked).total_seconds() < 6
    assert await _texts(system, dora.hotel) == ["perdida"]


async def test_a_row_that_nothing_can_be_made_of_fails_and_holds_up_nobody(
    dora: Guest, system: System, as_owner: Sql
) -> None:
    empty = await _row(as_owner, dora, "QUEUED", "x")
    await as_owner("UPDATE messages SET type = 'contacts', content = NULL WHERE id = $1", UUID(empty["id"]))
    behind = await send(dora.hotel, await dora.conversation(), "dois")
    error = (await becomes(dora.hotel, empty, "FAILED"))["error"]
    assert (error["title"], "escreva-a de novo" in error["detail"]) == ("nothing can be made of the message", True)
    await becomes(dora.hotel, behind, "READ")
    assert await _texts(system, dora.hotel) == ["dois"]


async def test_a_lease_in_force_is_waited_for_and_one_that_ran_out_is_uncertain(
    dora: Guest, system: System, as_owner: Sql
) -> None:
    leased = await _row(as_owner, dora, "SENDING", "um", lease=3)
    behind = await send(dora.hotel, await dora.conversation(), "dois")
    await asyncio.sleep(1.5)
    assert [(await now(dora.hotel, each))["status"] for each in (leased, behind)] == ["SENDING", "QUEUED"]
    await becomes(dora.hotel, leased, "UNCERTAIN")
    await becomes(dora.hotel, behind, "READ")
    assert await _texts(system, dora.hotel) == ["dois"]


async def test_a_worker_that_stops_while_a_file_is_uploaded_gives_the_message_back(
    dora: Guest, settings: Settings, as_owner: Sql
) -> None:
    """Meta has not heard of the message yet: there is nothing that people would have to decide."""
    asked = asyncio.Event()

    async def silent(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        asked.set()

    file = (await upload(dora.hotel.admin, picture("PNG", (8, 8)) + uuid4().bytes)).json()["id"]
    conversation = (await dora.conversation())["id"]
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    graph_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    laid = await rails.lay(msgspec.structs.replace(settings, whatsapp_graph_url=graph_url))
    [made] = await as_owner(FILE, dora.hotel.id, conversation, file)
    lane = asyncio.create_task(outbound.run_lane(laid, made["tenant_id"], made["conversation_id"]))
    await asked.wait()
    lane.cancel()
    await asyncio.gather(lane, return_exceptions=True)
    await becomes(dora.hotel, {"id": str(made["id"]), "conversationId": conversation}, "READ")
    await laid.close()
    server.close()


async def test_a_message_that_meta_has_not_heard_of_goes_back_when_postgres_was_away(
    dora: Guest, system: System, home: Home
) -> None:
    """It stayed SENDING for the minutes of a file's lease, and then a person had to say what becomes of it."""
    hotel, conversation = dora.hotel, (await dora.conversation())["id"]
    file = (await upload(hotel.admin, picture("PNG", (8, 8)) + uuid4().bytes)).json()["id"]
    image = {"type": "image", "mediaId": file}
    async with holding(home, "LOCK TABLE media_uploads IN ACCESS EXCLUSIVE MODE") as uploads:
        answer = await hotel.attendant.post(f"/api/conversations/{conversation}/messages", json=image)
        [asking] = await eventually(uploads.waits)
        await cut(home, asking["pid"])
        assert (await becomes(hotel, answer.json(), "QUEUED"))["error"] is None
    await becomes(hotel, answer.json(), "READ")
    assert len(await accepted(system, hotel)) == 1
