"""Carousels and limited-time offers, as Meta judges them (Meta: the templates for marketing)."""

from typing import Any

from .errors import GraphError, invalid

Node = dict[str, Any]
HEADERS, BUTTONS = {"IMAGE", "VIDEO"}, {"QUICK_REPLY", "URL", "PHONE_NUMBER"}
OFFER_BUTTONS = (["URL"], ["URL", "URL"], ["COPY_CODE", "URL"], ["COPY_CODE", "URL", "URL"])


def part(components: list[Node], kind: str) -> Node:
    """The component of this type, {} when there is none."""
    return next((one for one in components if str(one.get("type")).upper() == kind), {})


def inside(given: list[Node]) -> list[Node]:
    """The components of a use with those of its cards."""
    held = [one for node in given for card in node.get("cards", []) for one in card.get("components", [])]
    return [*given, *held]


def check_new(components: list[Node], category: str) -> None:
    """The components of a new template, as far as they are cards or an offer."""
    kinds = {str(one.get("type")).upper() for one in components}
    if not kinds & {"CAROUSEL", "LIMITED_TIME_OFFER"}:
        return
    if category.upper() != "MARKETING":
        raise invalid("Carousels and limited-time offers are for marketing")
    if "LIMITED_TIME_OFFER" in kinds:
        _check_offer(components, kinds)
    elif kinds != {"BODY", "CAROUSEL"}:
        raise invalid("A carousel template has a BODY and a CAROUSEL")
    else:
        _check_carousel(part(components, "CAROUSEL").get("cards"))


def _check_carousel(cards: Any) -> None:
    if not isinstance(cards, list) or not 2 <= len(cards) <= 10:
        raise invalid("A carousel has 2 to 10 cards")
    for card in cards:
        _check_card(card["components"])
    if len({_make(card["components"]) for card in cards}) > 1:
        raise invalid("All cards must have the same components")


def _check_card(components: list[Node]) -> None:
    header, buttons = part(components, "HEADER"), _buttons(components)
    if str(header.get("format")).upper() not in HEADERS or not header["example"]["header_handle"]:
        raise invalid("A card has a HEADER of an IMAGE or a VIDEO, with an example")
    if len(str(part(components, "BODY").get("text", ""))) > 160:
        raise invalid("The text of a card has at most 160 characters")
    if len(buttons) > 2 or not {*buttons} <= BUTTONS:
        raise invalid(f"A card has at most two buttons of {sorted(BUTTONS)}")


def _buttons(components: list[Node]) -> list[str]:
    return [str(one.get("type")).upper() for one in part(components, "BUTTONS").get("buttons", [])]


def _make(components: list[Node]) -> tuple[Any, ...]:
    header = str(part(components, "HEADER").get("format")).upper()
    return header, bool(part(components, "BODY")), tuple(_buttons(components))


def _check_offer(components: list[Node], kinds: set[str]) -> None:
    offer, buttons = part(components, "LIMITED_TIME_OFFER")["limited_time_offer"], _buttons(components)
    if not 1 <= len(offer["text"]) <= 16:
        raise invalid("The text of an offer has 1 to 16 characters")
    if "FOOTER" in kinds or len(str(part(components, "BODY").get("text", ""))) > 600:
        raise invalid("An offer has no FOOTER, and a BODY of at most 600 characters")
    if buttons not in OFFER_BUTTONS:
        raise invalid("An offer has a button URL, and COPY_CODE before it")
    if offer.get("has_expiration") and "COPY_CODE" not in buttons:
        raise invalid("An offer that expires has a button COPY_CODE")
    code = part(components, "BUTTONS")["buttons"][0].get("example", "")
    if buttons[0] == "COPY_CODE" and len(code[0] if isinstance(code, list) else code) > 15:
        raise invalid("An offer's code has at most 15 characters")


def check_use(components: list[Node], given: list[Node]) -> None:
    """What fills cards and an offer of an approved template."""
    cards, filled = part(components, "CAROUSEL").get("cards", []), part(given, "CAROUSEL").get("cards", [])
    if [card.get("card_index") for card in filled] != list(range(len(cards))):
        raise _misfit(f"carousel: {len(filled)} cards, expected {len(cards)}, each with its card_index")
    for card, one in zip(cards, filled, strict=True):
        wanted = str(part(card["components"], "HEADER").get("format")).upper()
        parameters = part(one.get("components", []), "HEADER").get("parameters", [])
        if [str(parameter.get("type")).upper() for parameter in parameters] != [wanted]:
            raise _misfit("a card lacks its header")
    offer = part(components, "LIMITED_TIME_OFFER").get("limited_time_offer") or {}
    if offer.get("has_expiration") and not _ends(given):
        raise _misfit("expiration_time_ms is missing")


def _misfit(details: str) -> GraphError:
    return GraphError(132012, "(#132012) Parameter format does not match", details=details)


def _ends(given: list[Node]) -> bool:
    parameters = part(given, "LIMITED_TIME_OFFER").get("parameters", [])
    told = [one.get("limited_time_offer", {}).get("expiration_time_ms") for one in parameters]
    return len(told) == 1 and isinstance(told[0], int)
