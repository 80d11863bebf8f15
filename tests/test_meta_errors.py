"""Meta's error codes: each ends as section 6.2 of the facts says, and what becomes of the message follows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from crm import messages
from crm.core.meta import LONGEST_PAUSE, Graph, MetaError, Sent, told
from crm.core.meta_codes import TABLE as CODES
from crm.core.meta_errors import Refusal, Rule, action, meaning, rule
from crm.outbound import TRIES, verdict

# code -> (retry, scope, people), as in the table of Meta's facts; the HTTP status is what Meta sends with it.
TABLE = {
    (500, 1): ("transient", "message", False), (400, 1): ("permanent", "message", False),
    (503, 2): ("transient", "message", False), (500, 131000): ("transient", "message", False),
    (500, 131016): ("transient", "message", False), (503, 133004): ("transient", "message", False),
    (500, 131057): ("transient", "message", False), (500, 2494100): ("transient", "message", False),
    (400, 4): ("throttled", "account", False), (400, 80007): ("throttled", "account", False),
    (400, 130429): ("throttled", "channel", False), (429, 130429): ("throttled", "channel", False),
    (400, 131056): ("throttled", "message", False), (400, 133016): ("throttled", "channel", False),
    (400, 131048): ("throttled", "channel", True), (400, 131064): ("throttled", "channel", True),
    **{(401, code): ("throttled", "channel", True) for code in (0, 190)},
    **{(403, code): ("throttled", "channel", True) for code in (10, 200, 230, 299, 131005)},
    (500, 3): ("throttled", "channel", True), (400, 33): ("throttled", "channel", True),
    **{(403, code): ("throttled", "channel", True) for code in (368, 131031, 131042, 131045, 133010, 133006)},
    **{(400, code): ("throttled", "channel", True) for code in (131037, 134011)},
    **{(400, code): ("permanent", "message", False) for code in (
        130497, 131047, 131026, 131021, 131030, 131062, 131049, 131050, 130472, 131063, 100, 131008, 131009,
        131051, 131052, 131053, 135000, 137000, 132000, 132005, 132007, 132008, 132012, 132015, 132016, 999999,
    )},
    (404, 132001): ("permanent", "message", False),
    (500, None): ("transient", "message", False), (503, None): ("transient", "message", False),
    (429, None): ("throttled", "channel", False), (400, None): ("permanent", "message", False),
    (403, None): ("permanent", "message", False), (404, None): ("permanent", "message", False),
    (502, None): ("uncertain", "message", False), (504, None): ("uncertain", "message", False),
}  # fmt: skip


@pytest.mark.parametrize(("status", "code"), TABLE)
def test_a_code_ends_as_the_table_says(status: int, code: int | None) -> None:
    found = rule(Refusal(status, code))
    assert (found.retry, found.scope, found.people) == TABLE[status, code]


def test_an_object_that_the_token_may_not_see_is_a_matter_of_the_token() -> None:
    assert rule(Refusal(400, 100, 33)).action == "update_token"
    assert rule(Refusal(400, 100, 0)).retry == "permanent"


def test_meta_may_say_that_a_refusal_passes() -> None:
    assert rule(Refusal(400, 999, is_transient=True)).retry == "transient"
    assert rule(Refusal(400, None, is_transient=True)).retry == "transient"
    assert rule(Refusal(401, 190, is_transient=True)).people


def refused(code: int | None, status: int = 400, after: float = 0) -> MetaError:
    return MetaError(rule(Refusal(status, code)), code, "title", after=after)


def test_a_passing_fault_is_tried_again_later_and_later_and_then_no_more() -> None:
    waits = [verdict(refused(131016), tries).wait for tries in range(1, TRIES)]
    assert all(1 <= wait <= 301 for wait in waits)
    assert {verdict(refused(131016), tries).status for tries in range(1, TRIES)} == {"QUEUED"}
    assert verdict(refused(131016), TRIES).status == "FAILED"
    assert verdict(refused(131057), 1).wait >= 60


def test_a_throttled_pair_waits_as_meta_asks() -> None:
    assert [verdict(refused(131056), tries).wait for tries in (1, 2, 3, 4, 6)] == [10, 22, 70, 262, 306]
    assert verdict(refused(131056), TRIES).status == "FAILED"


@pytest.mark.parametrize("code", [130429, 80007, 4, 190, 131042, 131048])
def test_what_the_channel_is_to_blame_for_costs_the_message_no_try(code: int) -> None:
    ending = verdict(refused(code), TRIES + 50)
    assert (ending.status, ending.spent) == ("QUEUED", False)


def test_meta_is_left_alone_for_as_long_as_it_asks() -> None:
    assert 120 <= verdict(refused(130429, after=120), 1).wait <= 180
    assert verdict(refused(131016, after=90), 1).wait >= 90


@pytest.mark.parametrize(("code", "after"), [(133016, 0), (130429, 3600)])
def test_no_rest_is_longer_than_the_hour_that_postgres_takes_for_one(code: int, after: float) -> None:
    """What lies further ahead is due at once, as written before the clock was set back: nobody would rest."""
    waits = [verdict(refused(code, after=after), 1).wait for _ in range(50)]
    assert set(waits) == {LONGEST_PAUSE}


def test_nobody_knows_what_became_of_an_uncertain_send() -> None:
    ending = verdict(refused(None, 504), 1)
    assert (ending.status, ending.wait) == ("UNCERTAIN", messages.OFFER_SECONDS)
    assert ending.error["action"] == "wait_15_minutes"


def test_a_word_says_what_helps() -> None:
    assert [action(code) for code in (190, 131042, 131047, 131050, 999, None)] == [
        "update_token", "check_payment", "send_template", "opted_out", None, None,
    ]  # fmt: skip


def test_who_waits_for_people_waits_without_a_time() -> None:
    assert all(rule(Refusal(status, code)).wait == 0 for (status, code), found in TABLE.items() if found[2])
    assert Rule() == rule(Refusal(400, 100))


# Every code that section 6.2 of Meta's facts names, the subcodes of template creation at its end.
NAMED = {
    1, 2, 131000, 131016, 133004, 131057, 2494100, 4, 80007, 130429, 131056, 133016, 131048, 131064, 0, 190, 3,
    10, 200, 299, 131005, 33, 368, 131031, 131042, 131045, 133010, 133006, 131037, 130497, 134011, 131047,
    131026, 131021, 131030, 131062, 131049, 131050, 130472, 131063, 100, 131008, 131009, 131051, 131052, 131053,
    135000, 137000, 132000, 132001, 132005, 132007, 132008, 132012, 132015, 132016, 132068, 132069, 131059,
    2388040, 2388047, 2388072, 2388073, 2388293, 2388299, 2388019, 2388023,
}  # fmt: skip


def test_every_code_of_metas_facts_is_in_the_table() -> None:
    assert NAMED - set(CODES) == set()


def test_each_code_is_told_in_two_languages_with_what_to_do() -> None:
    for code, found in CODES.items():
        texts = [found.pt.sentence, found.pt.what_to_do, found.en.sentence, found.en.what_to_do]
        assert all(text.endswith(".") for text in texts), code
        assert len(set(texts)) == 4, code


def test_a_subcode_says_more_than_its_code_and_an_unknown_one_nothing() -> None:
    assert meaning(100, 2388299) is CODES[2388299]
    assert [meaning(100, 7), meaning(999), meaning(None)] == [CODES[100], None, None]


def test_where_meta_explains_nothing_our_sentence_stands() -> None:
    assert told(131047, "Re-engagement", "")["detail"] == CODES[131047].pt.sentence
    assert told(131047, "Re-engagement", "24 hours")["detail"] == "24 hours"
    assert told(999, "x", "")["detail"] == ""


async def test_the_table_is_shown_to_everybody_of_the_hotel(bruno: httpx.AsyncClient) -> None:
    lines = {line["code"]: line for line in (await bruno.get("/api/meta-errors")).json()["data"]}
    assert (lines[200]["upTo"], 201 in lines) == (299, False)
    assert {code for code in NAMED if code != 299} <= lines.keys()
    told_190 = lines[190]
    assert (told_190["retry"], told_190["scope"], told_190["people"]) == ("throttled", "channel", True)
    assert told_190["words"]["pt-BR"]["sentence"] == CODES[190].pt.sentence
    assert told_190["words"]["en"]["whatToDo"] == CODES[190].en.what_to_do


CUT = b'{"error": {"code": 131056, "message": "Caf\xc3", "error_data": {"details": "\\ud83d \\u0000"}}}'
UNREADABLE = {
    "zipped, it says": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n",
    "nested without end": b"HTTP/1.1 200 OK\r\n",
}


@asynccontextmanager
async def saying(head: bytes, body: bytes) -> AsyncIterator[Graph]:
    """A Graph that gives this answer to whatever it is asked."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    graph = Graph(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", "v25.0")
    try:
        yield graph
    finally:
        await graph.close()
        server.close()


async def test_a_refusal_whose_words_are_cut_counts_and_can_be_kept() -> None:
    """Half a letter, half an emoji and NUL: no JSON of ours, and no text of Postgres'."""
    async with saying(b"HTTP/1.1 400 Bad Request\r\n", CUT) as graph:
        with pytest.raises(MetaError) as refused:
            await graph.send("1", "token", {})
    error = refused.value
    assert (error.code, error.title, error.detail) == (131056, "Caf\ufffd", "\ufffd \ufffd")


NULLS = b"""{"error": {"code": 190, "error_subcode": null, "message": null, "error_data": null,
    "is_transient": null}, "messages": null, "contacts": null}"""


async def test_what_meta_leaves_null_hides_nothing_beside_it() -> None:
    async with saying(b"HTTP/1.1 401 Unauthorized\r\n", NULLS) as graph:
        with pytest.raises(MetaError) as refused:
            await graph.send("1", "token", {})
    assert (refused.value.code, refused.value.subcode, refused.value.title) == (190, 0, "")
    assert refused.value.rule == CODES[190].rule
    async with saying(b"HTTP/1.1 200 OK\r\n", b'{"messages": [{"id": "wamid.1"}], "contacts": null}') as graph:
        assert await graph.send("1", "token", {}) == Sent("wamid.1", None)


@pytest.mark.parametrize("what", UNREADABLE)
async def test_an_answer_that_cannot_be_read_leaves_a_send_uncertain_and_a_question_to_be_repeated(
    what: str,
) -> None:
    async with saying(UNREADABLE[what], b'{"error": {"error_data": ' + b"[" * 100_000) as graph:
        with pytest.raises(MetaError) as sent:
            await graph.send("1", "token", {})
        with pytest.raises(MetaError) as asked:
            await graph.ask("GET", "1", "token")
    assert (sent.value.rule.retry, asked.value.rule.retry) == ("uncertain", "transient")


async def test_a_message_that_meta_names_by_nothing_is_uncertain() -> None:
    async with saying(b"HTTP/1.1 200 OK\r\n", b'{"messages": [{"id": ""}]}') as graph:
        with pytest.raises(MetaError) as sent:
            await graph.send("1", "token", {})
    assert sent.value.rule.retry == "uncertain"
