"""POST /{phone-number-id}/messages: sends and read marks (Meta: §6)."""

import re
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from . import cards, dialect, identities, lifecycle, shapes
from .chats import Bubble, Event
from .errors import GraphError, invalid, required
from .state import Fake, number, object_body, of
from .world import Customer, Number, Read, Sent, Template


async def post(request: Request) -> Response:
    """A message, or a read mark when the body carries a status."""
    business = number(request)
    body = await object_body(request)
    if body.get("messaging_product") != "whatsapp":
        raise required("messaging_product")
    if "status" in body:
        return _mark_read(of(request), business, body)
    return _send(request, business, body)


def _mark_read(fake: Fake, business: Number, body: dict[str, Any]) -> Response:
    """Blue ticks for this and all earlier messages; with a typing indicator also "digitando" (Meta: §6)."""
    wamid = shapes.text_in(body, "message_id", 512)
    if body["status"] != "read" or not wamid.startswith("wamid."):
        raise invalid("Param status must be read, and message_id an id of a received message")
    typing = "typing_indicator" in body
    fake.world.reads.append(Read(time.time(), business.phone_number_id, wamid, typing))
    chat = fake.chats.read(business.phone_number_id, wamid)
    if chat and typing:
        fake.chats.tell(chat, Event("typing", None))
    return JSONResponse({"success": True})


def _send(request: Request, business: Number, body: dict[str, Any]) -> Response:
    """Accept, answer, and let the statuses follow by themselves (Meta: §0.7)."""
    fake = of(request)
    kind = shapes.check(body)
    template = _existing(fake, business, kind, body)
    customer = _recipient(fake, business, body)
    wamid = identities.wamid(customer.wa_id or customer.bsuid)
    callback = body.get("biz_opaque_callback_data")
    to = body.get("to") or body.get("recipient")
    sent = Sent(time.time(), business.phone_number_id, to, kind, body, wamid, callback)
    fake.world.sent.append(sent)
    action = request.state.action
    failure = action.failure or lifecycle.verdict(business, customer, sent)
    if action.status:
        category = template.category if template else "service"
        fake.courier.spawn(lifecycle.play(fake, sent, customer, action, failure, category))
    if failure is None:
        fake.chats.show((business.phone_number_id, customer.key), _bubble(sent, template))
    message = {"id": wamid} | ({"message_status": "accepted"} if template else {})
    contacts = [_contact(body, customer)]
    return JSONResponse({"messaging_product": "whatsapp", "contacts": contacts, "messages": [message]})


def _recipient(fake: Fake, business: Number, body: dict[str, Any]) -> Customer:
    """`to` wins over `recipient`; a group is nobody's chat here (Meta: §5.1)."""
    if body.get("recipient_type", "individual") != "individual":
        raise invalid("Param recipient_type must be individual")
    to, bsuid = body.get("to"), body.get("recipient")
    if not to and not bsuid:
        raise required("to")
    if to and not (isinstance(to, str) and identities.digits(to)):
        raise invalid("Param to is not a valid phone number")
    if not to and not identities.BSUID.fullmatch(str(bsuid)):
        raise invalid("Param recipient is not a valid user id")
    return fake.world.customer(business, to) if to else fake.world.customer(business, None, bsuid)


def _contact(body: dict[str, Any], customer: Customer) -> dict[str, Any]:
    """`wa_id` only when a phone was used, `user_id` only when a BSUID was given (Meta: §5.1)."""
    named = {"user_id": body["recipient"]} if body.get("recipient") else {}
    if body.get("to"):
        return {"input": body["to"], "wa_id": customer.wa_id, **named}
    return {"input": body["recipient"], **named}


def _existing(fake: Fake, business: Number, kind: str, body: dict[str, Any]) -> Template | None:
    """What the message refers to must exist: a template that is approved, media of this number."""
    node = body[kind]
    for file, id in shapes.files(body):
        found = fake.world.media.get(id)
        if found is None or found.phone_number_id != business.phone_number_id:
            raise invalid(f"Param {file}['id'] is not a valid whatsapp business account media attachment ID")
    if kind != "template":
        return None
    template = fake.world.template(business.waba_id, node["name"], node["language"]["code"])
    if template is None or template.status != "APPROVED":
        title = "(#132001) Template name does not exist in the translation"
        raise GraphError(132001, title, status=404, details=f"template name ({node['name']}) does not exist")
    given = node.get("components", [])
    _counted(template.components, given)
    cards.check_use(template.components, given)
    return template


def _counted(components: list[dict[str, Any]], given: list[dict[str, Any]]) -> None:
    """As many body parameters as the template's body has variables, and each card's (Meta: §6.2, 132000)."""
    text = str(cards.part(components, "BODY").get("text", ""))
    wanted = len(set(re.findall(r"\{\{\s*(\w+)\s*\}\}", text)))
    found = len(cards.part(given, "BODY").get("parameters", []))
    if found != wanted:
        title = "Number of parameters does not match the expected number of params"
        details = f"body: number of localizable_params ({found}) is not the expected number ({wanted})"
        raise GraphError(132000, f"(#132000) {title}", details=details)
    made, filled = (cards.part(parts, "CAROUSEL").get("cards", []) for parts in (components, given))
    for card, one in zip(made, filled, strict=False):
        _counted(card["components"], one.get("components", []))


def _bubble(sent: Sent, template: Template | None) -> Bubble:
    node = sent.body[sent.type]
    return Bubble(
        wamid=sent.wamid,
        at=sent.at,
        by="business",
        type=sent.type,
        node=node,
        context=sent.body.get("context"),
        preview=dialect.preview(template, node) if template else None,
    )
