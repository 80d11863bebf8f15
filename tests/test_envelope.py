"""Whatever JSON is shaped like Meta's: reading it never raises, and never loses a neighbour."""

from typing import Any
from uuid import UUID

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm import envelope
from crm.core import payload
from crm.envelope import kinds

CHANNEL = UUID(int=7)
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=20)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
KINDS = [*kinds.LABELS, "text", "unknown", "hologram"]
NAMES = ["body", "id", "name", "title", "emoji", "message_id", "original_message_id", "type", "caption", "message"]
NAMES += ["formatted_name", "phones", "product_items", "quantity", "nfm_reply", "list_reply", "latitude", "wa_id"]
NODES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=15,
)
FIELDS = ["messages", "smb_message_echoes", "history", "standby", "account_update", "nonsense"]


@st.composite
def message(draw: st.DrawFn) -> dict[str, Any]:
    """A message node whose parts may each be missing or anything."""
    kind = draw(st.sampled_from(KINDS))
    parts = {"from": JSON, "from_user_id": JSON, "id": JSON, "timestamp": JSON, "context": NODES, "referral": NODES}
    parts |= {"type": st.just(kind) | JSON, kind: NODES, "errors": NODES, "group_id": JSON, "to": JSON}
    return {name: draw(part) for name, part in parts.items() if draw(st.booleans())}


@st.composite
def body(draw: st.DrawFn) -> dict[str, Any]:
    """A POST shaped like Meta's, any part of it anything."""
    some = st.lists(message() | JSON, max_size=3) | JSON
    value = st.fixed_dictionaries(
        {},
        optional={
            "metadata": st.just({"phone_number_id": "10"}) | JSON,
            "contacts": NODES,
            "messages": some,
            "statuses": some,
            "message_echoes": some,
            "standby": st.dictionaries(st.sampled_from(["messages", "message_echoes", "statuses"]), some),
            "history": st.lists(
                st.fixed_dictionaries(
                    {"threads": st.lists(st.fixed_dictionaries({"id": JSON, "messages": some}), max_size=2)}
                ),
                max_size=2,
            )
            | JSON,
        },
    )
    change = st.fixed_dictionaries({"field": st.sampled_from(FIELDS) | JSON, "value": value | JSON})
    entry = st.fixed_dictionaries(
        {"id": JSON, "changes": st.lists(change | JSON, max_size=3) | JSON}, optional={"time": JSON}
    )
    return {"entry": draw(st.lists(entry | JSON, max_size=2) | JSON)}


quick = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


def read(element: envelope.Element) -> Any:
    """What the element says; a ValueError names a poisoned one, which becomes a dead letter."""
    reader = {"message": envelope.inbound, "change": envelope.change}.get(element.kind)
    try:
        return envelope.advance(element) if element.kind == "status" else reader and reader(element, CHANNEL)
    except ValueError:
        return None


@quick
@given(body())
def test_anything_shaped_like_metas_is_read_or_buried_and_never_more(whole: dict[str, Any]) -> None:
    again = payload.read(msgspec.json.encode(whole))
    assert isinstance(envelope.lane(again), str)
    for element in envelope.elements(again):
        read(element)
        kind, about, item = envelope.letter(element)
        assert kind.startswith("inbound.")
        assert about
        msgspec.json.encode(item)


@quick
@given(st.lists(message() | JSON, max_size=4), st.integers(0, 4))
def test_a_good_message_is_found_whatever_stands_beside_it(others: list[Any], place: int) -> None:
    good = {
        "from": "554898448722",
        "id": "wamid.good",
        "timestamp": "1795471200",
        "type": "text",
        "text": {"body": "Oi"},
    }
    nodes = [*others[:place], good, *others[place:]]
    value = {"metadata": {"phone_number_id": "10"}, "messages": nodes}
    whole = {"entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}]}
    found = [read(element) for element in envelope.elements(payload.read(msgspec.json.encode(whole)))]
    assert [one.content for one in found if one and one.wamid == "wamid.good"] == ["Oi"]


@quick
@given(message())
def test_a_dead_letter_holds_the_element_whole(node: dict[str, Any]) -> None:
    value = {"metadata": {"phone_number_id": "10"}, "messages": [node]}
    whole = {"entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}]}
    [element] = envelope.elements(payload.read(msgspec.json.encode(whole)))
    _, _, item = envelope.letter(element)
    [again] = envelope.elements(msgspec.json.decode(envelope.posted(item)))
    assert again == element
