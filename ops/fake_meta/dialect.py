"""The webhook bodies that Meta writes (Meta: §1.1, §2, §3)."""

from typing import Any

from . import identities
from .script import Failure
from .world import Customer, Number, Template

RE_ENGAGEMENT = Failure(
    131047,
    "Re-engagement message",
    "Message failed to send because more than 24 hours have passed since the customer last replied to this number.",
)
UNSUPPORTED = Failure(131051, "Message type unknown", "Message type is currently not supported.")
HREF = "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/"
PRICED_ONCE = {"delivered", "read"}


def envelope(number: Number, **value: Any) -> dict[str, Any]:
    """One change of field `messages`; `display_phone_number` is digits here (Meta: §1.1)."""
    metadata = {
        "display_phone_number": identities.digits(number.display_phone_number),
        "phone_number_id": number.phone_number_id,
    }
    content = {"messaging_product": "whatsapp", "metadata": metadata, **value}
    change = {"value": content, "field": "messages"}
    return {"object": "whatsapp_business_account", "entry": [{"id": number.waba_id, "changes": [change]}]}


def contact(customer: Customer) -> dict[str, Any]:
    """A phone that Meta withholds is left out, not empty (Meta: §0.1)."""
    phone = {"wa_id": customer.wa_id} if customer.wa_id else {}
    return {"profile": {"name": customer.name}, **phone, "user_id": customer.bsuid}


def inbound(number: Number, customer: Customer, message: dict[str, Any]) -> dict[str, Any]:
    """A customer's message; `from` is left out when her phone is withheld, `contacts` of a `system` (Meta: §2)."""
    sender = {"from": customer.wa_id} if customer.wa_id else {}
    signed = {**sender, "from_user_id": customer.bsuid, **message}
    if message["type"] == "unsupported":
        signed["errors"] = [fault(UNSUPPORTED)]
    if message["type"] == "system":
        return envelope(number, messages=[signed])
    return envelope(number, contacts=[contact(customer)], messages=[signed])


def fault(failure: Failure) -> dict[str, Any]:
    """An error inside a webhook (Meta: §1.1)."""
    error_data = {"details": failure.details}
    return {
        "code": failure.code,
        "title": failure.title,
        "message": failure.title,
        "error_data": error_data,
        "href": HREF,
    }


def status(
    number: Number, customer: Customer, update: dict[str, Any], failure: Failure | None = None
) -> dict[str, Any]:
    """A status; `contacts` are left out when it failed (Meta: §3)."""
    phone = {"recipient_id": customer.wa_id} if customer.wa_id else {}
    full = {**update, **phone, "recipient_user_id": customer.bsuid}
    if failure:
        return envelope(number, statuses=[full | {"errors": [fault(failure)]}])
    return envelope(number, contacts=[contact(customer)], statuses=[full])


def pricing(category: str) -> dict[str, Any]:
    """Since October 2026 free-form messages are billed too, as `service` (Meta: §0.2, §9)."""
    return {"billable": True, "pricing_model": "PMP", "type": "regular", "category": category.lower()}


def carries_pricing(name: str, before: list[str]) -> bool:
    """With `sent`, and with only one of delivered and read (Meta: §3)."""
    return name == "sent" or (name in PRICED_ONCE and not PRICED_ONCE & set(before))


def preview(template: Template, node: dict[str, Any]) -> dict[str, Any]:
    """The template as the customer reads it, variables filled in."""
    given = {part["type"].lower(): part.get("parameters", []) for part in node.get("components", [])}
    parts = {part["type"].lower(): part for part in template.components}
    shown = {
        name: _fill(str(parts[name].get("text", "")), given.get(name, []))
        for name in ("header", "body", "footer")
        if name in parts
    }
    return {**shown, "buttons": parts.get("buttons", {}).get("buttons", [])}


def _fill(text: str, parameters: list[dict[str, Any]]) -> str:
    for place, parameter in enumerate(parameters, 1):
        name = parameter.get("parameter_name", place)
        text = text.replace("{{" + str(name) + "}}", str(parameter.get("text", "")))
    return text
