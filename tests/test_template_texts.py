"""Parameters that do not fit a template are told before a call is spent; a filled one reads as it is sent."""

from typing import Any

import pytest

from crm.template_texts import check_parameters, filled

BODY = {"type": "BODY", "text": "Olá, {{1}}! Quarto {{2}}, até já."}
NAMED = {"type": "BODY", "text": "Olá, {{nome}}! Até já."}
HEADER = {"type": "HEADER", "format": "TEXT", "text": "Reserva {{1}}"}
IMAGE = {"type": "header", "format": "image"}
FOOTER = {"type": "FOOTER", "text": "Hotel Aurora"}
LINK = {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY"}, {"type": "URL", "url": "https://a.example/{{1}}"}]}


def texts(kind: str, *values: str) -> dict[str, Any]:
    return {"type": kind, "parameters": [{"type": "text", "text": value} for value in values]}


def button(index: str, sub_type: str, *values: str) -> dict[str, Any]:
    return {**texts("button", *values), "sub_type": sub_type, "index": index}


def test_a_filled_template_reads_as_the_customer_does() -> None:
    given = [texts("header", "2041"), texts("body", "Dora", "204")]
    assert (
        filled([HEADER, BODY, FOOTER, LINK], given)
        == "Reserva 2041\n\nOlá, Dora! Quarto 204, até já.\n\nHotel Aurora"
    )
    named = {"type": "body", "parameters": [{"type": "text", "parameter_name": "nome", "text": "Dora"}]}
    assert filled([NAMED], [named]) == "Olá, Dora! Até já."
    assert filled([FOOTER], None) == "Hotel Aurora"


@pytest.mark.parametrize(
    ("template", "given"),
    [
        ([BODY], [texts("body", "Dora", "204")]),
        ([FOOTER, {"type": "body", "text": "Olá"}], None),
        ([IMAGE], [{"type": "header", "parameters": [{"type": "image", "image": {"id": "1"}}]}]),
        ([LINK], [button("1", "url", "2041")]),
    ],
)
def test_parameters_that_fit_have_no_fault(template: list[dict[str, Any]], given: Any) -> None:
    assert check_parameters(template, "POSITIONAL", given) == []


@pytest.mark.parametrize(
    ("template", "given", "pointer"),
    [
        ([BODY], None, ""),
        ([BODY], [texts("body", "Dora")], "/0/parameters"),
        ([BODY], [texts("body", "Dora", "")], "/0/parameters/1/text"),
        ([BODY], [texts("body", "Dora", "a\nb")], "/0/parameters/1/text"),
        ([BODY], [texts("body", "Dora", "x" * 1024)], "/0/parameters"),
        ([BODY], [texts("body", "a", "b"), texts("header", "c")], "/1/type"),
        ([IMAGE], [texts("header", "c")], "/0/parameters/0/type"),
        ([IMAGE], [{"type": "header", "parameters": [{"type": "image", "image": {}}]}], "/0/parameters/0/image"),
        ([LINK], [], ""),
        ([LINK], [button("1", "quick_reply", "x")], "/0/sub_type"),
        ([LINK], [button("1", "url", "x"), button("7", "url", "x")], "/1/type"),
    ],
)
def test_parameters_that_do_not_fit_are_named(template: Any, given: Any, pointer: str) -> None:
    assert [fault[0] for fault in check_parameters(template, "POSITIONAL", given)] == [pointer]


def test_named_parameters_are_named_as_in_the_template() -> None:
    wrong = {"type": "body", "parameters": [{"type": "text", "parameter_name": "name", "text": "Dora"}]}
    assert [fault[0] for fault in check_parameters([NAMED], "NAMED", [wrong])] == ["/0/parameters/0/parameter_name"]
